"""What makes a schedule due: a time, new data, drift, degradation.

A cause has a name that is the same for whoever looks, so that it is decided once. What was there when the schedule was
made (its baseline) is no cause.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from nbops.automation.times import GRACE, newest, next_time, times
from nbops.automation.triggers import degradation
from nbops.catalog.versions import URI, Catalogue
from nbops.core import clock
from nbops.core.automation import Schedule
from nbops.core.deployments import Severity
from nbops.core.errors import UnknownNameError
from nbops.store import deployments
from nbops.workspace import Workspace

LOOK_EVERY = {"data": timedelta(seconds=10), "drift": timedelta(seconds=30), "degradation": timedelta(seconds=30)}

SETTLED_S = 5.0
"""A file that was written less than this ago may not be whole yet."""

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
    return {"data": _version(ws, schedule.on_data) or _signature(_files(ws, schedule.on_data))}


def unseen(ws: Workspace, schedule: Schedule) -> list[str]:
    """What a schedule waits for that the records don't know: it may yet come, or its name may be wrong."""
    if schedule.on_data is None or not schedule.on_data.startswith(URI):
        return []
    try:
        Catalogue(ws).find(schedule.on_data)
    except UnknownNameError as error:
        return [f"{error}; the schedule waits for its first version"]
    return []


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
    files = _files(ws, schedule.on_data)
    signature = _signature(files)
    if signature == schedule.seen.get("data"):
        return [], schedule.seen
    if any(0 <= time.time() - file.stat().st_mtime < SETTLED_S for file in files if file.exists()):
        return [], schedule.seen  # still being written, perhaps
    if not files:
        return [], {**schedule.seen, "data": signature}
    last = max(files, key=lambda file: file.stat().st_mtime)
    seen = {
        "files": len(files),
        "newest": last.relative_to(ws.root).as_posix() if last.is_relative_to(ws.root) else str(last),
    }
    why = f"{schedule.on_data}: {len(files)} files, {seen['newest']} the newest"
    # Files that become again what they were before are a change too.
    name = hashlib.sha256(f"{schedule.seen.get('chain', schedule.seen.get('data'))} {signature}".encode()).hexdigest()
    return [Cause(trigger="data", name=name, why=why, seen=seen)], {"data": signature, "chain": name}


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
    try:
        found = Catalogue(ws).find(wanted)
    except UnknownNameError:
        return f"{wanted}@0"
    return f"{wanted}@{found.number}"


def _files(ws: Workspace, pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    base, below = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (ws.root, pattern)
    return sorted(file for file in base.glob(below) if file.is_file())


def _signature(files: Sequence[Path]) -> str:
    """What tells these files, as they are, from others: paths, sizes, times."""
    digest = hashlib.sha256()
    for line in _stats(files):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _stats(files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        try:
            stat = file.stat()
        except FileNotFoundError:  # it went while we looked
            continue
        yield f"{file.as_posix()!r} {stat.st_size} {stat.st_mtime_ns}"


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
