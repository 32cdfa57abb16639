"""`Dashboard`: everything known of one deployment, as one value that every face draws."""

from __future__ import annotations

from dataclasses import dataclass

from nbops.core.automation import Decision, Job
from nbops.core.deployments import Alert, Deployment, DriftReport, Performance, Scoring


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """Each tuple oldest first. Of performances and drift reports there is one a period, the newest. `waiting` are the
    periods that were scored and have no labels yet; `serving` is None where the alias names no version."""

    deployment: Deployment
    serving: int | None
    scorings: tuple[Scoring, ...]
    performances: tuple[Performance, ...]
    waiting: tuple[str, ...]
    drift: tuple[DriftReport, ...]
    alerts: tuple[Alert, ...]
    decisions: tuple[tuple[Decision, Job | None], ...]
