"""``[schedules.NAME]`` of nbops.toml is the wish, the store is the state: what differs, and making it so.

Only schedules that came from nbops.toml are changed or removed; those made by ``nbops schedule add`` are left alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nbops.automation.schedules import make, stop_runs
from nbops.core.automation import Schedule
from nbops.core.errors import UsageError
from nbops.core.redaction import redact_text
from nbops.store import schedules
from nbops.workspace import Workspace

TOML = "nbops.toml"
_STATE = {"created_at", "created_by", "paused", "next_at", "seen", "origin"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """`action` is "add", "change" or "remove"; `differs` are the fields that do, as (name, now, wished)."""

    schedule: str
    action: str
    differs: tuple[tuple[str, str, str], ...] = ()


def plan(ws: Workspace) -> list[Change]:
    """What 'nbops apply' would do.

    Raises
    ------
    UsageError
        If a wish makes no sense, or has the name of a schedule that was made by hand.
    """
    return [change for change, _ in _planned(ws)]


def apply(ws: Workspace) -> list[Change]:
    """Make the schedules those of nbops.toml: all of them, or none. A paused one stays paused."""
    planned = _planned(ws)
    for change, _ in planned:
        if change.action == "remove":
            stop_runs(ws, change.schedule)
    with ws.store.transaction() as tx:
        for change, wished in planned:
            known = schedules.find(tx, change.schedule)
            if wished is None:
                schedules.remove(tx, change.schedule)
            elif known is None:
                schedules.save(tx, wished, "added")
            else:
                schedules.save(tx, dataclasses.replace(wished, paused=known.paused), "changed")
    return [change for change, _ in planned]


def _planned(ws: Workspace) -> list[tuple[Change, Schedule | None]]:
    there = {schedule.name: schedule for schedule in schedules.listed(ws.store)}
    found: list[tuple[Change, Schedule | None]] = []
    for name, wish in ws.settings.schedules.items():
        wished, known = make(ws, name, wish, origin=TOML), there.get(name)
        if known is None:
            found.append((Change(schedule=name, action="add"), wished))
            continue
        if known.origin != TOML:
            raise UsageError(
                f"{TOML} describes the schedule {name!r}, and 'nbops schedule add' made one of that name: remove one of"
                f" the two ('nbops schedule remove {name}')"
            )
        if wish.pin and known.pinned and set(known.pinned) == set(wished.pinned):
            wished = dataclasses.replace(wished, pinned=known.pinned)  # pinned is pinned
        differs = _differences(known, wished)
        if differs:
            found.append((Change(schedule=name, action="change", differs=differs), wished))
    for name, known in there.items():
        if known.origin == TOML and name not in ws.settings.schedules:
            found.append((Change(schedule=name, action="remove"), None))
    return found


def _differences(known: Schedule, wished: Schedule) -> tuple[tuple[str, str, str], ...]:
    pairs = [
        (field.name, getattr(known, field.name), getattr(wished, field.name))
        for field in dataclasses.fields(Schedule)
        if field.name not in _STATE
    ]
    # one that an earlier version kept may hold what would be refused now
    return tuple((name, redact_text(str(now)), str(then)) for name, now, then in pairs if now != then)
