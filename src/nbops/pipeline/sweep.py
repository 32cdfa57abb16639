"""A notebook executed for many points of its parameters: a run for the sweep, and one below it for each point.

What is there is kept: the same sweep called again, after a failure, Ctrl-C or a crash, executes what is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.core.canonical import canonical, digest
from nbops.core.errors import ParameterError, RefusedError, UsageError
from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.metrics import known as metrics_known
from nbops.notebook import code, files, parameters
from nbops.pipeline.attempt import Attempt, Ended
from nbops.pipeline.crew import Crew, crew
from nbops.pipeline.dask_cluster import connected
from nbops.pipeline.execute import check_kernel, check_timeouts
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.step_run import PRUNED, close_step
from nbops.pipeline.sweep_space import Dimension, drawn, grid, space
from nbops.pipeline.tuning import Study
from nbops.store import records, runs
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point and what came of it. `value` is that of the sweep's metric, None where there is none."""

    run: Run
    point: Mapping[str, Any]
    metrics: Mapping[str, float]
    value: float | None = None

    @property
    def pruned(self) -> bool:
        return PRUNED in self.run.detail


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """`trials` are the newest run of each point, best first; `best` is the id of the first, if it has a value."""

    run: Run
    varied: tuple[str, ...]
    metric: str | None
    maximize: bool
    trials: tuple[Trial, ...]
    best: str | None = None


def run_sweep(
    ws: Workspace,
    notebook: Path,
    given: Mapping[str, str],
    *,
    random: int | None = None,
    optuna: int | None = None,
    metric: str | None = None,
    maximize: bool | None = None,
    jobs: int | None = None,
    seed: int = 0,
    timeout_s: float | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Execute a notebook for many points.

    Parameters
    ----------
    given : mapping
        {parameter: what it goes over}, as :func:`nbops.pipeline.sweep_space.space` reads it.
    random, optuna : int, optional
        How many points to draw, or to have Optuna choose; by default every combination.
    metric : str, optional
        By which trials are compared. Optuna needs one.
    maximize : bool, optional
        Whether more of it is better; known of scikit-learn's metrics.
    jobs : int, optional
        How many run at once: by default one, on a Dask cluster as many as it has threads.
    seed : int
        Of what is drawn.
    timeout_s : float, optional
        Seconds that a trial may take.
    scheduler : str, optional
        The address (``tcp://HOST:PORT``) of the scheduler of a Dask cluster, whose workers execute the trials.

    Returns
    -------
    Sweep
        Its run is FAILED if a trial failed; the others were made all the same.

    Raises
    ------
    ParameterError, UsageError, NotebookError
        Before anything is executed or recorded.
    RefusedError
        If the same sweep is running.
    ExecutionError
        If the cluster can't be reached or used; nothing is recorded then.
    """
    if random is not None and optuna is not None:
        raise UsageError("a sweep either draws at random or asks Optuna, not both")
    check_timeouts(timeout_s=timeout_s)
    check_kernel(notebook, None)
    read = files.read(notebook)
    schema = parameters.accepted(read, given)
    where = f"the notebook {str(notebook)!r}"
    if not given:
        raise ParameterError("a sweep needs something to go over: -p name=1,2,3 or -p name=2..8")
    dimensions = space(schema, given, where)
    if scheduler is None:  # a cluster's workers have them
        parameters.find_secrets(schema, where)
    more = _maximize(metric, maximize, needed=optuna is not None)
    points: list[dict[str, Any]] = []
    if optuna is None:
        points = grid(dimensions) if random is None else drawn(dimensions, random, seed)
    wanted = {
        "code": code.notebook_code_digest(read),
        "space": {each.name: dataclasses.asdict(each) for each in dimensions},
        "how": {"random": random, "optuna": optuna, "seed": seed, "metric": metric, "maximize": more},
    }
    with connected(scheduler) if scheduler is not None else nullcontext() as cluster:
        run = _opened(ws, notebook, {**wanted, "key": digest(wanted)})
        going = _Going(ws, run, notebook.absolute(), dimensions, timeout_s, progress or _silent, metric)
        workers = crew(ws, jobs, going.heard, cluster)
        try:
            if optuna is None:
                going.through(workers, points)
                failed = sum(trial.run.status == RunStatus.FAILED for trial in _trials(ws, run, metric))
            else:
                study = Study(ws.home / "sweeps" / f"{run.id}.log", maximize=more, seed=seed)
                going.asking(workers, study, optuna)
                failed = optuna - study.finished
        except BaseException as error:
            workers.stop()
            stopped = isinstance(error, KeyboardInterrupt)
            why = "KeyboardInterrupt: stopped by the user" if stopped else f"{type(error).__name__}: {error}"
            close_step(ws, run.id, RunStatus.STOPPED if stopped else RunStatus.FAILED, error=why)
            raise
        workers.stop()
    status = RunStatus.FAILED if failed else RunStatus.COMPLETED
    said = f"{failed} of {optuna or len(points)} trials failed" if failed else None
    run = close_step(ws, run.id, status, error=said)
    return found(ws, run)


def found(ws: Workspace, run: Run) -> Sweep:
    """A sweep as it is in the store."""
    how = run.detail["how"]
    varied = tuple(name for name, each in run.detail["space"].items() if len(each["values"]) != 1)
    trials = _trials(ws, run, how["metric"])
    sign = -1.0 if how["maximize"] else 1.0
    ranked = sorted(
        trials, key=lambda t: (t.value is None, t.value != t.value, sign * t.value if t.value is not None else 0.0)
    )
    best = next((t.run.id for t in ranked if t.value is not None and t.value == t.value), None)
    return Sweep(
        run=run, varied=varied, metric=how["metric"], maximize=how["maximize"], trials=tuple(ranked), best=best
    )


class _Going:
    """A sweep under way."""

    def __init__(
        self,
        ws: Workspace,
        run: Run,
        notebook: Path,
        dimensions: tuple[Dimension, ...],
        timeout_s: float | None,
        progress: Progress,
        metric: str | None,
    ) -> None:
        self.ws, self.run, self.notebook, self.dimensions = ws, run, notebook, dimensions
        self.timeout_s, self.progress, self.metric = timeout_s, progress, metric
        done = [t for t in _trials(ws, run, metric) if t.run.status in (RunStatus.COMPLETED, RunStatus.SKIPPED)]
        self.done = {canonical(t.point) for t in done}

    def through(self, workers: Crew, points: Iterable[dict[str, Any]]) -> None:
        """Every point that isn't there yet."""
        left = [point for point in points if canonical(point) not in self.done]
        while left or workers.busy:
            while left and workers.busy < workers.jobs:
                self.start(workers, left.pop(0))
            workers.wait(None)

    def asking(self, workers: Crew, study: Study, n: int) -> None:
        """As many trials as are wanted, each where Optuna thinks best after those that have ended."""
        numbers: dict[str, int] = {}
        missing = n - study.finished
        while missing > 0 or workers.busy:
            while missing > 0 and workers.busy < workers.jobs:
                number, point, variables = study.ask(self.dimensions)
                numbers[self.start(workers, point, variables, number)] = number
                missing -= 1
            for ended in workers.wait(None):
                value, pruned = self._value(ended)
                study.tell(numbers.pop(ended.name), value, pruned=pruned)

    def start(
        self,
        workers: Crew,
        point: Mapping[str, Any],
        variables: Mapping[str, str] | None = None,
        number: int | None = None,
    ) -> str:
        said = ", ".join(f"{each.name}={_short(point[each.name])}" for each in self.dimensions if each.varies)
        name = self.notebook.stem + (f"[{said}]" if said else "") + (f" #{number}" if number is not None else "")
        workers.start(
            Attempt(
                name=name,
                notebook=self.notebook,
                params=dict(point),
                parent=self.run.id,
                timeout_s=self.timeout_s,
                detail={"point": dict(point), "trial": number},
                variables=variables or {},
            )
        )
        return name

    def heard(self, event: StepEvent) -> None:
        self.progress(event)

    def _value(self, ended: Ended) -> tuple[float | None, bool]:
        if ended.run is None:
            return None, False
        trial = _trial(self.ws, ended.run, self.metric)
        whole = trial.run.status == RunStatus.COMPLETED and trial.value == trial.value
        return trial.value if whole else None, trial.pruned


def _opened(ws: Workspace, notebook: Path, detail: Mapping[str, Any]) -> Run:
    """The run of the sweep: the newest one of the same, if there is one, gone on with; else a new one."""
    where = relative(ws, notebook)
    with ws.store.transaction() as tx:
        for earlier in runs.listed(tx, kinds=[RunKind.SWEEP], notebook=where, limit=50):
            if earlier.detail.get("key") != detail["key"]:
                continue
            if earlier.status == RunStatus.IN_PROGRESS:
                raise RefusedError(f"this sweep is running (run {earlier.id[:6]}); wait until it has ended")
            run = dataclasses.replace(
                earlier, status=RunStatus.IN_PROGRESS, owner=this_process(), ended_at=None, error=None
            )
            break
        else:
            run = Run(
                id=new_id(),
                kind=RunKind.SWEEP,
                name=notebook.stem,
                experiment=where,
                status=RunStatus.IN_PROGRESS,
                started_at=ws.clock.now(),
                notebook=where,
                owner=this_process(),
                detail=detail,
            )
        runs.save(tx, run)
    return run


def _trials(ws: Workspace, run: Run, metric: str | None) -> list[Trial]:
    """The newest run of each point; of a point that Optuna chose twice, both."""
    newest: dict[str, Run] = {}
    for child in runs.children(ws.store, run.id):
        if "point" in child.detail:
            newest[canonical([child.detail["point"], child.detail["trial"]])] = child
    return [_trial(ws, child, metric) for child in newest.values()]


def _trial(ws: Workspace, run: Run, metric: str | None) -> Trial:
    seen = records.latest_metrics(ws.store, [run.id])[run.id]
    value = None
    if metric is not None and run.status == RunStatus.COMPLETED:
        value = seen.get(metric, seen.get(metrics_known.full_name(metric)))
    return Trial(run=run, point=run.detail["point"], metrics=seen, value=value)


def _maximize(metric: str | None, said: bool | None, *, needed: bool) -> bool:
    if metric is None:
        if needed:
            raise UsageError("Optuna needs to know what is good: --metric NAME")
        return False
    if said is not None:
        return said
    if metrics_known.known(metric):
        return metrics_known.kind_of(metric).greater_is_better
    raise UsageError(f"is more of the metric {metric!r} better? say --minimize or --maximize")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _silent(_event: StepEvent) -> None:
    """Nobody listens."""
