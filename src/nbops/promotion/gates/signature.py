"""Will the candidate accept what the deployment is fed? It may ask for less than the champion, never for more."""

from __future__ import annotations

from nbops.core.models import Field, GateResult, Signature
from nbops.promotion.evidence import Evidence, UnavailableError
from nbops.promotion.gates.gate import failed, gate, passed

NAME = "signature"
ACCEPTS = {  # what a column of a type may be given
    "number": {"number", "integer", "boolean"},
    "integer": {"integer", "boolean"},
    "boolean": {"boolean"},
    "string": {"string", "category"},
    "category": {"category", "string"},
    "datetime": {"datetime"},
}


@gate(NAME)
def signature(evidence: Evidence) -> GateResult:
    champion, mine = evidence.champion, evidence.signature
    asked = "accepts the kept rows" + (f" and what version {champion.number} accepts" if champion else "")
    if mine is None:
        return failed(NAME, asked, "none", "no signature was recorded for the candidate; fit it in a tracked cell")
    seen = f"{len(mine.inputs)} inputs → {mine.output.type}"
    wrong = _against(mine, champion.signature) if champion else []
    try:
        columns = list(evidence.rows[0].columns)
    except UnavailableError as error:
        return failed(NAME, asked, seen, str(error))
    names = [field.name for field in mine.inputs]
    if columns != names:
        absent = [n for n in names if n not in columns]
        extra = [n for n in columns if n not in names]
        wrong.append(
            "the kept rows don't fit: "
            + (
                "; ".join(
                    f"{what} {', '.join(map(repr, which))}"
                    for what, which in (("they lack", absent), ("they have besides", extra))
                    if which
                )
                or "their columns are in another order"
            )
        )
    if wrong:
        return failed(NAME, asked, seen, "; ".join(wrong))
    return passed(NAME, asked, seen, seen)


def _against(mine: Signature, theirs: Signature) -> list[str]:
    """Why what the champion accepts might not be accepted."""
    given = {field.name: field for field in theirs.inputs}
    wrong = []
    for field in mine.inputs:
        if field.name not in given:
            wrong.append(f"it asks for {field.name!r}, which the champion doesn't")
        else:
            wrong.extend(_field(field, given[field.name]))
    if mine.task != theirs.task:
        wrong.append(f"it is for {mine.task}, the champion for {theirs.task}")
    return wrong


def _field(mine: Field, theirs: Field) -> list[str]:
    if theirs.type not in ACCEPTS.get(mine.type, {mine.type}):
        return [f"{mine.name!r} must be {mine.type}, the champion takes {theirs.type}"]
    if theirs.nullable and not mine.nullable:
        return [f"{mine.name!r} must not be missing, the champion allows it"]
    return []
