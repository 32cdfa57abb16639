"""Back to a version that was in production before. Nothing is undone: the history gets one more line."""

from __future__ import annotations

from nbops.core.errors import StoreLockedError, UsageError
from nbops.core.ids import new_id
from nbops.core.models import Action, Promotion
from nbops.registry.serving import serving
from nbops.store import deployments, models
from nbops.workspace import Workspace


def rollback(ws: Workspace, deployment: str, *, to: int | None = None) -> Promotion:
    """Give a deployment the version it had before.

    Parameters
    ----------
    ws : Workspace
    deployment : str
        The deployment's name; every other deployment that follows the same alias goes along.
    to : int, optional
        A version that was promoted to this alias at some time. By default the one that was promoted before the
        present one: twice back is two versions back, not forth again.

    Raises
    ------
    UnknownNameError
        If there is no such deployment.
    UsageError
        If it is pinned, there is nothing before, or `to` was never promoted to its alias.
    CorruptArtifactError
        If the earlier version's file is damaged; nothing is changed then.
    """
    there = deployments.get(ws.store, deployment)
    if there.alias is None:
        raise UsageError(
            f"the deployment {deployment!r} is pinned to {there.model} version {there.version}: nothing to roll back"
        )
    present = serving(ws, there).number
    history = models.history(ws.store, there.model, there.alias)
    promoted = [p.to_version for p in history if p.action is Action.PROMOTED and p.to_version is not None]
    target = _before(promoted, present) if to is None else to
    if target is None:
        raise UsageError(f"{there.model}@{there.alias} has had no version before {present}: nothing to roll back to")
    if target not in promoted:
        raise UsageError(
            f"version {target} was never {there.model}@{there.alias}; these were:"
            f" {', '.join(str(n) for n in sorted(set(promoted)))}"
        )
    if target == present:
        raise UsageError(f"{there.model}@{there.alias} is version {present} already")
    ws.artifacts.verified(models.get(ws.store, there.model, target).artifact)
    promotion = Promotion(
        id=new_id(),
        model=there.model,
        alias=there.alias,
        deployment=deployment,
        action=Action.ROLLED_BACK,
        from_version=present,
        to_version=target,
        run=models.get(ws.store, there.model, target).run,
        results=(),
        by=ws.identity,
        at=ws.clock.now(),
    )
    with ws.store.transaction() as tx:
        if models.aliases(tx, there.model).get(there.alias) != present:
            raise StoreLockedError(
                f"{there.model}@{there.alias} was just changed by somebody else; look, and try again"
            )
        models.record(tx, promotion)
    return promotion


def _before(promoted: list[int], present: int) -> int | None:
    """The version promoted last before the present one was."""
    at = max((i for i, number in enumerate(promoted) if number == present), default=0)
    earlier = [number for number in promoted[:at] if number != present]
    return earlier[-1] if earlier else None
