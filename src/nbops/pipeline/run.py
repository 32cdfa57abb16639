"""A pipeline: its steps, each as soon as those it needs are over, each skipped if nothing it stands on has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nbops.core.errors import BusyError, UsageError
from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline import graph
from nbops.pipeline.dask_cluster import cluster_for, is_for_cluster
from nbops.pipeline.dry_run import would
from nbops.pipeline.earlier import check, earlier, with_params
from nbops.pipeline.plan import plan
from nbops.pipeline.progress import Progress
from nbops.pipeline.state import State
from nbops.pipeline.step_run import keepable
from nbops.pipeline.work import work
from nbops.store import runs
from nbops.store.database import Transaction
from nbops.store.liveness import this_process
from nbops.workspace import Workspace


def run_pipeline(
    ws: Workspace,
    name: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    from_step: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    keep_going: bool = True,
    jobs: int | None = None,
    scheduler: str | None = None,
    parent: str | None = None,
    tags: Iterable[str] = (),
    resume: str | None = None,
    repeat_effects: bool = False,
    apart: bool = False,
) -> Run:
    """Run the steps of a pipeline that nbops.toml names.

    Parameters
    ----------
    name : str, optional
        The pipeline; may be left out if there is only one.
    params : mapping, optional
        Values that go to every step with a parameter of that name, before what nbops.toml says.
    force : bool
        Run every step, whether anything changed or not.
    from_step : str, optional
        Leave the steps before this one as they are, and run this one whether anything changed or not.
    dry_run : bool
        Only say what would be done; nothing is executed or recorded, the run returned is not in the store.
    progress : callable, optional
        Called with a :class:`~nbops.pipeline.progress.StepEvent` for everything that happens to a step.
    keep_going : bool
        After a failed step, still run those that don't need it.
    jobs : int, optional
        How many steps run at once; by default what nbops.toml says, else one. More than one run in worker processes.
        On a Dask cluster, by default as many as it has threads.
    scheduler : str, optional
        The address (``tcp://HOST:PORT``) of the scheduler of a Dask cluster, whose workers execute the steps; by
        default what nbops.toml says.
    parent, tags
        Of the pipeline's run.
    resume : str, optional
        A run of the pipeline that didn't come to its end ("last": the newest), to go on with: with its parameters (but
        for those in `params`), without the steps that completed in it, and in the middle of the one that didn't.
    repeat_effects : bool
        Whether this may run cells again that have had effects outside the notebook.
    apart : bool
        Execute in a worker process also where only one step runs at once: papermill changes the folder and the logging
        of the process it is in.

    Returns
    -------
    Run
        Completed; its steps are its children. ``detail["steps"]`` says of each: status, run, why.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError, InputDataError
        Before anything is executed or recorded.
    RefusedError
        If a pipeline that is running makes one of the outputs of this one, or to resume would repeat effects outside
        the notebooks; nothing is executed or recorded.
    ExecutionError
        If the cluster can't be reached or used; nothing is executed or recorded.
        If a step failed. Those that need it were not run; the pipeline's run is FAILED.
    KeyboardInterrupt
        After the running steps were stopped; the pipeline's run is STOPPED.
    """
    before = None
    if resume is not None:
        if force or from_step:
            raise UsageError("what is gone on with isn't begun anew: leave out force and from_step, or resume")
        before = earlier(ws, resume, name, repeat_effects=repeat_effects)
        name, params = before.run.name, with_params(before, params or {})
    name, pipeline = graph.chosen(ws.settings, name)
    made = plan(ws, name, pipeline, params or {}, from_step, secrets=not is_for_cluster(pipeline, scheduler))
    if before is not None:
        check(ws, before, {step: planned.notebook for step, planned in made.steps.items()})
    outputs = sorted({o for planned in made.steps.values() if not planned.left for o in planned.spec.outputs})
    run = Run(
        id=new_id(),
        kind=RunKind.PIPELINE,
        name=name,
        experiment=name,
        status=RunStatus.CREATED if dry_run else RunStatus.IN_PROGRESS,
        started_at=ws.clock.now(),
        parent=parent,
        owner=None if dry_run else this_process(),
        tags=tuple(tags),
        detail={"outputs": outputs, **({"resumed": {"attempt": before.run.id}} if before is not None else {})},
    )
    state = State(
        ws=ws,
        plan=made,
        run=run,
        progress=progress,
        forced="asked to run" * force,
        keep_going=keep_going,
        earlier=before,
    )
    if dry_run:
        return would(state)
    with cluster_for(pipeline, scheduler) as cluster:
        with ws.store.transaction() as tx:
            nobody_makes(tx, outputs)
            runs.save(tx, run)
            runs.set_params(tx, run.id, keepable(params or {}))
        return work(state, pipeline.jobs if jobs is None else jobs, cluster, apart=apart)


def nobody_makes(tx: Transaction, outputs: list[str], but: str | None = None) -> None:
    """Refuse what another run (than `but`) is making. The store's write lock is held: of two pipelines that begin at
    the same moment, one comes second.

    Raises
    ------
    BusyError
    """
    for other in runs.listed(tx, kinds=[RunKind.PIPELINE], status=RunStatus.IN_PROGRESS, limit=1000):
        both = sorted(set(outputs) & set(other.detail.get("outputs", ())))
        at_work = other.status == RunStatus.IN_PROGRESS and other.owner is not None  # not LOST, not between steps
        if both and at_work and other.id != but:
            raise BusyError(
                f"the pipeline {other.name!r} is running (run {other.id[:6]}) and makes {both[0]!r}, as this one would;"
                " wait until it has ended, or give one of them another output"
            )
