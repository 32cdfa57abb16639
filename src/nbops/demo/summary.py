"""What the loop came to, read from the store: a row a month, and the figures."""

from __future__ import annotations

from dataclasses import dataclass

from nbops.core.deployments import Performance
from nbops.core.models import Action
from nbops.demo.loop import DEPLOYED, FROZEN
from nbops.store import automation, deployments, models
from nbops.workspace import Workspace

METRIC = "mean_absolute_error"


@dataclass(frozen=True, kw_only=True)
class MonthRow:
    """One month of the loop. Errors are None until labels are known. `decision` is what was decided at its start."""

    month: str
    rows: int
    mae_frozen: float | None
    mae_deployed: float | None
    drift: str
    drifted: tuple[str, ...]
    decision: str
    version: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The demo's figures. The errors are means of the monthly mean absolute errors, in rides per hour; `promotions`
    counts the first one too, `retrains` every challenger trained, refused ones too."""

    data: str
    source: str
    months_scored: int
    rows_scored: int
    mae_frozen: float
    mae_deployed: float
    retrains: int
    promotions: int
    refusals: int
    alerts: int
    seconds: float


def rows(workspace: Workspace) -> list[MonthRow]:
    """A row for each month scored, in order."""
    store = workspace.store
    frozen = {p.period: p for p in deployments.performances(store, FROZEN)}
    deployed = {p.period: p for p in deployments.performances(store, DEPLOYED)}
    reports = {r.run: r for r in deployments.drift_reports(store, DEPLOYED)}
    jobs = {job.decision: job for job in automation.jobs(store)}
    decided: dict[str, list[str]] = {}
    for decision in automation.decisions(store, DEPLOYED):
        job = jobs.get(decision.id)
        outcome = f" → {job.result.get('outcome', job.status.lower())}" if job else ""
        decided.setdefault(f"{decision.at:%Y-%m}", []).append(decision.action + outcome)
    found = []
    for scoring in deployments.scorings(store, DEPLOYED):
        report = reports.get(scoring.run)
        found.append(
            MonthRow(
                month=scoring.period,
                rows=scoring.rows,
                mae_frozen=_error(frozen.get(scoring.period)),
                mae_deployed=_error(deployed.get(scoring.period)),
                drift=report.severity.value if report else "not looked at",
                drifted=tuple(c.column for c in report.columns if c.severity == "alert") if report else (),
                decision=", ".join(decided.get(scoring.period, [])) or "no new labels of this champion",
                version=scoring.version,
            )
        )
    return found


def summarize(workspace: Workspace, *, real: bool, source: str, seconds: float) -> Summary:
    """The figures of a finished demo."""
    store = workspace.store
    months = rows(workspace)
    history = models.history(store, DEPLOYED)
    return Summary(
        data="real" if real else "simulated",
        source=source,
        months_scored=len(months),
        rows_scored=sum(m.rows for m in months),
        mae_frozen=_mean([m.mae_frozen for m in months]),
        mae_deployed=_mean([m.mae_deployed for m in months]),
        retrains=sum("run" in job.result for job in automation.jobs(store)),
        promotions=sum(p.action is Action.PROMOTED for p in history),
        refusals=sum(p.action is Action.REFUSED for p in history),
        alerts=len(deployments.alerts(store, DEPLOYED)),
        seconds=round(seconds, 1),
    )


def _error(performance: Performance | None) -> float | None:
    return performance.metrics.get(METRIC) if performance else None


def _mean(values: list[float | None]) -> float:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else float("nan")
