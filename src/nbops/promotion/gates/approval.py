"""Has a second person agreed? Asked for in nbops.toml; what waits is `nbops.promotion.approval`'s."""

from __future__ import annotations

from nbops.core.models import GateResult, Outcome
from nbops.promotion.evidence import Evidence
from nbops.promotion.gates.gate import gate, not_checked, passed

NAME = "approval"


@gate(NAME)
def approval(evidence: Evidence) -> GateResult:
    asked, given = evidence.agreement.asked, evidence.agreement.given
    of = " and ".join(repr(role) for role in evidence.agreement.roles)
    who = f"a second person of the role {of}" if of else "a second person"
    said = f"{who} has agreed"
    if given is not None:
        seen = f"approved by {given.decided_by}" + (f": {given.why}" if given.why else "")
        return passed(NAME, said, seen, seen, {"by": given.decided_by, "request": given.id})
    if not asked:
        return not_checked(NAME, said, "nbops.toml doesn't ask for it ([deployments.NAME.gates] approval = true)")
    return GateResult(gate=NAME, outcome=Outcome.PENDING, asked=said, seen="nobody yet", why=f"{who} has yet to agree")
