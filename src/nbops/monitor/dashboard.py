"""What is known of a deployment, gathered; and one column's distribution beside that at training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from nbops.core.dashboard import Dashboard
from nbops.core.deployments import Distribution, DriftReport, Performance
from nbops.core.errors import UnknownNameError, UsageError
from nbops.monitor.bins import bins
from nbops.monitor.drift import profiles_of
from nbops.store import automation, deployments, models
from nbops.workspace import Workspace

T = TypeVar("T", Performance, DriftReport)


def dashboard(ws: Workspace, name: str) -> Dashboard:
    """Everything known of a deployment; nothing is computed that isn't kept already.

    Raises
    ------
    UnknownNameError
    """
    deployment = deployments.get(ws.store, name)
    scorings = deployments.scorings(ws.store, name)
    performances = _newest(deployments.performances(ws.store, name))
    labelled = {p.period for p in performances}
    version = deployment.version
    if deployment.alias is not None:
        aliased = models.aliased(ws.store, deployment.model, deployment.alias)
        version = aliased.number if aliased is not None else None
    return Dashboard(
        deployment=deployment,
        serving=version,
        scorings=tuple(scorings),
        performances=tuple(performances),
        waiting=tuple(dict.fromkeys(s.period for s in scorings if s.period not in labelled)),
        drift=tuple(_newest(deployments.drift_reports(ws.store, name))),
        alerts=tuple(deployments.alerts(ws.store, name)),
        decisions=tuple((d, automation.job_of(ws.store, d.id)) for d in automation.decisions(ws.store, name)),
    )


def distribution(ws: Workspace, name: str, period: str, column: str) -> Distribution:
    """A column's values in a scored period beside those the version was trained on, from stored profiles.

    Raises
    ------
    UnknownNameError
        If there is no drift report of the period, or the column isn't in it.
    UsageError
        If the column can't be binned (an identifier, a date, nothing but nulls).
    """
    deployments.get(ws.store, name)
    reports = {r.period: r for r in deployments.drift_reports(ws.store, name)}
    if period not in reports:
        raise UnknownNameError("drift report of period", period, reports, f"'nbops drift {name}' makes one")
    measured = {c.column: c for c in reports[period].columns}
    if column not in measured:
        raise UnknownNameError("column", column, measured)
    reference, current = profiles_of(ws, name, reports[period].run, column)
    common = bins(reference, current) if reference is not None and current is not None else None
    if common is None:
        raise UsageError(f"{column!r} has no distribution that could be drawn: {measured[column].why}")
    return Distribution(
        column=column,
        labels=tuple(map(str, common.labels)) if common.labels else _between(common.edges),
        reference=tuple(common.reference_shares.tolist()),
        current=tuple(common.current_shares.tolist()),
        values=measured[column].values,
        why=measured[column].why,
    )


def _newest(reports: Sequence[T]) -> list[T]:
    """The newest of each period, in the order in which the periods came."""
    return list({r.period: r for r in reports}.values())


def _between(edges: Sequence[float]) -> tuple[str, ...]:
    said = [f"{e:.4g}" for e in edges]
    return (f"< {said[0]}", *(f"{a} – {b}" for a, b in pairwise(said)), f"≥ {said[-1]}")
