"""What is recorded of a model version, gathered for its card."""

from __future__ import annotations

from typing import Any

from nbops.core.models import Action
from nbops.core.runs import ModelUse
from nbops.store import deployments, models, records, runs
from nbops.workspace import Workspace


def facts(ws: Workspace, name: str, number: int) -> dict[str, Any]:
    """Everything a model card tells, from what was recorded; what wasn't is None or empty, never guessed.

    Raises
    ------
    UnknownNameError
    """
    version = models.get(ws.store, name, number)
    use = _use(ws, version.run, version.artifact)
    history = models.history(ws.store, name)
    accepted = [p for p in history if p.to_version == number and p.action is Action.PROMOTED]
    run = runs.as_stored(ws.store, version.run) if runs.exists(ws.store, version.run) else None
    return {
        "name": name,
        "number": number,
        "type": version.type,
        "format": version.format,
        "artifact": version.artifact,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "aliases": [alias for alias, n in models.aliases(ws.store, name).items() if n == number],
        "deployments": [d.name for d in deployments.listed(ws.store) if d.model == name],
        "run": version.run,
        "notebook": run.notebook if run else None,
        "commit": (run.code.get("git") or {}).get("commit") if run and isinstance(run.code.get("git"), dict) else None,
        "signature": version.signature,
        "params": dict(use.params) if use else {},
        "trained_on": use.trained_on if use else None,
        "metrics": version.metrics,
        "refit": version.judged is not None,
        "gates": list(accepted[-1].results) if accepted else [],
        "libraries": version.libraries,
        "allowed_types": version.allowed_types,
        "allowed_by": version.allowed_by,
        "allowed_why": version.allowed_why,
    }


def _use(ws: Workspace, run: str, artifact: str) -> ModelUse | None:
    if not runs.exists(ws.store, run):
        return None
    found = [m for record in records.of_run(ws.store, run) for m in record.models if m.digest == artifact]
    return found[-1] if found else None
