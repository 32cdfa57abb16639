"""Is the candidate better than what is in production? Both are scored now, on the same kept evaluation rows."""

from __future__ import annotations

import math

from nbops.core.models import GateResult
from nbops.metrics import known as metrics
from nbops.promotion.evidence import Evidence, UnavailableError
from nbops.promotion.gates.gate import failed, gate, passed

NAME = "margin over the champion"


@gate(NAME)
def margin(evidence: Evidence) -> GateResult:
    name, share = evidence.deciding, evidence.wishes.gates.margin
    champion = evidence.champion
    side = "larger" if metrics.kind_of(name).greater_is_better else "smaller"
    if champion is None:
        asked = f"{name} better than the champion's"
        try:
            value = evidence.metric(name)
        except UnavailableError as error:
            return failed(NAME, asked, "nothing to judge by", str(error))
        values = {"metric": name, "candidate": value, "champion": None}
        if not math.isfinite(value):
            return failed(NAME, asked, f"{name} has no value", f"{name} of the candidate has no value", values)
        return passed(NAME, asked, f"{name} {value:.4g}, no champion yet", "no champion yet", values)
    asked = (
        f"{name} at least {share:.1%} {side} than that of version {champion.number}"
        if share
        else f"{name} not worse than that of version {champion.number}"
    )
    try:
        mine, theirs = evidence.metric(name), evidence.champion_metric(name)
    except UnavailableError as error:
        return failed(NAME, asked, "not comparable", str(error), {"metric": name})
    rows = len(evidence.rows[1])
    seen = f"{_said(mine)} against {_said(theirs)} on {rows} rows"
    values = {"metric": name, "candidate": mine, "champion": theirs, "version": champion.number, "rows": rows}
    if metrics.better(name, mine, theirs, share):
        return passed(NAME, asked, seen, f"{name} {seen}", values)
    return failed(NAME, asked, seen, f"{name} is {seen}; asked was {asked.removeprefix(name).strip()}", values)


def _said(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "no value"
