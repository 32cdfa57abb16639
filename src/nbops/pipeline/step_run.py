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
from nbops.core.errors import ExecutionError, NotCanonicalError, NotebookError, ParameterError, StoreError
from nbops.core.ids import new_id
from nbops.core.redaction import redact
from nbops.core.runs import Artifact, Run, RunKind, RunStatus
from nbops.notebook import files, parameters
from nbops.pipeline.checkpointing import Resume
from nbops.pipeline.local_code import kept_modules
from nbops.pipeline.progress import Progress, StepEvent
from nbops.store import records, runs
from nbops.store.database import Transaction
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative

RUN_LEVEL = -1
"""The record number under which a run keeps artifacts that belong to no single cell."""

SKIPPED = "skipped"
"""Under this word a run's detail keeps the reason that :func:`nbops.skip` gave."""

PRUNED = "pruned"
"""Under this word, the step at which a sweep would have given the trial up."""


GIVEN_UP = "given up"
"""Under this word, a run's detail keeps that somebody else than its owner has ended it."""


class TakenError(ExecutionError):
    """The run that was to be opened has been begun, or given up, elsewhere."""


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

    def too_late(self, seconds: float) -> str:
        """Which of its limits was reached by an execution that was given up after so many seconds."""
        if self.timeout_s is not None and (self.cell_timeout_s is None or seconds >= self.timeout_s):
            return f"not done after {self.timeout_s:g} s (its timeout_s)"
        if self.cell_timeout_s is None:
            return "its kernel said that a cell was done and then sent no end of its outputs (nbclient's own limit)"
        return f"a cell was not done after {self.cell_timeout_s:g} s (its cell_timeout_s)"

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
    run_id: str | None = None,
) -> Run:
    """A new step run, in progress, owned by this process. The local modules it runs are kept as they are now.

    Raises
    ------
    TakenError
        If there is a run of that `run_id`, or its parent has ended.
    """
    modules, kept = kept_modules(ws, notebook)
    _hide_secrets(notebook)
    run = Run(
        id=run_id or new_id(),
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
        if run_id is not None:
            _mine_to_open(tx, run_id, parent)
        runs.save(tx, run)
        runs.set_params(tx, run.id, keepable(params or {}))
        for artifact in kept:
            records.add_artifact(tx, run.id, RUN_LEVEL, artifact)
    return run


def _mine_to_open(tx: Transaction, run_id: str, parent: str | None) -> None:
    """The store's write lock is held: of several that were told to make one run, one does."""
    if runs.exists(tx, run_id):
        raise TakenError(f"the run {run_id[:6]} was begun, or given up, elsewhere")
    if parent is not None and runs.as_stored(tx, parent).status.ended:
        raise TakenError(f"the run {parent[:6]}, which this was to be part of, has ended")


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
    """End a run; return it as stored. One that has come to its end early, by ``nbops.skip``, is SKIPPED; one that was
    given up stays so."""
    with ws.store.transaction() as tx:
        known = runs.as_stored(tx, run_id)
        if GIVEN_UP in known.detail:
            status, error = known.status, known.error
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


def give_up(ws: Workspace, run: Run, status: RunStatus, why: str) -> Run:
    """End, for its owner, a run that he doesn't seem to be able to end, unless he has: then it is returned as it is.

    Should he still be there, what he does from now on counts for nothing: a run that is there can't be opened, and one
    that was given up can't be completed.

    Parameters
    ----------
    run : Run
        As it is kept if it hasn't been opened.
    """
    with ws.store.transaction() as tx:
        known = runs.as_stored(tx, run.id) if runs.exists(tx, run.id) else run
        if known.status not in (RunStatus.COMPLETED, RunStatus.SKIPPED):
            known = dataclasses.replace(
                known, status=status, error=why, ended_at=ws.clock.now(), detail={**known.detail, GIVEN_UP: why}
            )
            runs.save(tx, known)
    return known


def was_given_up(ws: Workspace, run_id: str) -> bool:
    try:
        return runs.exists(ws.store, run_id) and GIVEN_UP in runs.as_stored(ws.store, run_id).detail
    except StoreError:  # away for a while
        return False


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
