"""What makes a schedule due: a time, new data, drift, degradation.

A cause has a name that is the same for whoever looks, so that it is decided once. What was there when the schedule was
made (its baseline) is no cause.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from nbops.automation.new_files import files
from nbops.automation.times import GRACE, newest, next_time, times
from nbops.automation.triggers import degradation
from nbops.catalog.versions import URI, Catalogue
from nbops.core import clock
from nbops.core.automation import Schedule
from nbops.core.deployments import Severity
from nbops.core.errors import UnknownNameError, UsageError
from nbops.promotion.reference import reference
from nbops.store import deployments
from nbops.workspace import Workspace

LOOK_EVERY = {"data": timedelta(seconds=10), "drift": timedelta(seconds=30), "degradation": timedelta(seconds=30)}

AT_A_TIME = 100
"""Of the missed times that are each to be made up for, how many become jobs at one look."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    trigger: str
    name: str
    why: str
    seen: Mapping[str, Any]
    action: str = "run"


def causes(ws: Workspace, schedule: Schedule, now: datetime) -> tuple[Sequence[Cause], Mapping[str, Any], datetime]:
    """(what is due, what was seen, when to look next)"""
    if schedule.kind in ("cron", "every"):
        due, after = _times(schedule, now)
        return due, schedule.seen, after
    found, seen = _LOOKS[schedule.kind](ws, schedule)
    return found, seen, now + LOOK_EVERY[schedule.kind]


def baseline(ws: Workspace, schedule: Schedule) -> Mapping[str, Any]:
    """What is there now."""
    if schedule.kind != "data":
        return {"since": clock.to_text(ws.clock.now())}
    assert schedule.on_data is not None
    version = _version(ws, schedule.on_data)
    if version is not None:
        return {"data": version}
    there = files(ws.root, schedule.on_data, {}, settled_s=0.0)
    return {"files": dict(there.known), "chain": clock.to_text(ws.clock.now())}


def unseen(ws: Workspace, schedule: Schedule) -> list[str]:
    """What a schedule waits for that the records don't know: it may yet come, or its name may be wrong. And what it
    won't do, though one might think so."""
    if watched := schedule.on_drift or schedule.on_degradation:
        return list(_of_deployment(ws, schedule, watched))
    if schedule.on_data is None:
        return []
    if not schedule.on_data.startswith(URI):
        waits = (
            f"no file is called {schedule.on_data!r} now, seen from {str(ws.root)!r}; the schedule waits for the first"
        )
        return [] if schedule.seen["files"] else [waits]
    try:
        Catalogue(ws).find(schedule.on_data)
    except UnknownNameError as error:
        return [f"{error}; the schedule waits for its first version"]
    return []


def _of_deployment(ws: Workspace, schedule: Schedule, watched: str) -> Iterator[str]:
    wishes = ws.settings.deployment(watched)
    if schedule.on_degradation is not None and not wishes.triggers.degradation:
        yield f"[deployments.{watched}.triggers] degradation is 0, so the schedule is never due; give a bound, as 1.3"
    elif schedule.on_degradation is not None and reference(ws, watched) is None:
        yield (
            f"no error is known that {watched!r} was accepted at, so the schedule isn't due; say it:"
            f" reference = … under [deployments.{watched}.triggers]"
        )
    if wishes.pipeline is None:
        yield (
            f"the schedule promotes nothing; that a challenger meets the champion at the gates, say pipeline = … under"
            f" [deployments.{watched}], which retrains without a schedule"
        )
    elif schedule.on_degradation is not None:
        yield f"[deployments.{watched}] has a pipeline, so it is retrained for the same reason without the schedule"


def _times(schedule: Schedule, now: datetime) -> tuple[Sequence[Cause], datetime]:
    first = schedule.next_at or now
    if schedule.missed == "all":
        due = list(islice(times(schedule, first, now), AT_A_TIME))
    else:
        last = newest(schedule, first, now)
        due = [last] if schedule.missed == "once" or now - last < GRACE else []
        if not due:
            return [], next_time(schedule, last)
    late = f", {_ago(now - due[-1])} ago" if now - due[-1] >= GRACE else ""
    what = f"{'every ' * (schedule.kind == 'every')}{schedule.expression}"
    found = [
        Cause(
            trigger="time",
            name=clock.to_text(moment),
            why=f"{what} was due at {clock.to_text(moment)[:19]}Z{late}",
            seen={"due": clock.to_text(moment)},
        )
        for moment in due
    ]
    return found, next_time(schedule, due[-1])


def _data(ws: Workspace, schedule: Schedule) -> tuple[Sequence[Cause], Mapping[str, Any]]:
    assert schedule.on_data is not None
    version = _version(ws, schedule.on_data)
    if version is not None:
        if version == schedule.seen.get("data"):
            return [], schedule.seen
        return [Cause(trigger="data", name=version, why=f"{version} is new", seen={"data": version})], {"data": version}
    known = schedule.seen.get("files", {})
    now = files(ws.root, schedule.on_data, known)
    if now.known == known:
        return [], schedule.seen
    if not now.known:
        return [], {**schedule.seen, "files": {}}
    what = f"{now.newest} the newest" if now.newest else "some are gone"
    why = f"{schedule.on_data}: {len(now.known)} file{'s' * (len(now.known) != 1)}, {what}"
    # Files that become again what they were before are a change too.
    name = hashlib.sha256(f"{schedule.seen.get('chain', '')} {now.digest}".encode()).hexdigest()
    seen = {"files": len(now.known), "newest": now.newest}
    return [Cause(trigger="data", name=name, why=why, seen=seen)], {"files": dict(now.known), "chain": name}


def _drift(ws: Workspace, schedule: Schedule) -> tuple[Sequence[Cause], Mapping[str, Any]]:
    assert schedule.on_drift is not None
    deployments.get(ws.store, schedule.on_drift)
    reports = [
        r
        for r in deployments.drift_reports(ws.store, schedule.on_drift)
        if r.severity is Severity.ALERT and r.at >= clock.from_text(schedule.seen["since"])
    ]
    return [
        Cause(
            trigger="drift",
            name=f"{r.period} v{r.version} {r.run}",
            why=f"{schedule.on_drift} drifts in {r.period}"
            f" ({', '.join(c.column for c in r.columns if c.severity is Severity.ALERT)})",
            seen={"report": r.id, "period": r.period},
        )
        for r in reports[-1:]
    ], schedule.seen


def _degradation(ws: Workspace, schedule: Schedule) -> tuple[Sequence[Cause], Mapping[str, Any]]:
    assert schedule.on_degradation is not None
    found = list(degradation(ws, deployments.get(ws.store, schedule.on_degradation)))
    return [
        Cause(trigger="degradation", name=d.cause, why=f"{schedule.on_degradation}: {d.why}", seen=d.seen)
        for d in found
        if d.action != "none"
    ], schedule.seen


_LOOKS = {"data": _data, "drift": _drift, "degradation": _degradation}


def _version(ws: Workspace, wanted: str) -> str | None:
    """``data:/NAME@N`` for the newest version of data that is named so; None for a glob."""
    if not wanted.startswith(URI):
        return None
    if wanted == URI:
        raise UsageError(f"{wanted!r} names no data; write it like data:/NAME")
    try:
        found = Catalogue(ws).find(wanted)
    except UnknownNameError:
        return f"{wanted}@0"
    return f"{wanted}@{found.number}"


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
