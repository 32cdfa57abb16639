"""A second person's word: what waits for it, and what comes of yes and of no.

Approving judges the candidate again, against what is in production by then: between asking and answering the world may
have changed. What stands for a person is the identity that he works under (``NBOPS_IDENTITY``, else the user's name);
it is recorded, not proved: whoever can write the store can write anything into it.
"""

from __future__ import annotations

import dataclasses

from nbops.core.errors import CorruptArtifactError, RefusedError, SettingsError, UsageError
from nbops.core.ids import new_id
from nbops.core.models import Action, Approval, ApprovalState, GateResult, Outcome, Promotion
from nbops.core.redaction import redact_text
from nbops.promotion.candidates import find
from nbops.promotion.evidence import Agreement
from nbops.promotion.gates.approval import NAME
from nbops.promotion.promote import Aim, Asked, decide, settle
from nbops.store import approvals, models
from nbops.workspace import Workspace


def pending(ws: Workspace, deployment: str | None = None, *, closed: bool = False) -> list[Approval]:
    """What waits for a second person, oldest first; with `closed`, also what was approved and rejected."""
    state = None if closed else ApprovalState.PENDING
    return approvals.listed(ws.store, deployment=deployment, state=state)


def approve(ws: Workspace, approval: str, *, why: str | None = None) -> Promotion:
    """Agree to a candidate: it is judged again, and promoted.

    Parameters
    ----------
    ws : Workspace
        Its identity is who agrees.
    approval : str
        The id of what waits, or its beginning.
    why : str, optional
        Recorded with the gate.

    Returns
    -------
    Promotion
        Made in the name of whoever asked; its gate "approval" says who agreed.

    Raises
    ------
    RefusedError
        If who asks is who agrees, or isn't of the role; if it doesn't wait any more; if a gate fails by now (that is
        recorded, and it waits no more).
    UnknownNameError, AmbiguousError
        If there is no such request.
    """
    there = _open(ws, approval)
    line = there.asked
    if ws.identity == line.by:
        raise RefusedError(f"{ws.identity!r} asked for {_said(there)}: somebody else has to agree to it")
    _must_be_of_the_role(ws, there)
    found = find(ws, there.source, candidate=there.candidate)
    if found.model.digest != there.artifact:
        raise CorruptArtifactError(
            f"{there.candidate!r} of run {there.source} is not the model any more that {there.id} was asked for"
        )
    given = dataclasses.replace(there, decided_by=ws.identity, decided_at=ws.clock.now(), why=_text(why))
    aim = Aim(
        deployment=line.deployment or line.model,
        model=line.model,
        alias=line.alias,
        cause=line.cause,
        by=line.by,
        approved=given,
    )
    asked = Asked(bounds=there.bounds, allow_types=there.allow_types, types_why=there.types_why)
    done = settle(ws, there.source, found, aim, asked)
    if approvals.get(ws.store, there.id).state is ApprovalState.PENDING:  # it is in production already, another way
        with ws.store.transaction() as tx:
            decide(tx, given, ApprovalState.APPROVED, done)
    return done


def reject(ws: Workspace, approval: str, *, why: str) -> Promotion:
    """Say no to a candidate. Whoever asked may too: that takes it back.

    Returns
    -------
    Promotion
        The refusal, as a line of the history.

    Raises
    ------
    UsageError
        Without a reason.
    RefusedError
        If the role asked for is another's; if it doesn't wait any more.
    UnknownNameError, AmbiguousError
    """
    said = _text(why)
    if not said:
        raise UsageError("say why it is rejected (--why TEXT); it is recorded")
    there = _open(ws, approval)
    if ws.identity != there.asked.by:
        _must_be_of_the_role(ws, there)
    results = tuple(r if r.gate != NAME else _no(r, ws.identity, said) for r in there.asked.results)
    line = dataclasses.replace(
        there.asked, id=new_id(), action=Action.REFUSED, results=results, by=ws.identity, at=ws.clock.now()
    )
    given = dataclasses.replace(there, decided_by=ws.identity, decided_at=line.at, why=said)
    with ws.store.transaction() as tx:
        decide(tx, given, ApprovalState.REJECTED, line)
        models.record(tx, line)
    return line


def _open(ws: Workspace, name: str) -> Approval:
    there = approvals.get(ws.store, name)
    if there.state is not ApprovalState.PENDING:
        raise RefusedError(
            f"{there.id} was {there.state} by {there.decided_by}"
            f" on {there.decided_at or there.asked.at:%Y-%m-%d}: it doesn't wait any more"
        )
    return there


def _must_be_of_the_role(ws: Workspace, there: Approval) -> None:
    """Of every role that a deployment of the alias asks for."""
    line = there.asked
    for role in Agreement.of(ws, line.deployment or line.model, line.model, line.alias, None).roles:
        if role not in ws.settings.roles:
            raise SettingsError(
                f"nbops.toml asks for the approval of the role {role!r}, which it doesn't define;"
                f' add [roles] {role} = ["NAME"]'
            )
        if ws.identity not in ws.settings.roles[role]:
            raise RefusedError(f"{_said(there)} is for the role {role!r} to decide, and {ws.identity!r} isn't of it")


def _no(result: GateResult, by: str, why: str) -> GateResult:
    said = f"rejected by {by}: {why}"
    return dataclasses.replace(result, outcome=Outcome.FAILED, seen=said, why=said)


def _said(there: Approval) -> str:
    return f"{there.candidate!r} of run {there.asked.run} as {there.asked.model}@{there.asked.alias}"


def _text(why: str | None) -> str | None:
    return redact_text(why.strip()) if why and why.strip() else None
