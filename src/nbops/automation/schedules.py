"""Schedules: made, listed, paused, removed; and what is due of them becomes decisions and jobs.

Everything a face needs is here: :func:`add`, :func:`overview`, :func:`pause`, :func:`resume`, :func:`run_now`,
:func:`remove`, :func:`history`; and for workers :func:`fire`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nbops.automation.causes import Cause, baseline, causes
from nbops.automation.jobs import clock_set_back, queue, stop
from nbops.automation.notify import check_target
from nbops.automation.times import check_cron, next_time, seconds
from nbops.core import clock
from nbops.core.automation import Decision, Job, Schedule
from nbops.core.errors import NbopsError, ParameterError, RefusedError, UsageError
from nbops.core.ids import new_id
from nbops.core.redaction import REDACTED, redact, redact_text
from nbops.core.runs import RunStatus
from nbops.pipeline.execute import checked_params
from nbops.pipeline.graph import chosen, notebooks
from nbops.pipeline.plan import checked_given
from nbops.settings import ScheduleSettings
from nbops.store import automation, deployments, schedules
from nbops.store.database import Transaction
from nbops.workspace import Workspace, relative

AT_ONCE = 150
"""How many schedules one look takes: it holds the store's lock, and they take half a millisecond each."""

JUMP = timedelta(minutes=10)
"""A clock that goes back by more than this has been set back."""

MISSED, OVERLAP = ("once", "skip", "all"), ("skip", "queue", "cancel-old")
_CLOCK = "clock"
_CLOCK_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class ScheduleState:
    """A schedule as lists show it: `next` is None while it is paused; `last` is its newest job, `last_why` the sentence
    of its newest decision."""

    name: str
    kind: str
    expression: str
    target: str
    pipeline: str | None
    notebook: str | None
    paused: bool
    next: datetime | None
    last: Job | None
    last_why: str
    schedule: Schedule


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One time that a schedule was due: what was decided, and the job, if it came to one."""

    decision: Decision
    job: Job | None


def make(ws: Workspace, name: str, wish: ScheduleSettings, *, origin: str = "command") -> Schedule:
    """The schedule that is wished for, checked; nothing is kept yet.

    Raises
    ------
    UsageError, UnknownNameError, ParameterError, NotebookError
        If it makes no sense.
    """
    if not name or any(c.isspace() or not c.isprintable() for c in name):
        raise UsageError(f"{name!r} is no name for a schedule: give one without spaces")
    whens = [w for w in (wish.cron, wish.every, wish.on_data, wish.on_drift, wish.on_degradation) if w is not None]
    if len(whens) != 1:
        raise UsageError(
            f"schedule {name!r}: say exactly one of cron, every, on-data, on-drift, on-degradation;"
            f" {'none is' if not whens else f'{len(whens)} are'} given"
        )
    if (wish.pipeline is None) == (wish.notebook is None):
        raise UsageError(f"schedule {name!r}: name either a pipeline or a notebook")
    for what, value, allowed in (("missed", wish.missed, MISSED), ("overlap", wish.overlap, OVERLAP)):
        if value not in allowed:
            raise UsageError(f"schedule {name!r}: {what} is {value!r}; it is one of {', '.join(allowed)}")
    if wish.retries < 0 or (wish.keep is not None and wish.keep < 1):
        raise UsageError(f"schedule {name!r}: retries is at least 0, keep at least 1")
    if wish.cron is not None:
        check_cron(wish.cron, wish.tz)
    for deployment in (wish.on_drift, wish.on_degradation):
        if deployment is not None:
            deployments.get(ws.store, deployment)
    for target in (*wish.on_failure, *wish.on_success):
        check_target(target)
    _no_secrets(name, wish.params)
    now = ws.clock.now()
    schedule = Schedule(
        name=name,
        cron=wish.cron,
        tz=wish.tz,
        every_s=seconds(wish.every) if wish.every is not None else None,
        on_data=wish.on_data,
        on_drift=wish.on_drift,
        on_degradation=wish.on_degradation,
        pipeline=chosen(ws.settings, wish.pipeline)[0] if wish.pipeline is not None else None,
        notebook=relative(ws, ws.root / Path(wish.notebook).expanduser()) if wish.notebook is not None else None,
        params=dict(wish.params),
        missed=wish.missed,
        overlap=wish.overlap,
        retries=wish.retries,
        backoff_s=seconds(wish.backoff),
        timeout_s=seconds(wish.timeout) if wish.timeout is not None else None,
        keep=wish.keep,
        on_failure=wish.on_failure,
        on_success=wish.on_success,
        origin=origin,
        created_at=now,
        created_by=ws.identity,
    )
    try:
        if schedule.notebook is not None:
            checked_params(ws.root / schedule.notebook, schedule.params, secrets=False)  # the worker has them
        else:
            target, pipeline = chosen(ws.settings, schedule.pipeline)
            checked_given(notebooks(pipeline, ws.root), target, pipeline, schedule.params)
    except ParameterError as error:
        raise ParameterError(f"schedule {name!r}: {error}") from None
    if wish.pin:
        pinned = {file: ws.artifacts.put_file(ws.root / file) for file in notebooks_of(ws, schedule)}
        schedule = dataclasses.replace(schedule, pinned=pinned)
    return dataclasses.replace(schedule, next_at=_next_look(schedule, now), seen=baseline(ws, schedule))


def notebooks_of(ws: Workspace, schedule: Schedule) -> list[str]:
    """The notebooks a schedule runs."""
    if schedule.notebook is not None:
        return [schedule.notebook]
    _, pipeline = chosen(ws.settings, schedule.pipeline)
    return sorted({step.notebook for step in pipeline.steps.values()})


def add(ws: Workspace, name: str, wish: ScheduleSettings, *, replace: bool = False) -> Schedule:
    """Make a schedule; with `replace`, in place of one of that name.

    Raises
    ------
    UsageError
        If it makes no sense, if there is one of that name, or if nbops.toml describes it.
    """
    if name in ws.settings.schedules:
        raise UsageError(f"nbops.toml describes the schedule {name!r}; change it there, then 'nbops apply'")
    schedule = make(ws, name, wish)
    with ws.store.transaction() as tx:
        there = schedules.find(tx, name) is not None
        if there and not replace:
            raise UsageError(f"there is a schedule {name!r} already; 'nbops schedule remove {name}', or --replace")
        schedules.save(tx, schedule, "changed" if there else "added")
    return schedule


def overview(ws: Workspace) -> list[ScheduleState]:
    """Every schedule, by name, with how its last run got on."""
    return [_state(ws, schedule) for schedule in schedules.listed(ws.store)]


def pause(ws: Workspace, name: str) -> Schedule:
    """Start nothing more of it; what runs goes on."""
    schedules.get(ws.store, name)
    with ws.store.transaction() as tx:
        schedule = dataclasses.replace(schedules.get(tx, name), paused=True)
        schedules.save(tx, schedule, "paused")
    return schedule


def resume(ws: Workspace, name: str) -> Schedule:
    """Go on from now: what would have been due while it was paused isn't missed."""
    known = schedules.get(ws.store, name)
    seen = baseline(ws, known)
    with ws.store.transaction() as tx:
        known = schedules.get(tx, name)
        schedule = dataclasses.replace(known, paused=False, next_at=_next_look(known, ws.clock.now()), seen=seen)
        schedules.save(tx, schedule, "resumed")
    return schedule


def run_now(ws: Workspace, name: str) -> Job:
    """Queue a run, whatever the time; a worker or the next tick does it.

    Raises
    ------
    RefusedError
        If its last run isn't done and its overlap is "skip".
    """
    schedules.get(ws.store, name)
    now = ws.clock.now()
    with ws.store.transaction() as tx:
        schedule = schedules.get(tx, name)
        cause = Cause(
            trigger="demand", name=f"{clock.to_text(now)} {new_id()}", why=f"asked for by {ws.identity}", seen={}
        )
        job = _decide(tx, schedule, cause, now)
        if job is None:
            raise RefusedError(
                f"schedule {name!r}: its last run isn't done and its overlap is 'skip'; wait for it, or"
                f" 'nbops schedule stop {name}'"
            )
    return job


def stop_runs(ws: Workspace, name: str) -> int:
    """Stop what runs and what waits of a schedule; return how many jobs that is."""
    schedules.get(ws.store, name)
    with ws.store.transaction() as tx:
        found = automation.open_jobs(tx, name)
        for job in found:
            stop(tx, job, ws.clock.now())
    return len(found)


def remove(ws: Workspace, name: str) -> None:
    """Forget a schedule, and stop what runs and waits of it. Its history stays."""
    if name in ws.settings.schedules and schedules.find(ws.store, name) is not None:
        raise UsageError(f"nbops.toml describes the schedule {name!r}; take it out there, then 'nbops apply'")
    stop_runs(ws, name)
    with ws.store.transaction() as tx:
        schedules.remove(tx, name)


def history(ws: Workspace, name: str, limit: int = 20) -> list[Firing]:
    """The times a schedule was due, newest first; also of one that was removed.

    Raises
    ------
    UnknownNameError
        If there is no such schedule and never was.
    """
    found = [Firing(decision=d, job=j) for d, j in automation.of_schedule(ws.store, name, limit)]
    if not found:
        schedules.get(ws.store, name)
    return found


def fire(ws: Workspace) -> tuple[Decision, ...]:
    """Decide what is due now; return the decisions that are new. However many workers ask, each cause is decided once.
    Where more is due than one look takes, the next one takes more.

    A schedule that can't be looked at (its deployment was removed) says so in its history and is looked at again.
    """
    now = ws.clock.now()
    _mind_the_clock(ws, now)
    due = schedules.due(ws.store, now, AT_ONCE)
    looked = [(schedule, *_looked(ws, schedule, now)) for schedule in due]
    if not looked:
        return ()
    new: list[Decision] = []
    with ws.store.transaction() as tx:
        for schedule, found, after in looked:
            if found and _waits(tx, schedule):
                schedules.advance(tx, schedule, dataclasses.replace(schedule, next_at=after.next_at))
                continue
            if not schedules.advance(tx, schedule, after):
                continue  # another worker was faster, or somebody changed it
            for cause in found:
                decided: list[Decision] = []
                _decide(tx, schedule, cause, now, decided)
                new += decided
    return tuple(new)


def _looked(ws: Workspace, schedule: Schedule, now: datetime) -> tuple[Sequence[Cause], Schedule]:
    """What is due of a schedule, and the schedule as it is afterwards."""
    try:
        found, seen, next_at = causes(ws, schedule, now)
    except (NbopsError, OSError) as error:
        why = redact_text(f"could not be looked at: {error}")
        day = clock.to_text(now)[:10]  # told once a day
        broken = Cause(trigger=schedule.kind, name=f"{day} {why}"[:500], why=why, seen={}, action="none")
        return [broken], dataclasses.replace(schedule, next_at=_next_look(schedule, now))
    return found, dataclasses.replace(schedule, seen=seen, next_at=next_at)


def _waits(tx: Transaction, schedule: Schedule) -> bool:
    """What happened (unlike a time) stays: where runs may not overlap, it is looked at again after the present one."""
    happened = schedule.kind not in ("cron", "every")
    return happened and schedule.overlap == "skip" and bool(automation.open_jobs(tx, schedule.name))


def _decide(
    tx: Transaction, schedule: Schedule, cause: Cause, now: datetime, decided: list[Decision] | None = None
) -> Job | None:
    """Decide about a cause, unless it was decided before; the new job, if there is one."""
    running = automation.open_jobs(tx, schedule.name) if cause.action == "run" else []
    skipped = bool(running) and schedule.overlap == "skip"
    why = f"{cause.why}; skipped: job {running[0].id} of it isn't done" if skipped else cause.why
    decision = Decision(
        id=new_id(),
        deployment="",
        schedule=schedule.name,
        trigger=cause.trigger,
        cause=cause.name,
        seen=cause.seen,
        action="none" if skipped else cause.action,
        why=why,
        at=now,
    )
    if skipped and cause.trigger == "demand":
        return None
    if not automation.add_decision(tx, decision):
        return None
    if decided is not None:
        decided.append(decision)
    if decision.action != "run":
        return None
    due = now
    if schedule.overlap == "cancel-old":
        for old in running:
            stop(tx, old, now)
        # in the place of one that waited: where workers are busy, it would never be its turn
        due = min([now, *(old.due for old in running if old.status is RunStatus.QUEUED and old.due is not None)])
    return queue(
        tx,
        decision,
        now,
        due=due,
        schedule=schedule.name,
        attempts=schedule.retries + 1,
        backoff_s=schedule.backoff_s,
    )


def _next_look(schedule: Schedule, now: datetime) -> datetime:
    return next_time(schedule, now) if schedule.kind in ("cron", "every") else now


def _mind_the_clock(ws: Workspace, now: datetime) -> None:
    """After a clock was set back, the next times lie where it had wrongly been: they are told anew. What was decided
    then stays decided."""
    noted = schedules.mark(ws.store, _CLOCK)
    last = clock.from_text(noted) if noted else None
    if last is not None and last - JUMP <= now < last + _CLOCK_NOTED_EVERY:
        return
    with ws.store.transaction() as tx:
        if last is not None and now < last - JUMP:
            clock_set_back(tx, now)
            for schedule in schedules.listed(tx):
                sooner = _next_look(schedule, now)
                if schedule.next_at is not None and sooner < schedule.next_at:
                    schedules.advance(tx, schedule, dataclasses.replace(schedule, next_at=sooner))
        schedules.set_mark(tx, _CLOCK, clock.to_text(now))


def _state(ws: Workspace, schedule: Schedule) -> ScheduleState:
    newest = automation.of_schedule(ws.store, schedule.name, 1)
    decision, job = newest[0] if newest else (None, None)
    return ScheduleState(
        name=schedule.name,
        kind=schedule.kind,
        expression=schedule.expression,
        target=schedule.target,
        pipeline=schedule.pipeline,
        notebook=schedule.notebook,
        paused=schedule.paused,
        next=None if schedule.paused else schedule.next_at,
        last=job,
        last_why=decision.why if decision else "",
        schedule=schedule,
    )


def _no_secrets(name: str, params: Mapping[str, Any]) -> None:
    for key, value in params.items():
        if REDACTED in str(redact({key: value})):
            raise UsageError(
                f"schedule {name!r}: the parameter {key!r} looks like a secret, and a schedule is kept in the store;"
                " let the notebook take it from the worker's environment"
            )
