"""What can be done about a cause. Each remedy makes a challenger and takes it to the gates, where it meets the
champion; none puts anything into production by itself.

A cheaper remedy than retraining (rescaling the level to the last labelled period, say) is one more function here:
it registers its result as a version of its own and promotes it the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbops.core.automation import Decision
from nbops.core.errors import RefusedError, SettingsError
from nbops.core.models import Action
from nbops.pipeline.run import run_pipeline
from nbops.promotion.promote import promote
from nbops.workspace import Workspace

Remedy = Callable[..., dict[str, Any]]
REMEDIES: dict[str, Remedy] = {}


def remedy(function: Remedy) -> Remedy:
    REMEDIES[function.__name__] = function
    return function


@remedy
def retrain(workspace: Workspace, decision: Decision, progress: Callable[..., None] | None = None) -> dict[str, Any]:
    """Run the deployment's pipeline and promote what it made.

    Returns
    -------
    dict
        ``run`` (the pipeline's), ``promotion`` (its id), ``outcome`` ("promoted", "refused" or "waits for approval"),
        ``why``.

    Raises
    ------
    SettingsError
        If nbops.toml names no pipeline for the deployment.
    ExecutionError
        If a step fails.
    """
    wishes = workspace.settings.deployment(decision.deployment)
    if wishes.pipeline is None:
        raise SettingsError(
            f"[deployments.{decision.deployment}] names no pipeline, so it can't be retrained;"
            f' add pipeline = "NAME" to nbops.toml'
        )
    run = run_pipeline(workspace, wishes.pipeline, params=dict(wishes.retrain_params), progress=progress)
    try:
        promotion = promote(workspace, run.id, name=decision.deployment, candidate=wishes.candidate, cause=decision.id)
    except RefusedError as refusal:
        refused = getattr(refusal, "promotion", None)
        return {
            "run": run.id,
            "promotion": refused.id if refused else None,
            "outcome": "refused",
            "why": str(refusal),
        }
    outcome = "waits for approval" if promotion.action is Action.PENDING else "promoted"
    return {"run": run.id, "promotion": promotion.id, "outcome": outcome, "version": promotion.to_version}
