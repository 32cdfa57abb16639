"""All gates, in the order of the report, on one body of evidence."""

from __future__ import annotations

from nbops.core.models import GateResult, Outcome
from nbops.promotion.evidence import Evidence
from nbops.promotion.gates import (
    approval,
    fairness_slices,
    leakage,
    margin,
    metric_bound,
    reproducibility,
    signature,
    smoke_score,
    trusted_types,
)
from nbops.promotion.gates.gate import GATES

ORDER = (
    metric_bound.NAME,
    margin.NAME,
    signature.NAME,
    smoke_score.NAME,
    trusted_types.NAME,
    leakage.NAME,
    fairness_slices.NAME,
    reproducibility.NAME,
    approval.NAME,
)


def judge(evidence: Evidence) -> tuple[GateResult, ...]:
    """The result of every gate. A gate of a third party, registered later, comes after ours."""
    names = [*ORDER, *(name for name in GATES if name not in ORDER)]
    return tuple(GATES[name](evidence) for name in names)


def refusals(results: tuple[GateResult, ...]) -> list[GateResult]:
    return [result for result in results if result.outcome is Outcome.FAILED]


def waits(results: tuple[GateResult, ...]) -> bool:
    """Is there a gate that only a person can open?"""
    return any(result.outcome is Outcome.PENDING for result in results)
