"""Which version does a deployment serve?"""

from __future__ import annotations

from nbops.core.deployments import Deployment
from nbops.core.errors import UnknownNameError
from nbops.core.models import ModelVersion
from nbops.store import deployments, models
from nbops.workspace import Workspace


def serving(ws: Workspace, deployment: Deployment | str) -> ModelVersion:
    """The version a deployment serves now: the pinned one, else the one its alias stands for.

    Raises
    ------
    UnknownNameError
        If there is no such deployment, or its alias stands for no version.
    """
    there = deployments.get(ws.store, deployment) if isinstance(deployment, str) else deployment
    if there.version is not None:
        return models.get(ws.store, there.model, there.version)
    version = models.aliased(ws.store, there.model, there.alias or "")
    if version is None:
        raise UnknownNameError(
            "model version",
            f"{there.model}@{there.alias}",
            hint=f"nothing serves {there.name!r} yet; 'nbops promote' a model to it",
        )
    return version
