"""Runs: what was done, by whom, how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from nbops.core import clock, wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import AmbiguousError, UnknownNameError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.store import deleted_runs
from nbops.store.database import Reader, Transaction
from nbops.store.liveness import alive


def save(tx: Transaction, run: Run, *, cache_key: str | None = None) -> None:
    """Insert a run, or replace what is kept of it."""
    known = tx.row("SELECT status FROM runs WHERE id = :id", id=run.id)
    tx.write(
        "INSERT INTO runs (id, kind, name, experiment, status, started_at, ended_at, parent, notebook, cache_key, body,"
        " seconds, tags)"
        " VALUES (:id, :kind, :name, :experiment, :status, :started_at, :ended_at, :parent, :notebook, :cache_key,"
        " :body, :seconds, :tags)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, ended_at = excluded.ended_at,"
        " parent = excluded.parent, notebook = excluded.notebook, body = excluded.body,"
        " seconds = excluded.seconds, tags = excluded.tags,"
        " cache_key = coalesce(excluded.cache_key, runs.cache_key)",
        id=run.id,
        kind=run.kind,
        name=run.name,
        experiment=run.experiment,
        status=run.status,
        started_at=clock.to_text(run.started_at),
        ended_at=clock.to_text(run.ended_at) if run.ended_at else None,
        parent=run.parent,
        notebook=run.notebook,
        cache_key=cache_key,
        body=canonical(wire.to_json(run)),
        seconds=(run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
        tags=canonical(run.tags),
    )
    if known is None or known["status"] != run.status:
        tx.event("run", run.id, run.status)


def as_stored(reader: Reader, run_id: str) -> Run:
    """The run as it was last written, under its full id (for its owner, who is about to change it)."""
    row = reader.row("SELECT body FROM runs WHERE id = :id", id=run_id)
    if row is None:
        raise UnknownNameError("run", run_id, hint=deleted_runs.hint(reader, run_id))
    return _run(row["body"])


def exists(reader: Reader, run_id: str) -> bool:
    return reader.row("SELECT 1 FROM runs WHERE id = :id", id=run_id) is not None


def get(reader: Reader, name: str) -> Run:
    """The run whose id begins with `name`, shown as LOST if its process is gone.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    upper = name[:-1] + chr(ord(name[-1]) + 1) if name else ""
    rows = reader.rows("SELECT id, body FROM runs WHERE id >= :low AND id < :high LIMIT 6", low=name, high=upper)
    if not rows:
        raise UnknownNameError("run", name, hint=deleted_runs.hint(reader, name) or "'nbops runs' lists them")
    if len(rows) > 1:
        raise AmbiguousError(f"{name!r} begins several runs: {', '.join(r['id'] for r in rows)}; give more digits")
    return shown(_run(rows[0]["body"]))


def listed(
    reader: Reader,
    *,
    limit: int = 50,
    offset: int = 0,
    kinds: Sequence[RunKind] = (),
    status: RunStatus | None = None,
    notebook: str | None = None,
    parent: str | None = None,
    name: str | None = None,
) -> list[Run]:
    """Runs, newest first."""
    where, params = ["1 = 1"], dict[str, Any](limit=limit, offset=offset)
    if kinds:
        where.append(f"kind IN ({', '.join(f':kind{i}' for i in range(len(kinds)))})")
        params |= {f"kind{i}": kind for i, kind in enumerate(kinds)}
    for column, value in (("status", status), ("notebook", notebook), ("parent", parent), ("name", name)):
        if value is not None:
            where.append(f"{column} = :{column}")
            params[column] = value
    rows = reader.rows(
        f"SELECT body FROM runs WHERE {' AND '.join(where)} ORDER BY started_at DESC, rowid DESC"
        " LIMIT :limit OFFSET :offset",
        **params,
    )
    return [shown(_run(row["body"])) for row in rows]


def children(reader: Reader, run_id: str) -> list[Run]:
    """The runs directly under a run, oldest first."""
    rows = reader.rows("SELECT body FROM runs WHERE parent = :id ORDER BY started_at, rowid", id=run_id)
    return [shown(_run(row["body"])) for row in rows]


def family(reader: Reader, run_id: str) -> list[Run]:
    """A run and everything under it."""
    found = [as_stored(reader, run_id)]
    for child in children(reader, run_id):
        found += family(reader, child.id)
    return found


def by_cache_key(reader: Reader, key: str) -> Run | None:
    """The newest completed run made with this cache key."""
    row = reader.row(
        "SELECT body FROM runs WHERE cache_key = :key AND status = 'COMPLETED' ORDER BY started_at DESC LIMIT 1",
        key=key,
    )
    return _run(row["body"]) if row else None


def shown(run: Run) -> Run:
    """The run as a reader sees it: LOST if it is open and its process is gone. Nothing is written."""
    if not run.status.ended and run.owner is not None and not alive(run.owner):
        return dataclasses.replace(run, status=RunStatus.LOST)
    return run


def params(reader: Reader, run_id: str) -> dict[str, Any]:
    """The run's parameters."""
    rows = reader.rows("SELECT key, value FROM params WHERE run = :run ORDER BY rowid", run=run_id)
    return {row["key"]: parse(row["value"]) for row in rows}


def set_params(tx: Transaction, run_id: str, values: dict[str, Any]) -> None:
    """Set parameters; a later value replaces an earlier one."""
    tx.write_many(
        "INSERT INTO params (run, key, value, number) VALUES (:run, :key, :value, :number)"
        " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, number = excluded.number",
        [
            {"run": run_id, "key": key, "value": canonical(value), "number": _number(value)}
            for key, value in values.items()
        ],
    )


def _number(value: Any) -> float | None:
    """What a parameter is compared by, where it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _run(body: str) -> Run:
    return wire.from_json(Run, parse(body))
