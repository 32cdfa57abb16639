"""Does the run, done again, give the same model? Asked for in nbops.toml: it takes as long as the run did."""

from __future__ import annotations

from nbops.core.errors import NbopsError
from nbops.core.models import GateResult
from nbops.core.reproduction import Verdict
from nbops.promotion.evidence import Evidence
from nbops.promotion.gates.gate import failed, gate, not_checked, passed
from nbops.reproduction.reproduce import reproduce

NAME = "reproducibility"
ASKED = "the run, done again, gives the same model"


@gate(NAME)
def reproducibility(evidence: Evidence) -> GateResult:
    if not evidence.wishes.gates.reproduce:
        why = "nbops.toml doesn't ask for it ([deployments.NAME.gates] reproduce = true)"
        return not_checked(NAME, ASKED, why)
    name = evidence.candidate.model.name
    try:
        done = reproduce(evidence.ws, evidence.candidate.run.id)
    except NbopsError as error:
        return failed(NAME, ASKED, "it couldn't be done again", str(error))
    values = {"verdict": done.verdict.value, "check": done.check, "seconds": done.seconds}
    if done.verdict is Verdict.COULD_NOT:
        return failed(NAME, ASKED, "it couldn't be done again", done.why, values)
    if not done.same:
        return failed(NAME, ASKED, "it came out otherwise", done.why, values)
    # the last fit of a name in a cell is the candidate; a second one of the same name is called "name (2)"
    models = [f for c in done.cells for f in c.findings if f.what == "model" and f.name.partition(" (")[0] == name]
    if not models or models[-1].verdict is not Verdict.IDENTICAL:
        why = models[-1].why if models else f"no model {name!r} was seen"
        return failed(NAME, ASKED, "the model could not be compared", why, values)
    return passed(NAME, ASKED, f"done again: {done.verdict.value}", done.why, values)
