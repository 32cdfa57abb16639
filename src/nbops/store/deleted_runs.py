"""Deleted runs. Their rows are moved, not marked: a query that is written later can't forget to leave them out.

Which tables belong to a run is asked of the schema (a foreign key to ``runs``), so a table that is added later goes
along without being named here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nbops.core import clock
from nbops.core.errors import StoreError
from nbops.store.database import Reader, Transaction

RUN_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")
_NO_REFERENCE = {"events", "deleted_runs", "data_contents"}
"""Tables that speak of runs without needing them: what happened, what was deleted, whose quota content counts in."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A deleted run. `removed`: its rows are gone for good."""

    id: str
    asked: str
    kind: str
    name: str
    notebook: str | None
    started_at: str
    deleted_at: str
    deleted_by: str
    removed: bool


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A row of `table` that speaks of `run`."""

    run: str
    table: str
    row: dict[str, Any]


def take_out(tx: Transaction, run_id: str, *, asked: str, by: str) -> None:
    """Move everything that belongs to a run out of the tables that are read."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for table, column in _owned(tx):
        found = tx.rows(f'SELECT rowid AS "_row", * FROM "{table}" WHERE "{column}" = :id ORDER BY rowid', id=run_id)
        kept[table] = [dict(row) for row in found]
    tx.write(
        "INSERT INTO deleted_runs (id, asked, kind, name, notebook, started_at, deleted_at, deleted_by, rows)"
        " SELECT id, :asked, kind, name, notebook, started_at, :at, :by, :rows FROM runs WHERE id = :id"
        " ON CONFLICT (id) DO UPDATE SET asked = excluded.asked, kind = excluded.kind, name = excluded.name,"
        " notebook = excluded.notebook, started_at = excluded.started_at, deleted_at = excluded.deleted_at,"
        " deleted_by = excluded.deleted_by, rows = excluded.rows",
        id=run_id,
        asked=asked,
        at=tx.at,
        by=by,
        rows=json.dumps(kept, ensure_ascii=False),
    )
    for table, column in reversed(_owned(tx)):
        tx.write(f'DELETE FROM "{table}" WHERE "{column}" = :id', id=run_id)
    tx.event("run", run_id, "deleted")


def put_back(tx: Transaction, run_id: str) -> None:
    """Undo :func:`take_out`.

    Raises
    ------
    StoreError
        If the store has a run of this id again.
    """
    row = tx.row("SELECT rows FROM deleted_runs WHERE id = :id", id=run_id)
    if row is None or row["rows"] is None or tx.row("SELECT 1 FROM runs WHERE id = :id", id=run_id):
        raise StoreError(f"run {run_id} can't be restored: it is in the store, or gone for good")
    for table, rows in json.loads(row["rows"]).items():
        for values in rows:
            place = values.pop("_row")
            values.pop("rowid", None)  # PostgreSQL's * has it
            if tx.row(f'SELECT 1 FROM "{table}" WHERE rowid = :place', place=place) is None:
                values["rowid"] = place  # what is told by the order of rows is told as before
            names = list(values)
            tx.write(
                f'INSERT INTO "{table}" ({", ".join(_quoted(names))}) VALUES ({", ".join(f":{n}" for n in names)})',
                **values,
            )
    tx.write("DELETE FROM deleted_runs WHERE id = :id", id=run_id)
    tx.event("run", run_id, "restored")


def remove(tx: Transaction, run_id: str) -> None:
    """Remove a deleted run for good. That there was one stays known, so that no rebuild brings it back."""
    tx.write("UPDATE deleted_runs SET rows = NULL, name = '', notebook = NULL WHERE id = :id", id=run_id)
    tx.event("run", run_id, "removed")


def listed(reader: Reader, *, beginning: str = "") -> list[Taken]:
    """Deleted runs, the last deleted first; those removed for good too."""
    rows = reader.rows(
        "SELECT id, asked, kind, name, notebook, started_at, deleted_at, deleted_by, rows IS NULL AS removed"
        " FROM deleted_runs WHERE substr(id, 1, length(:beginning)) = :beginning"
        " ORDER BY deleted_at DESC, started_at DESC",
        beginning=beginning,
    )
    return [Taken(**{**dict(row), "removed": bool(row["removed"])}) for row in rows]


def hint(reader: Reader, beginning: str) -> str:
    """What to say of a run that isn't there, if it is one that was deleted; else nothing."""
    found = listed(reader, beginning=beginning)[:1] if len(beginning) >= 4 else []
    for run in found:
        when = f"{clock.from_text(run.deleted_at):%Y-%m-%d}"
        if run.removed:
            return f"it was deleted on {when}, and removed for good since"
        return f"it was deleted on {when}; 'nbops runs restore {run.asked[:8]}' brings it back"
    return ""


def references(reader: Reader, run_ids: Iterable[str]) -> Iterator[Reference]:
    """Rows that belong to no run of these and speak of one of them: whatever might be a reference is one."""
    wanted = set(run_ids)
    owned = {table for table, _ in _owned(reader)} - {"runs"}
    for table in reader.tables():
        if table in owned or table in _NO_REFERENCE:
            continue
        for row in reader.every_row(table):
            if table == "runs" and row["id"] in wanted:
                continue
            said = {name for value in row if isinstance(value, str) for name in RUN_ID.findall(value)}
            for run in sorted(said & wanted):
                yield Reference(run=run, table=table, row=dict(row))


def _owned(reader: Reader) -> list[tuple[str, str]]:
    """(table, column with the run's id) of what belongs to a run, the run itself first."""
    return [("runs", "id"), *reader.references("runs")]


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]
