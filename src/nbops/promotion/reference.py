"""The level a deployment was accepted at: what its realised error is compared with later."""

from __future__ import annotations

import math

from nbops.core.models import Action
from nbops.metrics import known as metrics
from nbops.promotion.gates import margin
from nbops.store import deployments, models
from nbops.workspace import Workspace


def reference(ws: Workspace, deployment: str) -> tuple[str, float] | None:
    """(metric, value) of the reference error; None as long as nothing was accepted.

    What nbops.toml says, else the metric that decided at the gates of the first accepted version and its value then.
    It doesn't move with each retraining: a model that gets slowly worse would never be noticed.

    Raises
    ------
    UnknownNameError
        If there is no such deployment.
    """
    there = deployments.get(ws.store, deployment)
    wishes = ws.settings.deployment(deployment)
    first = _at_the_gates(ws, there.model, there.alias)
    if wishes.triggers.reference is None:
        return first
    name = metrics.full_name(wishes.metric) if wishes.metric else first[0] if first else None
    return (name, wishes.triggers.reference) if name else None


def _at_the_gates(ws: Workspace, model: str, alias: str | None) -> tuple[str, float] | None:
    for promotion in models.history(ws.store, model, alias):
        if promotion.action is not Action.PROMOTED:
            continue
        for result in promotion.results:
            if result.gate == margin.NAME and math.isfinite(result.values.get("candidate", math.nan)):
                return str(result.values["metric"]), float(result.values["candidate"])
    return None
