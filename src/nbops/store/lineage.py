"""Where content was used: which records read or wrote a digest, a name, a file; which model versions hold it."""

from __future__ import annotations

from dataclasses import dataclass

from nbops.core import wire
from nbops.core.canonical import parse
from nbops.core.models import ModelVersion
from nbops.store.database import Reader

_USE = (
    "SELECT u.run, u.seq, u.name, u.direction, u.digest, u.kind FROM data_uses u JOIN runs r ON r.id = u.run"
    " WHERE {where} ORDER BY r.started_at, u.run, u.seq"
)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A use of data by one record. `direction` is "read" or "write"; `kind` is "file" for files."""

    run: str
    seq: int
    name: str
    direction: str
    digest: str | None
    kind: str


def by_digest(reader: Reader, digest: str) -> list[Use]:
    """Every use of this content, oldest run first."""
    rows = reader.rows(_USE.format(where="u.digest = :digest"), digest=digest)
    return [Use(**dict(row)) for row in rows]


def by_name(reader: Reader, name: str) -> list[Use]:
    """Every use of data or a file of this name, oldest run first."""
    return [Use(**dict(row)) for row in reader.rows(_USE.format(where="u.name = :name"), name=name)]


def every_use(reader: Reader) -> list[Use]:
    """Every use of data or a file, in the order they were recorded."""
    rows = reader.rows("SELECT run, seq, name, direction, digest, kind FROM data_uses ORDER BY rowid")
    return [Use(**dict(row)) for row in rows]


def digests_beginning(reader: Reader, prefix: str) -> list[str]:
    """The data digests that begin with `prefix`, six at most."""
    upper = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    rows = reader.rows(
        "SELECT DISTINCT digest FROM data_uses WHERE digest >= :low AND digest < :high LIMIT 6", low=prefix, high=upper
    )
    return [row["digest"] for row in rows]


def artifact_uses(reader: Reader, digest: str) -> list[tuple[str, int]]:
    """(run, record number) of every record that kept this artifact, oldest run first."""
    rows = reader.rows(
        "SELECT DISTINCT a.run, a.seq, r.started_at FROM artifacts a JOIN runs r ON r.id = a.run"
        " WHERE a.digest = :digest ORDER BY r.started_at, a.run, a.seq",
        digest=digest,
    )
    return [(row["run"], row["seq"]) for row in rows]


def metric_uses(reader: Reader, model: str) -> list[tuple[str, int]]:
    """(run, record number) of every record with a metric of this model."""
    rows = reader.rows("SELECT DISTINCT run, seq FROM metrics WHERE model = :model", model=model)
    return [(row["run"], row["seq"]) for row in rows]


def versions_of(reader: Reader, artifact: str) -> list[ModelVersion]:
    """The registered versions that hold this model file."""
    rows = reader.rows("SELECT body FROM model_versions WHERE artifact = :artifact ORDER BY number", artifact=artifact)
    return [wire.from_json(ModelVersion, parse(row["body"])) for row in rows]
