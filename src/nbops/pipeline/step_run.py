"""The run of one step: how it is opened, and how it is closed, by whoever executes the notebook.

The kernel that works for the step adds its records, its code and environment to the same run meanwhile; so closing
reads the run as it is stored then, and changes only what the closer knows.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.canonical import canonical
from nbops.core.errors import NotCanonicalError, NotebookError, ParameterError
from nbops.core.ids import new_id
from nbops.core.redaction import redact
from nbops.core.runs import Artifact, Run, RunKind, RunStatus
from nbops.notebook import files, parameters
from nbops.pipeline.checkpointing import Resume
from nbops.pipeline.local_code import kept_modules
from nbops.pipeline.progress import Progress, StepEvent
from nbops.store import records, runs
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative

RUN_LEVEL = -1
"""The record number under which a run keeps artifacts that belong to no single cell."""

SKIPPED = "skipped"
"""Under this word a run's detail keeps the reason that :func:`nbops.skip` gave."""

PRUNED = "pruned"
"""Under this word, the step at which a sweep would have given the trial up."""


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What an execution belongs to.

    `inputs` are the handovers it may read, {name: digest or digests}; None: the newest of each name in the workspace.
    `output` is where the executed notebook goes, `folder` where the kernel runs (None: as papermill says).
    `variables` are set in the kernel's environment on top of ours; None takes one away. `warm`: whether the kernel is
    forked (None: from the second of a process on). `resume`: where to go on."""

    workspace: Workspace
    run: Run
    notebook: Path
    inputs: Mapping[str, str | list[str]] | None = None
    output: Path | None = None
    folder: Path | None = None
    progress: Progress | None = None
    require_tracking: bool = False
    timeout_s: float | None = None
    cell_timeout_s: float | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)
    warm: bool | None = None
    resume: Resume | None = None

    def tell(self, state: str, **news: Any) -> None:
        if self.progress is not None:
            self.progress(StepEvent(step=self.run.name, state=state, **news))


def open_step(
    ws: Workspace,
    notebook: Path,
    *,
    name: str | None = None,
    parent: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
    detail: Mapping[str, Any] | None = None,
) -> Run:
    """A new step run, in progress, owned by this process. The local modules it runs are kept as they are now."""
    modules, kept = kept_modules(ws, notebook)
    _hide_secrets(notebook)
    run = Run(
        id=new_id(),
        kind=RunKind.STEP,
        name=name or notebook.stem,
        experiment=relative(ws, notebook),
        status=RunStatus.IN_PROGRESS,
        started_at=ws.clock.now(),
        parent=parent,
        notebook=relative(ws, notebook),
        owner=this_process(),
        tags=tuple(tags),
        detail={**modules, **_cells(notebook), **(detail or {})},
    )
    with ws.store.transaction() as tx:
        runs.save(tx, run)
        runs.set_params(tx, run.id, keepable(params or {}))
        for artifact in kept:
            records.add_artifact(tx, run.id, RUN_LEVEL, artifact)
    return run


def _cells(notebook: Path) -> dict[str, int]:
    """How many cells are to be executed: with the records there are, whoever looks sees how far it has come."""
    with contextlib.suppress(NotebookError):
        return {"cells": sum(bool(cell.source.strip()) for cell in files.read(notebook).code_cells())}
    return {}


def _hide_secrets(notebook: Path) -> None:
    """Whoever asked for the run has looked the notebook's secrets up already; papermill's command line hasn't."""
    with contextlib.suppress(NotebookError, ParameterError):
        parameters.find_secrets(parameters.of_notebook(files.read(notebook)))


def close_step(
    ws: Workspace,
    run_id: str,
    status: RunStatus,
    *,
    error: str | None = None,
    detail: Mapping[str, Any] | None = None,
    artifacts: Iterable[Artifact] = (),
) -> Run:
    """End a run; return it as stored. One that has come to its end early, by ``nbops.skip``, is SKIPPED."""
    with ws.store.transaction() as tx:
        known = runs.as_stored(tx, run_id)
        if status == RunStatus.COMPLETED and SKIPPED in known.detail:
            status = RunStatus.SKIPPED
        run = dataclasses.replace(
            known,
            status=status,
            error=error,
            ended_at=ws.clock.now(),
            detail={**known.detail, **(detail or {})},
        )
        runs.save(tx, run)
        for artifact in artifacts:
            records.add_artifact(tx, run_id, RUN_LEVEL, artifact)
    return run


def add_detail(ws: Workspace, run_id: str, detail: Mapping[str, Any], *, cache_key: str | None = None) -> Run:
    """Add to what is known of a run that has ended already."""
    with ws.store.transaction() as tx:
        known = runs.as_stored(tx, run_id)
        run = dataclasses.replace(known, detail={**known.detail, **detail})
        runs.save(tx, run, cache_key=cache_key)
    return run


def keepable(params: Mapping[str, Any], *, secret: bool = True) -> dict[str, Any]:
    """Parameters as they may be stored: redacted (unless `secret` is false: to be digested only), and as text
    where they have no canonical form (a YAML date)."""
    kept = {}
    for key, value in (redact(dict(params)) if secret else params).items():
        try:
            canonical(value)
        except NotCanonicalError:
            value = str(value)
        kept[str(key)] = value
    return kept
