"""Has what comes in changed since training? From stored profiles only: no row is read again.

The reference of the inputs is the version's training profile. That of the prediction is the profile of what the
version predicts on its evaluation rows (made at its first scoring, kept with the run); where there are none, the
version's first scoring, whose own prediction is then "unknown".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nbops.core.deployments import ColumnDrift, DriftReport, Scoring, Severity
from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.ids import new_id
from nbops.core.models import ModelVersion
from nbops.monitor import alerts
from nbops.monitor.predictions import profile_name
from nbops.monitor.severity import DriftPolicy, compare, overall
from nbops.profiles.profile import ColumnProfile, Profile
from nbops.settings import DriftSettings
from nbops.store import deployments, models, runs
from nbops.workspace import Workspace

TRAINING = "training"
PREDICTION_REFERENCE = "prediction_reference"
"""In a scoring run's detail: digest of the profile of the version's predictions on its evaluation rows."""


def drift(ws: Workspace, deployment_name: str, *, period: str | None = None, reference: str = TRAINING) -> DriftReport:
    """Compare a scoring's profile with a reference, and alert where columns newly drift.

    Parameters
    ----------
    ws : Workspace
    deployment_name : str
    period : str, optional
        The newest scoring of this period; by default the newest of all.
    reference : str
        "training", or an earlier period, for instance the same month a year ago. Such a question is answered,
        not kept, and raises no alert.

    Returns
    -------
    DriftReport
        The one made before, if this scoring was looked at already.

    Raises
    ------
    UnknownNameError
        For an unknown deployment or period.
    UsageError
        If the version or the scoring has no profile.
    """
    deployments.get(ws.store, deployment_name)
    scorings = deployments.scorings(ws.store, deployment_name)
    scoring = _of_period(scorings, period)
    reports = deployments.drift_reports(ws.store, deployment_name)
    if reference == TRAINING:
        for known in reports:
            if known.run == scoring.run:
                return known
    policy = policy_of(ws.settings.deployment(deployment_name).drift)
    version = models.get(ws.store, scoring.model, scoring.version)
    columns = _compared(ws, version, scoring, scorings, reference, policy)
    ignored = set(ws.settings.deployment(deployment_name).drift.ignore)
    columns = [c for c in columns if c.column not in ignored]
    report = DriftReport(
        id=new_id(),
        deployment=deployment_name,
        period=scoring.period,
        run=scoring.run,
        version=scoring.version,
        rows=scoring.rows,
        severity=overall(columns, policy),
        columns=tuple(columns),
        at=ws.clock.now(),
    )
    if reference != TRAINING:
        return report
    with ws.store.transaction() as tx:
        reports = deployments.drift_reports(tx, deployment_name)
        for known in reports:
            if known.run == scoring.run:  # another process was faster
                return known
        deployments.add_drift(tx, report)
        alerts.drifted(tx, report, _before(scorings, scoring, reports))
    return report


def policy_of(settings: DriftSettings) -> DriftPolicy:
    """The default policy with what nbops.toml sets."""
    policy = DriftPolicy()
    warn = policy.psi[0] if settings.psi_warn is None else settings.psi_warn
    alert = max(policy.psi[1], warn) if settings.psi_alert is None else settings.psi_alert
    rows = policy.min_rows if settings.min_rows is None else settings.min_rows
    return dataclasses.replace(policy, psi=(warn, alert), min_rows=rows)


def profiles_of(
    ws: Workspace, deployment_name: str, run: str, column: str
) -> tuple[ColumnProfile | None, ColumnProfile | None]:
    """A column at training (for the prediction: on the evaluation rows) and in a scoring, as :func:`drift` has them;
    None where it has no profile there."""
    scorings = deployments.scorings(ws.store, deployment_name)
    scoring = next(s for s in scorings if s.run == run)
    version = models.get(ws.store, scoring.model, scoring.version)
    if column == profile_name(tuple(f.name for f in version.signature.inputs)):
        before = _prediction_reference(ws, scoring, scorings)
    else:
        before = _profile(ws, version.profile, f"version {version.number} of {version.name!r}")
    current = _profile(ws, scoring.profile, f"the scoring of {scoring.period!r} (run {scoring.run})")
    found = [next((c for c in p.columns if c.name == column), None) if p else None for p in (before, current)]
    return found[0], found[1]


def _of_period(scorings: Sequence[Scoring], period: str | None) -> Scoring:
    found = [s for s in scorings if period is None or s.period == period]
    if not found and period is None:
        raise UsageError("nothing has been scored yet; 'nbops score' makes what drift looks at")
    if not found:
        raise UnknownNameError("scored period", str(period), dict.fromkeys(s.period for s in scorings))
    return found[-1]


def _compared(
    ws: Workspace,
    version: ModelVersion,
    scoring: Scoring,
    scorings: Sequence[Scoring],
    reference: str,
    policy: DriftPolicy,
) -> list[ColumnDrift]:
    inputs = tuple(field.name for field in version.signature.inputs)
    prediction = profile_name(inputs)
    current = _profile(ws, scoring.profile, f"the scoring of {scoring.period!r} (run {scoring.run})")
    if reference != TRAINING:
        earlier = _of_period(scorings, reference)
        return list(compare(_profile(ws, earlier.profile, f"the scoring of {reference!r}"), current, policy))
    trained = _profile(ws, version.profile, f"version {version.number} of {version.name!r}")
    known = [name for name in inputs if any(c.name == name for c in trained.columns)]
    columns = list(compare(trained, current, policy, known))
    before = _prediction_reference(ws, scoring, scorings)
    if before is None:
        why = f"{prediction}: the version's first scoring and no evaluation rows: nothing to compare with"
        columns.append(ColumnDrift(column=prediction, severity=Severity.UNKNOWN, values={}, why=why))
    else:
        columns += compare(before, current, policy, [prediction])
    return columns


def _prediction_reference(ws: Workspace, scoring: Scoring, scorings: Sequence[Scoring]) -> Profile | None:
    kept = runs.as_stored(ws.store, scoring.run).detail.get(PREDICTION_REFERENCE)
    if kept:
        return Profile.from_bytes(ws.artifacts.read_bytes(kept))
    first = next(s for s in scorings if (s.model, s.version) == (scoring.model, scoring.version))
    if first.run == scoring.run or first.profile is None:
        return None
    return Profile.from_bytes(ws.artifacts.read_bytes(first.profile))


def _profile(ws: Workspace, digest: str | None, whose: str) -> Profile:
    if digest is None:
        raise UsageError(f"{whose} has no profile; compare with a scored period instead (reference=PERIOD)")
    return Profile.from_bytes(ws.artifacts.read_bytes(digest))


def _before(scorings: Sequence[Scoring], scoring: Scoring, reports: Sequence[DriftReport]) -> DriftReport | None:
    """The report of the scoring before this one by the same version."""
    order = [s.run for s in scorings if (s.model, s.version) == (scoring.model, scoring.version)]
    earlier = order[: order.index(scoring.run)]
    by_run = {report.run: report for report in reports}
    return next((by_run[run] for run in reversed(earlier) if run in by_run), None)
