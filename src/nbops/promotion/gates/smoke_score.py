"""Does the file predict in a process that knows nothing of this one, and predict the same?"""

from __future__ import annotations

from nbops.core.errors import NbopsError
from nbops.core.models import GateResult
from nbops.promotion.evidence import Evidence, UnavailableError
from nbops.promotion.gates.gate import failed, gate, passed
from nbops.scoring.smoke import evaluation_digest, smoke

NAME = "smoke score"
ASKED = "loads in a clean process and predicts the same there"


@gate(NAME)
def smoke_score(evidence: Evidence) -> GateResult:
    use = evidence.candidate.model
    try:
        rows_path = evidence.rows_path
        model = evidence.candidate_model
        _, here = evaluation_digest(model, rows_path)
    except UnavailableError as error:
        return failed(NAME, ASKED, "not run", str(error))
    except NbopsError as error:
        return failed(NAME, ASKED, "it fails here already", str(error))
    result = smoke(
        evidence.ws.artifacts.verified(use.digest or ""), use.format or "skops", rows_path, evidence.allow_types
    )
    if not result.ok:
        return failed(NAME, ASKED, result.error or "it failed", result.error or "it failed")
    if result.predictions_digest != here:
        return failed(NAME, ASKED, "other predictions", f"the clean process predicts otherwise on {result.rows} rows")
    said = f"{result.rows} rows predicted, the same as here"
    return passed(NAME, ASKED, said, said, {"rows": result.rows, "seconds": round(result.seconds, 3)})
