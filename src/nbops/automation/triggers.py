"""What may call for action: a cause seen, and what the deployment's settings say about it.

Each trigger looks at what the store holds and proposes decisions, "none" ones too: that a period was looked at and
found well is worth keeping. A trigger writes nothing.

The default policy, and how it was chosen
-----------------------------------------
*Degradation*: act when the realised error of a period exceeds 1.3 times the reference error, where

* the reference is the error the first accepted version had at its gates: the level the deployment was accepted at.
  It doesn't move with each retraining, or a model that gets slowly worse would never be noticed;
* only periods that the present champion scored itself count. An error its predecessor made says nothing about it, and
  acting on one would retrain twice for one cause;
* 1.3 is a round number that lies above what chance and season do to an error where nothing is wrong
  (``benchmarks/degradation_threshold.py`` measures that on data sets other than the one of the demo).

*Drift* is off by default: inputs drift without harm (a warm summer) and harm comes without input drift (demand grew).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from nbops.core.automation import Decision
from nbops.core.clock import to_text
from nbops.core.deployments import Deployment, Severity
from nbops.core.errors import SettingsError
from nbops.core.ids import new_id
from nbops.metrics.known import as_error
from nbops.promotion.reference import reference
from nbops.registry.serving import serving
from nbops.store import automation, deployments
from nbops.workspace import Workspace

MIN_LABELLED = 0.5
"""The share of a period's predictions that must have labels before its error is judged."""

Trigger = Callable[[Workspace, Deployment], Iterator[Decision]]
TRIGGERS: dict[str, Trigger] = {}


def trigger(function: Trigger) -> Trigger:
    TRIGGERS[function.__name__] = function
    return function


def proposed(workspace: Workspace, deployment: Deployment) -> list[Decision]:
    """What every trigger has to say about a deployment now."""
    return [decision for look in TRIGGERS.values() for decision in look(workspace, deployment)]


@trigger
def degradation(workspace: Workspace, deployment: Deployment) -> Iterator[Decision]:
    """The newest labelled period that the present champion scored, against the reference error."""
    bound = workspace.settings.deployment(deployment.name).triggers.degradation
    level = reference(workspace, deployment.name)
    if not bound or level is None:
        return
    metric, expected = level
    version = serving(workspace, deployment).number
    judged = [
        p
        for p in deployments.performances(workspace.store, deployment.name)
        if p.version == version and p.rows >= MIN_LABELLED * p.scored and metric in p.metrics
    ]
    if not judged:
        return
    newest = judged[-1]
    error, allowed = as_error(metric, newest.metrics[metric]), bound * as_error(metric, expected)
    seen = {
        "period": newest.period,
        "version": version,
        "metric": metric,
        "value": newest.metrics[metric],
        "reference": expected,
        "bound": bound,
        "rows": newest.rows,
    }
    worse = not error <= allowed  # a NaN error is worse
    why = (
        f"{metric} of {newest.period} was {newest.metrics[metric]:.4g} with version {version};"
        f" accepted at {expected:.4g}, bound {bound:g} ×: {'degraded' if worse else 'well'}"
    )
    yield _decision(
        workspace,
        deployment,
        "degradation",
        # acted on once; but what was well with half of the labels is looked at again when there are more
        f"{newest.period} v{version}" + ("" if worse else f" {newest.rows} labels"),
        seen,
        _remedy(workspace, deployment) if worse else "none",
        why,
    )


@trigger
def drift(workspace: Workspace, deployment: Deployment) -> Iterator[Decision]:
    """The newest drift report, where the settings ask for it."""
    if not workspace.settings.deployment(deployment.name).triggers.drift:
        return
    reports = deployments.drift_reports(workspace.store, deployment.name)
    if not reports:
        return
    newest = reports[-1]
    moved = [c.column for c in newest.columns if c.severity is Severity.ALERT]
    act = newest.severity is Severity.ALERT and newest.version == serving(workspace, deployment).number
    why = f"drift of {newest.period}: {newest.severity}" + (f" ({', '.join(moved)})" if moved else "")
    seen = {"period": newest.period, "report": newest.id, "severity": newest.severity.value, "columns": moved}
    yield _decision(
        workspace,
        deployment,
        "drift",
        f"{newest.period} v{newest.version}",
        seen,
        _remedy(workspace, deployment) if act else "none",
        why,
    )


@trigger
def schedule(workspace: Workspace, deployment: Deployment) -> Iterator[Decision]:
    """The newest time of the cron line (UTC) that has passed since the deployment was made. Times missed while
    nothing ran are one cause, not many."""
    line = workspace.settings.deployment(deployment.name).triggers.schedule
    if line is None:
        return
    from croniter import CroniterBadCronError, croniter

    now = workspace.clock.now()
    try:
        due: datetime = croniter(line, now).get_prev(datetime)
    except (CroniterBadCronError, ValueError) as error:
        raise SettingsError(f"[deployments.{deployment.name}.triggers] schedule: {line!r} is no cron line") from error
    if due >= deployment.created_at:
        yield _decision(
            workspace, deployment, "schedule", to_text(due), {"cron": line}, "retrain", f"the schedule {line!r} is due"
        )


def demand(workspace: Workspace, deployment: Deployment, why: str) -> Decision:
    """Somebody asks for it now."""
    seen = {"by": workspace.identity}
    return _decision(workspace, deployment, "demand", to_text(workspace.clock.now()), seen, "retrain", why)


def taken(workspace: Workspace, decision: Decision) -> bool:
    """Has this cause been decided before?"""
    return any(
        (d.trigger, d.cause) == (decision.trigger, decision.cause)
        for d in automation.decisions(workspace.store, decision.deployment)
    )


def _remedy(workspace: Workspace, deployment: Deployment) -> str:
    """Retrain, where nbops.toml says how; else somebody is told."""
    return "retrain" if workspace.settings.deployment(deployment.name).pipeline else "tell"


def _decision(
    workspace: Workspace,
    deployment: Deployment,
    name: str,
    cause: str,
    seen: dict[str, Any],
    action: str,
    why: str,
) -> Decision:
    return Decision(
        id=new_id(),
        deployment=deployment.name,
        trigger=name,
        cause=cause,
        seen=seen,
        action=action,
        why=why,
        at=workspace.clock.now(),
    )
