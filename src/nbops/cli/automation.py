"""``tick`` and ``decisions``."""

from __future__ import annotations

import click

from nbops.cli.program import json_option, show, table, workspace


@click.command()
@click.option("--deployment", "only", help="Only this one.")
@click.option("--retrain", metavar="DEPLOYMENT", help="Retrain on demand, whatever the triggers say.")
@json_option
def tick(only: str | None, retrain: str | None, as_json: bool) -> None:
    """Decide what is due (schedules, degradation, drift) and do it, once; for cron or by hand."""
    from nbops.automation.tick import tick as tick_
    from nbops.cli.progress import steps

    turn = tick_(workspace(), only=only, retrain=retrain, progress=steps())

    def text() -> str:
        lines = [f"{d.schedule or d.deployment}: {d.why} → {d.action}" for d in turn.decisions]
        lines += [
            f"{j.status.lower()}: {j.result.get('outcome', '')} {j.result.get('why', j.error or '')}".rstrip()
            for j in turn.jobs
        ]
        return "\n".join(lines) or "nothing new to decide"

    show(turn, text, as_json)


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
