"""Model versions, their aliases, and the append-only history of promotions."""

from __future__ import annotations

from datetime import datetime

from nbops.core import clock, wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import UnknownNameError
from nbops.core.models import ModelVersion, Promotion
from nbops.store.database import Reader, Transaction


def next_number(tx: Transaction, name: str) -> int:
    """The number of the next version. Versions are never deleted, so it was never used before."""
    row = tx.row("SELECT coalesce(max(number), 0) + 1 AS n FROM model_versions WHERE name = :name", name=name)
    return int(row["n"]) if row else 1


def add(tx: Transaction, version: ModelVersion) -> None:
    tx.write(
        "INSERT INTO model_versions (name, number, run, artifact, body)"
        " VALUES (:name, :number, :run, :artifact, :body)",
        name=version.name,
        number=version.number,
        run=version.run,
        artifact=version.artifact,
        body=canonical(wire.to_json(version)),
    )
    tx.event("model version", f"{version.name}/{version.number}", "registered")


def record(tx: Transaction, promotion: Promotion) -> None:
    """Append to the history, and move the alias where the promotion says so."""
    tx.write(
        "INSERT INTO promotions (id, model, alias, deployment, action, at, body)"
        " VALUES (:id, :model, :alias, :deployment, :action, :at, :body)",
        id=promotion.id,
        model=promotion.model,
        alias=promotion.alias,
        deployment=promotion.deployment,
        action=promotion.action,
        at=clock.to_text(promotion.at),
        body=canonical(wire.to_json(promotion)),
    )
    if promotion.action.moves:
        tx.write(
            "INSERT INTO aliases (model, alias, version) VALUES (:model, :alias, :version)"
            " ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
            model=promotion.model,
            alias=promotion.alias,
            version=promotion.to_version,
        )
    tx.event("model", f"{promotion.model}@{promotion.alias}", promotion.action)


def names(reader: Reader) -> list[str]:
    return [r["name"] for r in reader.rows("SELECT DISTINCT name FROM model_versions ORDER BY name")]


def versions(reader: Reader, name: str) -> list[ModelVersion]:
    """All versions of a model, ascending."""
    rows = reader.rows("SELECT body FROM model_versions WHERE name = :name ORDER BY number", name=name)
    return [wire.from_json(ModelVersion, parse(row["body"])) for row in rows]


def get(reader: Reader, name: str, number: int) -> ModelVersion:
    row = reader.row(
        "SELECT body FROM model_versions WHERE name = :name AND number = :number", name=name, number=number
    )
    if row is None:
        known = [str(v.number) for v in versions(reader, name)]
        raise UnknownNameError("model version", f"{name}/{number}", [f"{name}/{k}" for k in known] or names(reader))
    return wire.from_json(ModelVersion, parse(row["body"]))


def by_artifact(reader: Reader, name: str, artifact: str, run: str) -> ModelVersion | None:
    """The version of `name` that holds this model file from this run, if it is registered already."""
    row = reader.row(
        "SELECT body FROM model_versions WHERE name = :name AND artifact = :artifact AND run = :run",
        name=name,
        artifact=artifact,
        run=run,
    )
    return wire.from_json(ModelVersion, parse(row["body"])) if row else None


def aliases(reader: Reader, name: str) -> dict[str, int]:
    rows = reader.rows("SELECT alias, version FROM aliases WHERE model = :name ORDER BY alias", name=name)
    return {row["alias"]: row["version"] for row in rows}


def aliased(reader: Reader, name: str, alias: str) -> ModelVersion | None:
    """The version an alias stands for now; None if it stands for none."""
    number = aliases(reader, name).get(alias)
    return get(reader, name, number) if number is not None else None


def history(reader: Reader, name: str, alias: str | None = None) -> list[Promotion]:
    """Every promotion, refusal and rollback of a model, oldest first."""
    rows = reader.rows(
        "SELECT body FROM promotions WHERE model = :name AND (:alias IS NULL OR alias = :alias) ORDER BY seq",
        name=name,
        alias=alias,
    )
    return [wire.from_json(Promotion, parse(row["body"])) for row in rows]


def aliased_at(reader: Reader, name: str, alias: str, moment: datetime) -> int | None:
    """The version an alias stood for at a moment in the past."""
    done = [p for p in history(reader, name, alias) if p.action.moves and p.at <= moment]
    return done[-1].to_version if done else None
