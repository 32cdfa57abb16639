"""Which content any row of the store speaks of. Every column of every table is read as text, so that a table or a field
that is added later counts without being named here."""

from __future__ import annotations

import re

from nbops.store.database import Reader

HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""What a digest ends with."""

_PAGE = 500  # rows read at once


def mentioned(reader: Reader) -> set[str]:
    """The hex part of every digest that stands in any row, whatever is digested."""
    found: set[str] = set()
    for table in reader.tables():
        after = -1
        while True:
            rows = reader.rows(
                f'SELECT rowid AS "_row", * FROM "{table}" WHERE rowid > :after ORDER BY rowid LIMIT {_PAGE}',
                after=after,
            )
            for row in rows:
                for value in row:
                    if isinstance(value, str) and len(value) >= 64:
                        found.update(HEX.findall(value))
            if len(rows) < _PAGE:
                break
            after = rows[-1]["_row"]
    return found
