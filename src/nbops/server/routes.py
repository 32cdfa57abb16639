"""Every route, below ``<base url>nbops/api/``. ``{name}`` is one part of the path, taken decoded, slashes included."""

from __future__ import annotations

import re

from nbops.server.base import Handler
from nbops.server.handlers import (
    contract,
    deployments,
    models,
    notebooks,
    pipelines,
    promotions,
    runs,
    schedules,
    store,
)

ROUTES: dict[str, type[Handler]] = {
    "store": store.Store,
    "events": store.Events,
    "runs": runs.Runs,
    "runs/columns": runs.Columns,
    "runs/{run}": runs.OneRun,
    "runs/{run}/restore": runs.Restore,
    "runs/{run}/metrics": runs.Curves,
    "runs/{run}/log": runs.Log,
    "runs/{run}/artifacts/{digest}": runs.ArtifactContent,
    "compare": runs.Compare,
    "notebook": notebooks.Notebook,
    "notebooks/parameters": notebooks.Parameters,
    "notebooks/runs": notebooks.NotebookRuns,
    "lineage": notebooks.Lineage,
    "models": models.Models,
    "models/{model}": models.Model,
    "models/{model}/at": models.At,
    "models/{model}/{number}/card": models.Card,
    "promotions": promotions.Promotions,
    "promotions/check": promotions.Check,
    "promotions/{promotion}/approve": promotions.Approve,
    "promotions/{promotion}/reject": promotions.Reject,
    "approvals": promotions.Approvals,
    "rollbacks": promotions.Rollbacks,
    "pipelines": pipelines.Pipelines,
    "pipelines/runs/{run}": pipelines.PipelineRun,
    "pipelines/runs/{run}/stop": pipelines.Stop,
    "pipelines/runs/{run}/resume": pipelines.Resume,
    "pipelines/{pipeline}": pipelines.Pipeline,
    "pipelines/{pipeline}/plan": pipelines.Plan,
    "pipelines/{pipeline}/runs": pipelines.PipelineRuns,
    "deployments": deployments.Deployments,
    "deployments/{deployment}/dashboard": deployments.Dashboard,
    "deployments/{deployment}/drift/{period}": deployments.Drift,
    "deployments/{deployment}/drift/{period}/{column}": deployments.Distribution,
    "alerts": deployments.Alerts,
    "decisions": deployments.Decisions,
    "tick": deployments.Tick,
    "schedules": schedules.Schedules,
    "schedules/{schedule}": schedules.OneSchedule,
    "schedules/{schedule}/pause": schedules.Pause,
    "schedules/{schedule}/history": schedules.History,
    "schedules/{schedule}/resume": schedules.GoOn,
    "schedules/{schedule}/run-now": schedules.RunNow,
    "openapi.yaml": contract.Contract,
}

_NUMBERS = {"number": r"(\d{1,9})"}


def pattern(route: str) -> str:
    """The regular expression of a route: tornado decodes a group's percent signs itself."""
    parts = re.split(r"\{(\w+)\}", route)
    return "".join(re.escape(p) if i % 2 == 0 else _NUMBERS.get(p, r"([^/]+)") for i, p in enumerate(parts))
