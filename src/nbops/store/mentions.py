"""Which content any row of the store speaks of. Every column of every table is read as text, so that a table or a field
that is added later counts without being named here. Only where data's content lies and what number it had are no
mention: whoever speaks of the data is one (:mod:`nbops.store.data_contents`)."""

from __future__ import annotations

import re
from collections.abc import Container

from nbops.store.database import Reader

HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""What a digest ends with."""


def mentioned(reader: Reader, *, but_deleted: Container[str] = ()) -> set[str]:
    """The hex part of every digest that stands in any row, whatever is digested; deleted runs whose ids are in
    `but_deleted` left out."""
    found: set[str] = set()
    for table in reader.tables():
        if table in ("data_contents", "data_numbers"):
            continue
        for row in reader.every_row(table):
            if table == "deleted_runs" and row["id"] in but_deleted:
                continue
            for value in row:
                if isinstance(value, str) and len(value) >= 64:
                    found.update(HEX.findall(value))
    return found
