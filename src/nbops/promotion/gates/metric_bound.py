"""Is the candidate good enough by itself? Bounds on metrics, computed now on the kept evaluation rows."""

from __future__ import annotations

import math

from nbops.core.errors import suggestion
from nbops.core.models import GateResult
from nbops.metrics import known as metrics
from nbops.promotion.evidence import Evidence, UnavailableError
from nbops.promotion.gates.gate import failed, gate, not_checked, passed

NAME = "metric bound"
KNOWN = (*metrics.KINDS, *metrics.SHORT)


@gate(NAME)
def metric_bound(evidence: Evidence) -> GateResult:
    bounds = [(name, "at most", bound) for name, bound in evidence.bounds.upper.items()]
    bounds += [(name, "at least", bound) for name, bound in evidence.bounds.lower.items()]
    if not bounds:
        return not_checked(NAME, "no bound is set", "nbops.toml sets no bound for this deployment, nor did the call")
    asked = ", ".join(f"{name} {how} {bound:g}" for name, how, bound in bounds)
    try:
        seen = {name: evidence.metric(name) for name, _, _ in bounds}
    except UnavailableError as error:
        return failed(NAME, asked, "nothing to judge by", str(error))
    wrong = [
        f"{name} is {seen[name]:.4g}, asked was {how} {bound:g}"
        if math.isfinite(seen[name])
        else f"{name} has no value{_unknown(name)}, asked was {how} {bound:g}"
        for name, how, bound in bounds
        if not _within(seen[name], how, bound)
    ]
    said = ", ".join(f"{name} {value:.4g}" for name, value in seen.items())
    if wrong:
        return failed(NAME, asked, said, "; ".join(wrong), seen)
    return passed(NAME, asked, said, said, seen)


def _unknown(name: str) -> str:
    return (
        "" if metrics.known(name) else f" (the run logged none, and it is no metric we know{suggestion(name, KNOWN)})"
    )


def _within(value: float, how: str, bound: float) -> bool:
    """Never for a NaN, on either side."""
    if not math.isfinite(value):
        return False
    return value <= bound if how == "at most" else value >= bound
