"""Which artifact holds the content of a data version: data is named by its fingerprint, artifacts by their bytes.

A row here is no use of the artifact: it counts for as long as something else speaks of the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from nbops.store.database import Reader, Transaction

FILE, PARQUET, NUMPY = "file", "parquet", "npy"


@dataclass(frozen=True, kw_only=True)
class Content:
    """`digest` is that of the data, `artifact` that of the bytes, which are the file itself or a table or array written
    as `form`. `stored` is how many bytes were written for it, `run` whose quota they count in."""

    digest: str
    artifact: str
    form: str
    size: int
    stored: int
    run: str


def add(tx: Transaction, contents: Iterable[Content]) -> None:
    rows = [{**dataclasses.asdict(content), "at": tx.at} for content in contents]
    if rows:
        tx.write_many(
            "INSERT INTO data_contents (digest, artifact, form, size, stored, run, at)"
            " VALUES (:digest, :artifact, :form, :size, :stored, :run, :at)"
            " ON CONFLICT (digest) DO UPDATE SET artifact = excluded.artifact, form = excluded.form,"
            " size = excluded.size, stored = excluded.stored, run = excluded.run, at = excluded.at",
            rows,
        )


def find(reader: Reader, digest: str) -> Content | None:
    """Where the content of this data is, if it is kept."""
    row = reader.row(
        "SELECT digest, artifact, form, size, stored, run FROM data_contents WHERE digest = :digest", digest=digest
    )
    return Content(**dict(row)) if row else None


def artifacts(reader: Reader) -> dict[str, str]:
    """{digest of the data: artifact} of all data whose content is kept."""
    return {row["digest"]: row["artifact"] for row in reader.rows("SELECT digest, artifact FROM data_contents")}


def stored_bytes(reader: Reader, run_id: str | None = None) -> int:
    """How many bytes were written for data, by one run or by all."""
    row = reader.row(
        "SELECT coalesce(sum(stored), 0) AS n FROM data_contents WHERE :run IS NULL OR run = :run", run=run_id
    )
    return int(row["n"]) if row else 0


def forget(tx: Transaction, artifact: str) -> None:
    """The artifact is gone."""
    tx.write("DELETE FROM data_contents WHERE artifact = :artifact", artifact=artifact)
