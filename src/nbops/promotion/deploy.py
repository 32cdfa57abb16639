"""A registered model under a deployment's name: by alias, which moves, or pinned to a version, which doesn't."""

from __future__ import annotations

from nbops.core.deployments import Deployment
from nbops.core.errors import UnknownNameError, UsageError
from nbops.store import deployments, models
from nbops.workspace import Workspace


def deploy(ws: Workspace, name: str, model: str, *, alias: str | None = None, version: int | None = None) -> Deployment:
    """Make a deployment, or change what it serves.

    Parameters
    ----------
    ws : Workspace
    name, model : str
    alias : str, optional
        Follow it; "production" if neither is given.
    version : int, optional
        Pin this one instead.

    Returns
    -------
    Deployment
        The one there was, if it serves that already.

    Raises
    ------
    UsageError
        If both an alias and a version are given.
    UnknownNameError
        If there is no such model, alias or version.
    """
    if alias is not None and version is not None:
        raise UsageError(f"deployment {name!r}: follow the alias {alias!r} or pin version {version}, not both")
    if version is None and alias is None:
        alias = "production"
    with ws.store.transaction() as tx:
        known = models.names(tx)
        if model not in known:
            raise UnknownNameError("model", model, known, hint="'nbops promote RUN --name NAME' makes one")
        if version is not None:
            models.get(tx, model, version)
        elif alias not in models.aliases(tx, model):
            raise UnknownNameError(f"alias of the model {model!r}", str(alias), models.aliases(tx, model))
        there = deployments.find(tx, name)
        if there is not None and (there.model, there.alias, there.version) == (model, alias, version):
            return there
        made = Deployment(
            name=name,
            model=model,
            alias=alias,
            version=version,
            created_at=there.created_at if there else ws.clock.now(),
            created_by=there.created_by if there else ws.identity,
        )
        deployments.save(tx, made)
    return made
