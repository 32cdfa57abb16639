"""What the gates would say of a candidate now; nothing is registered, moved or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbops.core.models import GateResult
from nbops.promotion.judge import judge, refusals, waits
from nbops.promotion.promote import evidence_of, wished
from nbops.store import models
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Preview:
    """`would` is promoted, pending (it would wait for a second person) or refused."""

    would: str
    results: tuple[GateResult, ...]
    model: str
    alias: str
    candidate: str  # the variable's name
    type: str
    run: str
    champion: int | None


def preview(
    ws: Workspace,
    source: str,
    *,
    name: str,
    model: str | None = None,
    to: str | None = None,
    candidate: str | None = None,
    allow_types: Sequence[str] = (),
    why: str | None = None,
) -> Preview:
    """Judge a candidate as :func:`nbops.promotion.promote.promote` would, and only say what came out.

    Raises
    ------
    UsageError, CorruptArtifactError
        As promoting would.
    """
    wish = wished(ws, source, name=name, model=model, to=to, candidate=candidate, allow_types=allow_types, why=why)
    champion = models.aliased(ws.store, wish.aim.model, wish.aim.alias)
    results = judge(evidence_of(ws, wish, champion))
    return Preview(
        would="refused" if refusals(results) else "pending" if waits(results) else "promoted",
        results=results,
        model=wish.aim.model,
        alias=wish.aim.alias,
        candidate=wish.found.model.name,
        type=wish.found.model.type,
        run=wish.found.run.id,
        champion=champion.number if champion else None,
    )
