"""Jobs: how one is claimed, held, done and ended, by one worker at a time, whatever happens to the workers.

A job is claimed in a transaction and held by a lease that is renewed while it is being done. One whose worker (and the
process that did it for him) is known to be gone, or whose lease has run out, is taken over. Each claim has a number of
its own, so whoever comes back after he had lost his lease finds that out, and writes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nbops.core.automation import Decision, Job
from nbops.core.deployments import Alert, Severity
from nbops.core.errors import BusyError, ExecutionError, NbopsError, StoreAwayError, StoreError, StoreLockedError
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import Owner, RunStatus
from nbops.store import automation, deployments, schedules
from nbops.store.database import Transaction
from nbops.store.liveness import alive, this_process
from nbops.workspace import Workspace

LEASE = timedelta(minutes=3)
RENEWED_EVERY_S = 15.0
AWAY_FOR = timedelta(seconds=10)
"""How long a job waits that could not be done because the store was away or locked."""

BUSY_FOR = timedelta(seconds=30)
"""How long a job waits that would make what another run is making."""

LONGEST_BACKOFF = timedelta(days=1)
ENDED = "ended "
"""Marks the decisions whose jobs have ended, until somebody has told those who wish to know."""

DEATHS = 3
"""How often a job's worker may die of it before the job has failed, however few attempts it is given."""


@dataclass(kw_only=True)
class Control:
    """What goes to and fro between who does a job and who holds its lease. `stop` is set when it is to stop, `why`
    then says why; `child` is the process that does it, if it isn't this one."""

    stop: threading.Event = field(default_factory=threading.Event)
    why: str = ""
    child: Owner | None = None

    def ask(self, why: str) -> None:
        if not self.stop.is_set():
            self.why = why
            self.stop.set()


CANCELLED, RELEASED, LEASE_LOST = "cancelled", "the worker stops", "the lease was lost"

Runner = Callable[[Workspace, Decision, Job, Control], dict[str, Any]]
"""Does a job; returns its result. Raises to say that it failed; raises :class:`StoppedError` after it was asked to."""


class StoppedError(NbopsError):
    """The job was stopped before its end, as it was asked to."""


class JobError(ExecutionError):
    """A job failed; `result` is what is known of it all the same (its run)."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        self.result = result
        super().__init__(message)


def queue(tx: Transaction, decision: Decision, now: datetime, **how: Any) -> Job:
    """A new job for a decision that has just been taken."""
    job = Job(id=new_id(), decision=decision.id, status=RunStatus.QUEUED, created_at=now, **{"due": now, **how})
    automation.save_job(tx, job)
    return job


def claim(workspace: Workspace, *, scheduled: bool = False) -> tuple[Decision, Job] | None:
    """The next job that can be done, now ours; None if there is none. With `scheduled`, only schedules' jobs."""
    store, now = workspace.store, workspace.clock.now()
    left = [job for job in automation.held(store) if _abandoned(job, now)]
    if not left and automation.next_queued(store, now, scheduled=scheduled) is None:
        return None  # asked without taking the lock first: most looks find nothing
    with store.transaction() as tx:
        for job in automation.held(tx):
            if _abandoned(job, now) and (job.schedule is not None or not scheduled):
                decision = automation.decision(tx, job.decision)
                taken = _taken_over(tx, decision, job, now)
                if taken is not None:
                    return decision, taken
        waiting = automation.next_queued(tx, now, scheduled=scheduled)
        if waiting is None:
            return None
        return automation.decision(tx, waiting.decision), _claimed(tx, waiting, now)


def claim_of(workspace: Workspace, decision: Decision) -> Job | None:
    """A decision's own job, now ours, also while it waits for its next attempt; None if it is done, in another worker's
    hands, or has failed too often."""
    now = workspace.clock.now()
    with workspace.store.transaction() as tx:
        job = automation.job_of(tx, decision.id)
        if job is None:
            job = Job(id=new_id(), decision=decision.id, status=RunStatus.QUEUED, created_at=now)
        elif job.status in (RunStatus.IN_PROGRESS, RunStatus.STOPPING):
            return _taken_over(tx, decision, job, now) if _abandoned(job, now) else None
        elif job.status is RunStatus.COMPLETED or job.attempt >= job.attempts:
            return None
        return _claimed(tx, job, now)


def carry(workspace: Workspace, decision: Decision, job: Job, runner: Runner, control: Control | None = None) -> Job:
    """Do a claimed job, hold its lease meanwhile, keep how it ended; return it as this attempt left it."""
    control = control or Control()
    result: dict[str, Any] = {}
    error: str | None = None
    with _held(workspace, job, control):
        try:
            result = runner(workspace, decision, job, control)
        except StoppedError:
            if control.why == CANCELLED:
                return finish(workspace, decision, job, RunStatus.STOPPED, {}, CANCELLED)
            if control.why == LEASE_LOST:
                return dataclasses.replace(job, status=RunStatus.LOST, error=LEASE_LOST)
            release(workspace, job)
            return dataclasses.replace(job, status=RunStatus.QUEUED)
        except (StoreAwayError, StoreLockedError) as away:
            release(workspace, job, AWAY_FOR, str(away))
            return dataclasses.replace(job, status=RunStatus.QUEUED, error=str(away))
        except BusyError as busy:
            release(workspace, job, BUSY_FOR, str(busy))
            return dataclasses.replace(job, status=RunStatus.QUEUED, error=str(busy))
        except JobError as failure:
            error, result = redact_text(str(failure)), failure.result
        except Exception as failure:  # noqa: BLE001 - kept with the job; whatever it is, no job may stay claimed
            error = redact_text(f"{type(failure).__name__}: {failure}")
        except BaseException:
            release(workspace, job)
            raise
    return finish(workspace, decision, job, RunStatus.FAILED if error else RunStatus.COMPLETED, result, error)


def finish(
    workspace: Workspace, decision: Decision, job: Job, status: RunStatus, result: dict[str, Any], error: str | None
) -> Job:
    """Keep how an attempt ended, unless the job is another's by now: then LOST is what is returned. A failed one waits
    for its next attempt, if it has one; what is returned says FAILED all the same."""
    now = workspace.clock.now()
    with workspace.store.transaction() as tx:
        known = automation.job_of(tx, decision.id)
        mine = known is not None and _same(known, job)
        if known is not None and mine:
            job = known
        done = dataclasses.replace(job, status=status, ended_at=now, result=result, error=error, child=None)
        if mine:
            _end(tx, decision, done, now)
    return done if mine else dataclasses.replace(done, status=RunStatus.LOST, error=LEASE_LOST)


def release(workspace: Workspace, job: Job, pause: timedelta = timedelta(), why: str | None = None) -> None:
    """Put a job back that was not done to its end, and through no fault of its own."""
    now = workspace.clock.now()
    with workspace.store.transaction() as tx:
        known = automation.job_of(tx, job.decision)
        if known is not None and _same(known, job):
            stopped = known.status is RunStatus.STOPPING
            status = RunStatus.STOPPED if stopped else RunStatus.QUEUED
            back = dataclasses.replace(
                known, status=status, due=now + pause, attempts=known.attempts + 1, child=None, error=why
            )
            automation.save_job(tx, dataclasses.replace(back, ended_at=now) if stopped else back)


def clock_set_back(tx: Transaction, now: datetime) -> None:
    """Jobs that were queued, or claimed, while the clock was wrong wait for no date that is years away."""
    for job in automation.unfinished(tx):
        right = job
        if job.due is not None and job.due > now + LONGEST_BACKOFF:
            right = dataclasses.replace(right, due=now)
        if job.lease_until is not None and job.lease_until > now + 2 * LEASE:
            right = dataclasses.replace(right, lease_until=now + LEASE)
        if right != job:
            automation.save_job(tx, right)


def stop(tx: Transaction, job: Job, now: datetime, why: str = CANCELLED) -> None:
    """End a job that waits; ask the worker that has it to stop."""
    if job.status is RunStatus.QUEUED:
        automation.save_job(tx, dataclasses.replace(job, status=RunStatus.STOPPED, ended_at=now, error=why))
    elif job.status is RunStatus.IN_PROGRESS:
        automation.save_job(tx, dataclasses.replace(job, status=RunStatus.STOPPING))


def renew(workspace: Workspace, job: Job, control: Control) -> None:
    """Renew a job's lease; tell who does it if he is to stop."""
    now = workspace.clock.now()
    with workspace.store.transaction() as tx:
        known = automation.job_of(tx, job.decision)
        if known is None or not _same(known, job):
            control.ask(LEASE_LOST)
            return
        if known.status is RunStatus.STOPPING:
            control.ask(CANCELLED)
        automation.renew(tx, dataclasses.replace(known, lease_until=now + LEASE, child=control.child))


@contextmanager
def _held(workspace: Workspace, job: Job, control: Control) -> Iterator[None]:
    """Renew a job's lease from a thread of its own. A store that is away is asked again; when the lease has run out
    meanwhile, another may have the job, and who does it here is told to stop."""
    done = threading.Event()

    def keep() -> None:
        until = workspace.clock.now() + LEASE
        known_child: Owner | None = None
        waited = 0.0
        while not done.wait(0.25):
            waited += 0.25
            if waited < RENEWED_EVERY_S and control.child == known_child and not _asked_to_stop(workspace, job, waited):
                continue
            try:
                renew(workspace, job, control)
                until, known_child, waited = workspace.clock.now() + LEASE, control.child, 0.0
            except StoreError:
                if workspace.clock.now() >= until:
                    control.ask(LEASE_LOST)
        with contextlib.suppress(StoreError):
            workspace.store.close()

    thread = threading.Thread(target=keep, name=f"lease of job {job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _asked_to_stop(workspace: Workspace, job: Job, waited: float) -> bool:
    """Looked at each second, without the lock: a cancelled job needn't wait for the next renewal."""
    if waited % 1.0:
        return False
    try:
        known = automation.job_of(workspace.store, job.decision)
    except StoreError:
        return False
    return known is None or known.status is not RunStatus.IN_PROGRESS or known.attempt != job.attempt


def _same(known: Job, job: Job) -> bool:
    return known.attempt == job.attempt and known.status in (RunStatus.IN_PROGRESS, RunStatus.STOPPING)


def _abandoned(job: Job, now: datetime) -> bool:
    if job.lease_until is None or now >= job.lease_until:
        return True
    return not any(alive(owner) for owner in (job.worker, job.child) if owner is not None)


def _taken_over(tx: Transaction, decision: Decision, job: Job, now: datetime) -> Job | None:
    """The job of a worker that is gone, now ours; None if it was to stop anyway, or too many have died of it."""
    if job.status is RunStatus.STOPPING:
        stopped = dataclasses.replace(job, status=RunStatus.STOPPED, ended_at=now, error=CANCELLED, child=None)
        automation.save_job(tx, stopped)
        return None
    if job.attempt >= max(job.attempts, DEATHS):
        _end(tx, decision, dataclasses.replace(job, ended_at=now, error="its worker died", child=None), now, last=True)
        return None
    return _claimed(tx, job, now)


def _claimed(tx: Transaction, job: Job, now: datetime) -> Job:
    job = dataclasses.replace(
        job,
        status=RunStatus.IN_PROGRESS,
        attempt=job.attempt + 1,
        worker=this_process(),
        child=None,
        started_at=now,
        lease_until=now + LEASE,
    )
    automation.save_job(tx, job)
    return job


def _end(tx: Transaction, decision: Decision, job: Job, now: datetime, *, last: bool = False) -> None:
    """Keep how a job ended; an error is told, and tried again where attempts are left."""
    if job.error and job.status is not RunStatus.STOPPED:
        if decision.deployment and decision.schedule is None:
            deployments.add_alert(tx, _failure(decision, job), cause=f"{decision.id} {job.attempt}")
        if job.attempt < job.attempts and not last:
            pause = min(timedelta(seconds=job.backoff_s * 2.0 ** min(job.attempt - 1, 30)), LONGEST_BACKOFF)
            job = dataclasses.replace(job, status=RunStatus.QUEUED, due=now + pause, ended_at=None)
        else:
            job = dataclasses.replace(job, status=RunStatus.FAILED)
    automation.save_job(tx, job)
    if decision.schedule is not None and job.status.ended:
        schedules.set_mark(tx, f"{ENDED}{decision.id}", decision.schedule)


def _failure(decision: Decision, job: Job) -> Alert:
    return Alert(
        id=new_id(),
        deployment=decision.deployment,
        kind="failure",
        severity=Severity.ALERT,
        period=None,
        message=f"{decision.action} failed (attempt {job.attempt} of {job.attempts}): {job.error}",
        at=job.ended_at or decision.at,
        about={"decision": decision.id, "job": job.id},
    )
