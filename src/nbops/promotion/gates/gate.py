"""What a gate is: a function of the evidence, registered under its name, that answers with one result.

Every gate runs, also after another has failed: the report is to be whole. A gate never passes for lack of
something: missing rows, a NaN or an error fail it, and the result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbops.core.models import GateResult, Outcome
from nbops.promotion.evidence import Evidence

Gate = Callable[[Evidence], GateResult]
GATES: dict[str, Gate] = {}
"""By name, in the order of the report."""


def gate(name: str) -> Callable[[Gate], Gate]:
    """Register a gate."""

    def register(function: Gate) -> Gate:
        GATES[name] = function
        return function

    return register


def passed(name: str, asked: str, seen: str, why: str, values: Mapping[str, Any] | None = None) -> GateResult:
    return GateResult(gate=name, outcome=Outcome.PASSED, asked=asked, seen=seen, why=why, values=dict(values or {}))


def failed(name: str, asked: str, seen: str, why: str, values: Mapping[str, Any] | None = None) -> GateResult:
    return GateResult(gate=name, outcome=Outcome.FAILED, asked=asked, seen=seen, why=why, values=dict(values or {}))


def not_checked(name: str, asked: str, why: str) -> GateResult:
    return GateResult(gate=name, outcome=Outcome.NOT_CHECKED, asked=asked, seen="–", why=why)
