"""Gates that are planned and not built yet: shown, so that nobody takes their absence for a pass."""

from __future__ import annotations

from nbops.core.models import GateResult
from nbops.promotion.evidence import Evidence
from nbops.promotion.gates.gate import gate, not_checked

PLANNED = {
    "reproducibility": "the run, done again, gives the same model",
    "fairness slices": "no group of rows is served much worse",
}


def _register(name: str, asked: str) -> None:
    @gate(name)
    def planned(evidence: Evidence) -> GateResult:  # noqa: ARG001 - a gate is a function of the evidence
        return not_checked(name, asked, "this gate isn't built yet")


for _name, _asked in PLANNED.items():
    _register(_name, _asked)
