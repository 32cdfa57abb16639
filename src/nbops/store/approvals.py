"""Candidates that wait for a second person's word, and what it was."""

from __future__ import annotations

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import AmbiguousError, UnknownNameError
from nbops.core.models import Approval, ApprovalState
from nbops.store.database import Reader, Transaction


def save(tx: Transaction, approval: Approval) -> None:
    """Insert an approval, or replace it by what has become of it."""
    tx.write(
        "INSERT INTO approvals (id, deployment, state, body) VALUES (:id, :deployment, :state, :body)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
        id=approval.id,
        deployment=approval.asked.deployment or "",
        state=approval.state,
        body=canonical(wire.to_json(approval)),
    )
    tx.event("approval", approval.id, approval.state)


def get(reader: Reader, name: str) -> Approval:
    """By its id or the beginning of it.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    found = [a for a in listed(reader) if name and a.id.startswith(name)]
    if len(found) > 1:
        raise AmbiguousError(f"{name!r} begins the ids of {len(found)} approvals: give more of it")
    if not found:
        waiting = [a.id for a in listed(reader, state=ApprovalState.PENDING)]
        raise UnknownNameError("approval", name, waiting, hint="'nbops models approvals' lists what waits")
    return found[0]


def listed(reader: Reader, *, deployment: str | None = None, state: ApprovalState | None = None) -> list[Approval]:
    """Approvals, oldest first."""
    rows = reader.rows(
        "SELECT body FROM approvals WHERE (:deployment IS NULL OR deployment = :deployment)"
        " AND (:state IS NULL OR state = :state) ORDER BY seq",
        deployment=deployment,
        state=state,
    )
    return [wire.from_json(Approval, parse(row["body"])) for row in rows]
