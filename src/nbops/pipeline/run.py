"""A pipeline: its steps, one after the other, each skipped if nothing it stands on has changed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import ExecutionError, InputDataError, NbopsError, ParameterError, UnknownNameError, suggestion
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.notebook import files, parameters
from nbops.pipeline import cache, graph
from nbops.pipeline.execute import checked_params, run_notebook
from nbops.pipeline.handover import handed_on
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.step_outputs import kept_outputs
from nbops.pipeline.step_run import add_detail, close_step, keepable
from nbops.settings import Pipeline, Step
from nbops.store import runs
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative


def run_pipeline(
    ws: Workspace,
    name: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    from_step: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    keep_going: bool = False,
    parent: str | None = None,
    tags: Iterable[str] = (),
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
    parent, tags
        Of the pipeline's run.

    Returns
    -------
    Run
        Completed; its steps are its children. ``detail["steps"]`` says of each: status, run, why.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError, InputDataError
        Before anything is executed or recorded.
    ExecutionError
        If a step failed. The steps after it were not run; the pipeline's run is FAILED.
    KeyboardInterrupt
        After the running step was stopped; the pipeline's run is STOPPED.
    """
    name, pipeline = graph.chosen(ws.settings, name)
    plan = _plan(ws, name, pipeline, params or {}, from_step)
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
    )
    going = _Going(ws=ws, pipeline=pipeline, plan=plan, run=run, progress=progress, forced="asked to run" * force)
    if dry_run:
        return going.would()
    with ws.store.transaction() as tx:
        runs.save(tx, run)
        runs.set_params(tx, run.id, keepable(params or {}))
    return going.through(keep_going)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step that may run: checked, with its parameters."""

    spec: Step
    notebook: Path
    params: Mapping[str, Any]
    left: bool = False  # before `from_step`: its last run is taken as it is
    first: bool = False  # is `from_step`


@dataclass(kw_only=True)
class _Going:
    """A pipeline under way: what became of each step so far."""

    ws: Workspace
    pipeline: Pipeline
    plan: Mapping[str, Planned]
    run: Run
    progress: Progress | None
    forced: str
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: dict[str, dict[str, str]] = field(default_factory=dict)  # {step: {handed-on name: digest}}
    failures: list[str] = field(default_factory=list)

    def through(self, keep_going: bool) -> Run:
        try:
            for step, planned in self.plan.items():
                missing = [s for s in graph.before(self.pipeline, step) if self.steps[s]["status"] in ("FAILED", "")]
                if missing or (self.failures and not keep_going):
                    self._not_run(step, f"{missing[0]!r} failed" if missing else "an earlier step failed")
                    continue
                try:
                    self._step(step, planned)
                except NbopsError as error:
                    self.failures.append(str(error))
                    self._keep(step, status="FAILED", why=str(error).splitlines()[0])
        except KeyboardInterrupt:
            self._rest("stopped by the user")
            self._close(RunStatus.STOPPED, "KeyboardInterrupt: stopped by the user")
            raise
        except BaseException as error:
            self._rest("the pipeline broke down")
            self._close(RunStatus.FAILED, redact_text(f"{type(error).__name__}: {error}"))
            raise
        if not self.failures:
            return self._close(RunStatus.COMPLETED, None)
        self._close(RunStatus.FAILED, f"ExecutionError: {self.failures[0].splitlines()[0]}")
        idle = [s for s, state in self.steps.items() if state["status"] == ""]
        after = f"\nnot run: {', '.join(idle)}" if idle else ""
        raise ExecutionError(f"the pipeline {self.run.name!r}: " + "\n".join(self.failures) + after)

    def would(self) -> Run:
        """Say what would be done."""
        open_: set[str] = set()
        for step, planned in self.plan.items():
            earlier = [s for s in graph.before(self.pipeline, step) if s in open_]
            if planned.left:
                self._take_as_is(step, planned)
                continue
            if earlier and not self.forced:
                state, why = "would run", f"unless {earlier[-1]!r} makes what it made before"
            else:
                found = self._verdict(step, planned, self._inputs(step, planned))
                state, why = ("would be cached" if found.hit else "would run"), found.why
                if found.hit:
                    self.made[step] = handed_on(self.ws.store, found.hit)
            if state == "would run":
                open_.add(step)
            self._tell(step, state, why=why)
            self.steps[step] = {"status": state, "why": why}
        return dataclasses.replace(self.run, detail={"steps": self.steps})

    def _step(self, step: str, planned: Planned) -> None:
        if planned.left:
            self._take_as_is(step, planned)
            return
        inputs = self._inputs(step, planned)
        handovers = self._handovers(step)
        found = self._verdict(step, planned, inputs)
        if found.hit is not None:
            self._cached(step, planned, found, found.hit)
            return
        began = time.monotonic()
        run = run_notebook(
            self.ws,
            planned.notebook,
            params=planned.params,
            name=step,
            parent=self.run.id,
            progress=self._telling(found.why),
            timeout_s=planned.spec.timeout_s,
            inputs_named=handovers,
            detail={"why": found.why},
        )
        self.made[step] = handed_on(self.ws.store, run)
        try:
            outputs = kept_outputs(self.ws, step, planned.spec, self.made[step])
        except NbopsError as error:
            close_step(self.ws, run.id, RunStatus.FAILED, error=f"{type(error).__name__}: {error}")
            self._tell(step, "failed", seconds=time.monotonic() - began, why=str(error))
            raise
        stood_on = cache.parts_and_key(
            self.ws, planned.notebook, params=planned.params, inputs=inputs, handovers=handovers
        )
        add_detail(
            self.ws,
            run.id,
            {"outputs": outputs, "cache": {"parts": stood_on[0], "packages": cache.used_packages(run)}},
            # If what it read changed while it ran, nobody knows which of the two it stands on.
            cache_key=found.key if stood_on[1] == found.key else None,
        )
        self._tell(step, "completed", seconds=time.monotonic() - began)
        self._keep(step, status="COMPLETED", run=run.id, why=found.why)

    def _verdict(self, step: str, planned: Planned, inputs: Mapping[str, Path]) -> cache.Verdict:
        return cache.verdict(
            self.ws,
            step,
            planned.spec,
            planned.notebook,
            params=planned.params,
            inputs=inputs,
            handovers=self._handovers(step),
            forced=self.forced or "asked to run from here" * planned.first,
        )

    def _cached(self, step: str, planned: Planned, found: cache.Verdict, hit: Run) -> None:
        outputs = hit.detail.get("outputs", {})
        cache.restore(self.ws, outputs)
        now = self.ws.clock.now()
        run = Run(
            id=new_id(),
            kind=RunKind.STEP,
            name=step,
            experiment=hit.experiment,
            status=RunStatus.CACHED,
            started_at=now,
            ended_at=now,
            parent=self.run.id,
            notebook=relative(self.ws, planned.notebook),
            detail={"cached_from": hit.id, "why": found.why, "outputs": outputs},
        )
        with self.ws.store.transaction() as tx:
            runs.save(tx, run)
            runs.set_params(tx, run.id, keepable(planned.params))
        self.made[step] = handed_on(self.ws.store, hit)
        self._tell(step, "cached", why=found.why)
        self._keep(step, status="CACHED", run=run.id, why=found.why)

    def _take_as_is(self, step: str, planned: Planned) -> None:
        last = runs.listed(
            self.ws.store,
            kinds=[RunKind.STEP],
            status=RunStatus.COMPLETED,
            notebook=relative(self.ws, planned.notebook),
            name=step,
            limit=1,
        )
        self.made[step] = handed_on(self.ws.store, last[0]) if last else {}
        self._tell(step, "not run", why="it lies before the step asked for")
        self._keep(step, status="SKIPPED", why="it lies before the step asked for")

    def _inputs(self, step: str, planned: Planned) -> dict[str, Path]:
        """The files a step reads, by relative path."""
        handovers = self._handovers(step)
        found: dict[str, Path] = {}
        for wanted in planned.spec.inputs:
            if wanted in handovers:
                continue
            matched = input_files(self.ws, wanted)
            if not matched:
                raise InputDataError(f"step {step!r}: no file matches its input {wanted!r} in {self.ws.root}")
            found |= matched
        return found

    def _handovers(self, step: str) -> dict[str, str]:
        """What the steps before this one handed on; of one name, the later step's."""
        found: dict[str, str] = {}
        for earlier in graph.before(self.pipeline, step):
            found |= self.made.get(earlier, {})
        return found

    def _telling(self, why: str) -> Progress:
        def tell(event: StepEvent) -> None:
            if event.state == "started":
                event = dataclasses.replace(event, why=why)
            if event.state != "completed":  # told when its outputs are kept too
                self._send(event)

        return tell

    def _not_run(self, step: str, why: str) -> None:
        self._tell(step, "not run", why=why)
        self._keep(step, status="", why=f"not run: {why}")

    def _rest(self, why: str) -> None:
        for step in self.plan:
            if step not in self.steps:
                self.steps[step] = {"status": "", "why": f"not run: {why}"}

    def _tell(self, step: str, state: str, **news: Any) -> None:
        self._send(StepEvent(step=step, state=state, **news))

    def _send(self, event: StepEvent) -> None:
        if self.progress is not None:
            self.progress(event)

    def _keep(self, step: str, **state: Any) -> None:
        self.steps[step] = state
        add_detail(self.ws, self.run.id, {"steps": self.steps})

    def _close(self, status: RunStatus, error: str | None) -> Run:
        return close_step(self.ws, self.run.id, status, error=error, detail={"steps": self.steps})


def input_files(ws: Workspace, wanted: str) -> dict[str, Path]:
    """The files an input names or matches: {path as recorded: file}, sorted."""
    path = Path(wanted).expanduser()
    base, pattern = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (ws.root, wanted)
    found = sorted(file for file in base.glob(pattern) if file.is_file())
    return {relative(ws, file): file for file in found}


def _plan(
    ws: Workspace, name: str, pipeline: Pipeline, given: Mapping[str, Any], from_step: str | None
) -> dict[str, Planned]:
    """Every step in order, with all that can be checked beforehand checked."""
    order = graph.order(pipeline, name)
    notebooks = graph.notebooks(pipeline, ws.root)
    if from_step is not None and from_step not in order:
        raise UnknownNameError("step", from_step, order, hint=f"of the pipeline {name!r}")
    known = {step: {p.name for p in _schema(notebooks[step])} for step in order}
    everywhere = set().union(*known.values())
    for source in (pipeline.params, given):
        for key in source:
            if key not in everywhere:
                raise ParameterError(
                    f"no step of the pipeline {name!r} has a parameter {key!r}{suggestion(key, everywhere)}"
                )
    plan = {}
    for step in order:
        spec = pipeline.steps[step]
        mine = {k: v for k, v in pipeline.params.items() if k in known[step]} | dict(spec.params)
        mine |= {k: v for k, v in given.items() if k in known[step]}
        plan[step] = Planned(
            spec=spec,
            notebook=notebooks[step],
            params=checked_params(notebooks[step], mine),
            left=from_step is not None and order.index(step) < order.index(from_step),
            first=step == from_step,
        )
        for wanted in spec.inputs:
            if not graph.made_by(pipeline, wanted) and not spec.needs and not input_files(ws, wanted):
                raise InputDataError(f"step {step!r}: no file matches its input {wanted!r} in {ws.root}")
    return plan


def _schema(notebook: Path) -> tuple[parameters.Parameter, ...]:
    read = files.read(notebook)
    return parameters.schema(read) if read.language in (None, "python") else ()
