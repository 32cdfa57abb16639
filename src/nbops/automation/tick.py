"""One turn of the wheel: bring the figures up to date, decide what is due, do it. (A worker turns it again and again:
:mod:`nbops.automation.worker`.)

However many processes tick, a cause is decided once and carried out by one of them: the decision is unique in the
store, its job is claimed in a transaction and held by a lease (:mod:`nbops.automation.jobs`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbops.automation.afterwards import afterwards
from nbops.automation.job_process import in_process
from nbops.automation.jobs import Control, carry, claim, claim_of, queue, stop
from nbops.automation.remedies import REMEDIES
from nbops.automation.schedules import fire
from nbops.automation.triggers import demand, proposed, taken
from nbops.core.automation import Decision, Job
from nbops.core.deployments import Alert, Severity
from nbops.core.errors import NbopsError
from nbops.core.ids import new_id
from nbops.monitor.performance import update
from nbops.store import automation, deployments
from nbops.workspace import Workspace

RETRAINS_AGAIN_AFTER_S = 300.0
"""How long a worker waits after a retraining that failed. A tick tries it again at once."""

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
    new, failures = decide(workspace, only=only, retrain=retrain)
    names = [only] if only else [d.name for d in deployments.listed(workspace.store)]
    if retrain and retrain not in names:
        names.append(retrain)
    fired: list[Decision] = []
    while only is None and (found := fire(workspace)):
        fired += found
    # A failed job is tried again only while its decision is the trigger's last word: an older cause has passed.
    last = {(d.deployment, d.trigger): d for name in names for d in automation.decisions(workspace.store, name)}
    due = [d for d in last.values() if d.action in REMEDIES]
    jobs = [job for d in due if (job := carry_out(workspace, d, progress)) is not None]
    while only is None and (claimed := claim(workspace, scheduled=True)) is not None:
        jobs.append(carry(workspace, *claimed, in_process))
        afterwards(workspace)
    if only is None:
        afterwards(workspace)
    if failures:
        raise failures[0]
    return Tick(decisions=(*new, *fired), jobs=tuple(_with_what_was_told(workspace, job) for job in jobs))


def _with_what_was_told(workspace: Workspace, job: Job) -> Job:
    """A job as it was carried out, with what came of its notifications, which are sent afterwards."""
    known = automation.job_of(workspace.store, job.decision)
    told = known.result.get("told") if known is not None else None
    return dataclasses.replace(job, result={**job.result, "told": told}) if told else job


def decide(
    workspace: Workspace, *, only: str | None = None, retrain: str | None = None
) -> tuple[list[Decision], list[NbopsError]]:
    """Bring every deployment's figures up to date and decide what is due: (the new decisions, what went wrong)."""
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
    return new, failures


def carry_out(workspace: Workspace, decision: Decision, progress: Progress | None = None) -> Job | None:
    """Do what a decision asks for, here, unless it is done, in another worker's hands, or has failed too often."""
    job = claim_of(workspace, decision)
    if job is None:
        return None

    def here(workspace: Workspace, decision: Decision, _job: Job, _control: Control) -> dict[str, Any]:
        return REMEDIES[decision.action](workspace, decision, progress)

    return carry(workspace, decision, job, here)


def _record(workspace: Workspace, decision: Decision) -> bool:
    with workspace.store.transaction() as tx:
        new = automation.add_decision(tx, decision)
        if new:
            for older in automation.overtaken(tx, decision):  # its cause has passed
                stop(tx, older, decision.at, f"a newer {decision.trigger} decision was taken")
            if decision.action in REMEDIES:
                queue(tx, decision, decision.at, backoff_s=RETRAINS_AGAIN_AFTER_S)
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
