"""Was an evaluation row seen in training? Failed only where content proves it; a suspicion is said, and left to
people."""

from __future__ import annotations

from nbops.core.models import GateResult
from nbops.lineage.leakage import LeakKind, check_model
from nbops.promotion.evidence import NO_ROWS, Evidence
from nbops.promotion.gates.gate import failed, gate, not_checked, passed

NAME = "leakage"
ASKED = "no evaluation row was seen in training"


@gate(NAME)
def leakage(evidence: Evidence) -> GateResult:
    judged = evidence.candidate.judged
    if judged is None or judged.evaluation is None:
        return not_checked(NAME, ASKED, NO_ROWS)
    found = check_model(evidence.ws, judged)
    proved = [f for f in found if f.leak and f.certain]
    if proved:
        cells = ", ".join(dict.fromkeys(cell for f in proved for cell in f.cells))
        why = "; ".join(f.why for f in proved)
        return failed(NAME, ASKED, proved[0].kind.value, f"{why} ({cells})" if cells else why)
    doubts = [f.why for f in found if f.leak or f.kind is LeakKind.UNKNOWN]
    if doubts:
        return not_checked(NAME, ASKED, "; ".join(doubts))
    return passed(NAME, ASKED, "no shared row", "; ".join(f.why for f in found))
