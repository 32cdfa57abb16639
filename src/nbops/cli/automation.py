"""``tick`` and ``decisions``."""

from __future__ import annotations

import sys

import click

from nbops.cli.program import json_option, show, table, workspace
from nbops.core.automation import Job
from nbops.core.runs import RunStatus
from nbops.workspace import Workspace


@click.command()
@click.option("--deployment", "only", help="Only this one.")
@click.option("--retrain", metavar="DEPLOYMENT", help="Retrain on demand, whatever the triggers say.")
@json_option
def tick(only: str | None, retrain: str | None, as_json: bool) -> None:
    """Decide what is due (schedules, degradation, drift) and do it, once; for cron or by hand.

    The exit code is 1 if something that was due has failed and isn't tried again."""
    from nbops.automation.tick import tick as tick_
    from nbops.cli.progress import steps

    ws = workspace()
    turn = tick_(ws, only=only, retrain=retrain, progress=steps())

    def text() -> str:
        lines = [f"{d.schedule or d.deployment}: {d.why} → {d.action}" for d in turn.decisions]
        for job in turn.jobs:
            lines += _ended(ws, job)
        return "\n".join(lines) or "nothing new to decide"

    show(turn, text, as_json)
    if any(job.status == RunStatus.FAILED and not _again(job) for job in turn.jobs):
        sys.exit(1)


def _ended(ws: Workspace, job: Job) -> list[str]:
    """How a job ended, and who could not be told."""
    from nbops.automation.notify import untold
    from nbops.store import automation

    name = job.schedule or automation.decision(ws.store, job.decision).deployment
    status = job.status.lower()
    outcome = job.result.get("outcome", status)
    said = status if outcome == status else f"{status}, {outcome}"
    why = job.result.get("why") or (job.error.splitlines()[0] if job.error else "")
    again = "; it is tried again" if job.status == RunStatus.FAILED and _again(job) else ""
    return [f"{name}: {said}{f': {why}' if why else ''}{again}", *(f"{name}: {sentence}" for sentence in untold(job))]


def _again(job: Job) -> bool:
    return job.attempt < job.attempts


@click.command()
@click.argument("deployment", required=False)
@json_option
def decisions(deployment: str | None, as_json: bool) -> None:
    """What was seen, what was decided, what came of it."""
    from nbops.store import automation, deployments

    reader = workspace().store
    if deployment is not None:
        deployments.get(reader, deployment)
    found = automation.decisions(reader, deployment)
    value = [{"decision": d, "job": automation.job_of(reader, d.id)} for d in found]
    rows = []
    for d in found:
        job = automation.job_of(reader, d.id)
        outcome = job.result.get("outcome", job.status.lower()) if job else ""
        rows.append([f"{d.at:%Y-%m-%d}", d.schedule or d.deployment, d.trigger, d.why, d.action, outcome])
    show(
        value,
        lambda: table(rows, ["when", "of", "trigger", "seen", "decided", "outcome"], "no decisions yet"),
        as_json,
    )
