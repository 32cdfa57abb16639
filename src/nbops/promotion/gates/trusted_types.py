"""Does the model's file hold only types that were reviewed, or that somebody allowed by name?"""

from __future__ import annotations

from nbops.core.models import GateResult
from nbops.promotion.evidence import Evidence
from nbops.promotion.gates.gate import failed, gate, passed

NAME = "trusted types"
ASKED = "only reviewed types, or types allowed by name"


@gate(NAME)
def trusted_types(evidence: Evidence) -> GateResult:
    refused = evidence.refused_types
    if refused:
        options = " ".join(f"--allow-type {name}" for name in refused)
        return failed(
            NAME,
            ASKED,
            ", ".join(refused),
            f"nobody has allowed {', '.join(refused)}; if you know what it does: {options} --why TEXT",
            {"types": list(refused)},
        )
    if evidence.untrusted:
        seen = f"allowed: {', '.join(evidence.untrusted)}"
        return passed(NAME, ASKED, seen, f"{seen}, recorded with who and why", {"allowed": list(evidence.untrusted)})
    return passed(NAME, ASKED, "only reviewed types", "the file holds only reviewed types")
