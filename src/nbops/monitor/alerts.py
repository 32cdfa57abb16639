"""What a person should be told, each thing once.

An alert has a cause; the store takes one alert per (deployment, kind, cause), however many processes look.

* **drift**: columns whose severity is "alert" now and wasn't in the scoring before (by the same version).
  Season and growth move inputs without harm, so drift alone is told as a warning ("no label evidence"): only
  labels show harm.
* **rejected rows**: more than 5 % of a scoring's rows went to quarantine.

That the realised error is too large is told by whoever decides what to do about it (the automation).
"""

from __future__ import annotations

from datetime import datetime

from nbops.core.deployments import Alert, DriftReport, Scoring, Severity
from nbops.core.ids import new_id
from nbops.store import deployments
from nbops.store.database import Transaction

REJECTED_SHARE = 0.05
_NAMED = 5  # columns in a message


def rejected(tx: Transaction, scoring: Scoring) -> bool:
    """Tell that too many of a scoring's rows were rejected. True if that is so and was not told before."""
    rows = scoring.rows + scoring.rejected
    if not rows or scoring.rejected / rows <= REJECTED_SHARE:
        return False
    share = scoring.rejected / rows
    return _tell(
        tx,
        kind="rejected rows",
        cause=scoring.run,
        deployment=scoring.deployment,
        severity=Severity.ALERT,
        period=scoring.period,
        at=scoring.scored_at,
        about={"run": scoring.run, "rejected": scoring.rejected, "rows": rows},
        message=f"{scoring.deployment} {scoring.period}: {scoring.rejected} of {rows} rows ({100 * share:.1f} %) were"
        f" rejected, more than {100 * REJECTED_SHARE:g} %; the quarantine file says why",
    )


def drifted(tx: Transaction, report: DriftReport, before: DriftReport | None) -> bool:
    """Tell the columns that drift now and didn't in the report `before`. True if there are any."""
    known = {c.column for c in before.columns if c.severity is Severity.ALERT} if before else set()
    new = [c for c in report.columns if c.severity is Severity.ALERT and c.column not in known]
    if not new:
        return False
    said = "; ".join(c.why for c in new[:_NAMED])
    more = f"; and {len(new) - _NAMED} more columns" if len(new) > _NAMED else ""
    return _tell(
        tx,
        kind="drift",
        cause=report.run,
        deployment=report.deployment,
        severity=Severity.WARN,
        period=report.period,
        at=report.at,
        about={"report": report.id, "run": report.run, "columns": [c.column for c in new]},
        message=f"{report.deployment} {report.period}: input drift without label evidence: {said}{more}",
    )


def _tell(
    tx: Transaction,
    *,
    kind: str,
    cause: str,
    deployment: str,
    severity: Severity,
    period: str,
    at: datetime,
    about: dict[str, object],
    message: str,
) -> bool:
    alert = Alert(
        id=new_id(),
        deployment=deployment,
        kind=kind,
        severity=severity,
        period=period,
        message=message,
        at=at,
        about=about,
    )
    return deployments.add_alert(tx, alert, cause)
