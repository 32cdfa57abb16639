"""Schedules, found by when they are to be looked at next; and marks: what workers leave for one another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nbops.core import clock, wire
from nbops.core.automation import Schedule
from nbops.core.canonical import canonical, parse
from nbops.core.errors import UnknownNameError
from nbops.store.database import Reader, Row, Transaction


def save(tx: Transaction, schedule: Schedule, what: str) -> None:
    """Insert a schedule, or replace it; `what` has happened to it."""
    tx.write(
        "INSERT INTO schedules (name, next_at, body) VALUES (:name, :next, :body)"
        " ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at, body = excluded.body",
        name=schedule.name,
        next=_next(schedule),
        body=canonical(wire.to_json(schedule)),
    )
    tx.event("schedule", schedule.name, what)


def advance(tx: Transaction, before: Schedule, after: Schedule) -> bool:
    """Put the next look of a schedule further, unless another has, or has changed it: then False."""
    return bool(
        tx.write(
            "UPDATE schedules SET next_at = :next, body = :body WHERE name = :name AND body = :before",
            name=after.name,
            next=_next(after),
            body=canonical(wire.to_json(after)),
            before=canonical(wire.to_json(before)),
        )
    )


def remove(tx: Transaction, name: str) -> None:
    tx.write("DELETE FROM schedules WHERE name = :name", name=name)
    tx.event("schedule", name, "removed")


def listed(reader: Reader) -> list[Schedule]:
    return [_schedule(row) for row in reader.rows("SELECT body FROM schedules ORDER BY name")]


def find(reader: Reader, name: str) -> Schedule | None:
    row = reader.row("SELECT body FROM schedules WHERE name = :name", name=name)
    return _schedule(row) if row else None


def get(reader: Reader, name: str) -> Schedule:
    found = find(reader, name)
    if found is None:
        known = [row["name"] for row in reader.rows("SELECT name FROM schedules ORDER BY name")]
        raise UnknownNameError("schedule", name, known, hint="'nbops schedule add' makes one")
    return found


def due(reader: Reader, now: datetime, limit: int) -> list[Schedule]:
    """The schedules whose next look isn't in the future, the most overdue first."""
    rows = reader.rows(
        "SELECT body FROM schedules WHERE next_at <= :now ORDER BY next_at LIMIT :limit",
        now=clock.to_text(now),
        limit=limit,
    )
    return [_schedule(row) for row in rows]


def mark(reader: Reader, name: str) -> Any:
    """What was last left under a name; None if nothing was."""
    row = reader.row("SELECT value FROM marks WHERE name = :name", name=name)
    return parse(row["value"]) if row else None


def marks(reader: Reader, prefix: str) -> Mapping[str, Any]:
    """Everything left under names that begin so."""
    rows = reader.rows("SELECT name, value FROM marks WHERE substr(name, 1, :n) = :p", n=len(prefix), p=prefix)
    return {row["name"]: parse(row["value"]) for row in rows}


def set_mark(tx: Transaction, name: str, value: Any) -> None:
    """Leave something under a name; None takes it away."""
    if value is None:
        tx.write("DELETE FROM marks WHERE name = :name", name=name)
        return
    tx.write(
        "INSERT INTO marks (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name=name,
        value=canonical(value),
    )


def _next(schedule: Schedule) -> str | None:
    return None if schedule.paused or schedule.next_at is None else clock.to_text(schedule.next_at)


def _schedule(row: Row) -> Schedule:
    return wire.from_json(Schedule, parse(row["body"]))
