"""One turn of the wheel: bring the figures up to date, decide what is due, do it.

However many processes tick, a cause is decided once and carried out by one of them: the decision is unique in the
store, its job is claimed in a transaction and held by a lease. A job whose worker is gone, or whose lease has run out,
is taken over by the next tick.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nbops.automation.remedies import REMEDIES
from nbops.automation.triggers import demand, proposed, taken
from nbops.core.automation import Decision, Job
from nbops.core.deployments import Alert, Severity
from nbops.core.errors import NbopsError
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import RunStatus
from nbops.monitor.performance import update
from nbops.store import automation, deployments
from nbops.store.database import Transaction
from nbops.store.liveness import alive, this_process
from nbops.workspace import Workspace

LEASE = timedelta(hours=6)
MAX_ATTEMPTS = 3

Progress = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What one turn did: the decisions it took (not those it found taken) and the jobs it carried out."""

    decisions: tuple[Decision, ...]
    jobs: tuple[Job, ...]


def tick(
    workspace: Workspace,
    *,
    only: str | None = None,
    retrain: str | None = None,
    progress: Progress | None = None,
) -> Tick:
    """Decide what is due for every deployment (or for `only` one), and carry it out.

    Parameters
    ----------
    retrain : str, optional
        A deployment to retrain on demand, whatever the triggers say.

    Raises
    ------
    UnknownNameError
        If `only` or `retrain` names no deployment.
    NbopsError
        If a deployment could not be looked at; the others have been looked at, and what was due is done.
    """
    store = workspace.store
    names = [only] if only else [d.name for d in deployments.listed(store)]
    if retrain and retrain not in names:
        names.append(retrain)
    there = [deployments.get(store, name) for name in names]
    new: list[Decision] = []
    failures: list[NbopsError] = []
    for deployment in there:
        try:
            update(workspace, deployment.name)
            candidates = proposed(workspace, deployment)
        except NbopsError as failure:  # one deployment's damaged label file is no reason to leave the others alone
            failures.append(failure)
            candidates = []
        if retrain == deployment.name:
            candidates.append(demand(workspace, deployment, f"asked for by {workspace.identity}"))
        for decision in candidates:
            if not taken(workspace, decision) and _record(workspace, decision):
                new.append(decision)
    # A failed job is tried again only while its decision is the trigger's last word: an older cause has passed.
    last = {(d.deployment, d.trigger): d for name in names for d in automation.decisions(store, name)}
    due = [d for d in last.values() if d.action in REMEDIES]
    jobs = [job for d in due if (job := carry_out(workspace, d, progress)) is not None]
    if failures:
        raise failures[0]
    return Tick(decisions=tuple(new), jobs=tuple(jobs))


def carry_out(workspace: Workspace, decision: Decision, progress: Progress | None = None) -> Job | None:
    """Do what a decision asks for, unless it is done, in another worker's hands, or has failed too often."""
    job = _claim(workspace, decision)
    if job is None:
        return None
    result: dict[str, Any] = {}
    error: str | None = None
    try:
        result = REMEDIES[decision.action](workspace, decision, progress)
    except Exception as failure:  # noqa: BLE001 - kept with the job; whatever it is, no job may stay claimed
        error = redact_text(f"{type(failure).__name__}: {failure}")
    except BaseException:
        _finish(workspace, decision, job, RunStatus.STOPPED, {}, "interrupted")
        raise
    return _finish(workspace, decision, job, RunStatus.FAILED if error else RunStatus.COMPLETED, result, error)


def _record(workspace: Workspace, decision: Decision) -> bool:
    with workspace.store.transaction() as tx:
        new = automation.add_decision(tx, decision)
        if new and decision.trigger == "degradation" and decision.action != "none":
            deployments.add_alert(
                tx,
                Alert(
                    id=new_id(),
                    deployment=decision.deployment,
                    kind="degradation",
                    severity=Severity.ALERT,
                    period=decision.seen["period"],
                    message=decision.why,
                    at=decision.at,
                    about={"decision": decision.id},
                ),
                cause=decision.cause,
            )
    return new


def _claim(workspace: Workspace, decision: Decision) -> Job | None:
    now = workspace.clock.now()
    with workspace.store.transaction() as tx:
        job = automation.job_of(tx, decision.id)
        if job is None:
            job = Job(
                id=new_id(),
                decision=decision.id,
                status=RunStatus.IN_PROGRESS,
                attempt=1,
                worker=this_process(),
                lease_until=now + LEASE,
                created_at=now,
            )
        else:
            under_way = job.status is RunStatus.IN_PROGRESS
            if job.status is RunStatus.COMPLETED or (under_way and now < job.lease_until and alive(job.worker)):
                return None
            if job.attempt >= MAX_ATTEMPTS:
                if under_way:
                    _end(tx, decision, dataclasses.replace(job, ended_at=now, error="its worker died"))
                return None
            job = dataclasses.replace(
                job,
                status=RunStatus.IN_PROGRESS,
                attempt=job.attempt + 1,
                worker=this_process(),
                lease_until=now + LEASE,
            )
        automation.save_job(tx, job)
    return job


def _finish(
    workspace: Workspace, decision: Decision, job: Job, status: RunStatus, result: dict[str, Any], error: str | None
) -> Job:
    now = workspace.clock.now()
    job = dataclasses.replace(job, status=status, ended_at=now, result=result, error=error)
    with workspace.store.transaction() as tx:
        known = automation.job_of(tx, decision.id)
        if known is not None and known.attempt == job.attempt:  # else the lease ran out, and it is another's now
            _end(tx, decision, job)
    return job


def _end(tx: Transaction, decision: Decision, job: Job) -> None:
    """Keep how a job ended; an error is told."""
    if job.error and job.status is not RunStatus.STOPPED:
        job = dataclasses.replace(job, status=RunStatus.FAILED)
        alert = Alert(
            id=new_id(),
            deployment=decision.deployment,
            kind="failure",
            severity=Severity.ALERT,
            period=None,
            message=f"{decision.action} failed (attempt {job.attempt} of {MAX_ATTEMPTS}): {job.error}",
            at=job.ended_at or decision.at,
            about={"decision": decision.id, "job": job.id},
        )
        deployments.add_alert(tx, alert, cause=f"{decision.id} {job.attempt}")
    automation.save_job(tx, job)
