"""The steps of a pipeline executed: each as soon as those it needs are over, as many at once as there is room for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbops.core.errors import ExecutionError, NbopsError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.notebook import files, parameters
from nbops.pipeline import cache
from nbops.pipeline.attempt import Attempt, Ended
from nbops.pipeline.crew import Crew, crew
from nbops.pipeline.dask_cluster import Cluster
from nbops.pipeline.earlier import go_on
from nbops.pipeline.given import Given
from nbops.pipeline.handover import handed_on
from nbops.pipeline.plan import Instance, Planned, unfolded
from nbops.pipeline.progress import StepEvent
from nbops.pipeline.state import State
from nbops.pipeline.step_outputs import kept_outputs
from nbops.pipeline.step_run import SKIPPED, add_detail, close_step
from nbops.store import runs
from nbops.workspace import relative


def work(state: State, jobs: int | None, cluster: Cluster | None = None, *, apart: bool = False) -> Run:
    """Execute the steps, on this machine (`apart`: in worker processes in any case) or on a cluster.

    Raises
    ------
    ExecutionError
        If one failed, after all that could be done without it.
    KeyboardInterrupt
    """
    going = _Work(state, jobs, cluster, apart)
    try:
        going.through(state.plan.steps)
        last = state.plan.on_failure
        if last is not None and state.failures:
            going.through({state.plan.on_failure_name: replace(last, params=_told(last, state))})
        elif last is not None:
            state.steps[state.plan.on_failure_name] = {"status": "", "why": "not run: nothing failed"}
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        going.stop("stopped by the user" if stopped else "the pipeline broke down")
        what = "KeyboardInterrupt: stopped by the user" if stopped else f"{type(error).__name__}: {error}"
        state.close(RunStatus.STOPPED if stopped else RunStatus.FAILED, what)
        raise
    going.workers.stop()
    if not state.failures:
        return state.close(RunStatus.COMPLETED, None)
    state.close(RunStatus.FAILED, f"ExecutionError: {state.failures[0].splitlines()[0]}")
    idle = [step for step in state.plan.steps if state.steps[step]["status"] == ""]
    after = f"\nnot run: {', '.join(idle)}" if idle else ""
    raise ExecutionError(f"the pipeline {state.run.name!r}: " + "\n".join(state.failures) + after)


def work_on(state: State, step: str, planned: Planned, jobs: int | None) -> None:
    """Execute one step, whose needs are over. The pipeline's run is left open.

    Raises
    ------
    KeyboardInterrupt
    """
    if step == state.plan.on_failure_name:
        planned = replace(planned, params=_told(planned, state))
    going = _Work(state, jobs)
    try:
        going.through({step: planned})
    except BaseException as error:
        going.stop("stopped by the user" if isinstance(error, KeyboardInterrupt) else "the pipeline broke down")
        raise
    going.workers.stop()


def _usual(state: State, one: Instance) -> float:
    """Seconds it took when it last completed."""
    last = runs.listed(
        state.ws.store,
        kinds=[RunKind.STEP],
        status=RunStatus.COMPLETED,
        notebook=relative(state.ws, one.notebook),
        name=one.name,
        limit=1,
    )
    return (last[0].ended_at - last[0].started_at).total_seconds() if last and last[0].ended_at else 0.0


def _told(last: Planned, state: State) -> dict[str, Any]:
    """The parameters of the step for failures: `failed` and `error` say what went wrong, where it has such; all of it
    where a list is asked for."""
    failed = [step for step, how in state.steps.items() if how["status"] == "FAILED"]
    errors = [failure.splitlines()[0] for failure in state.failures]
    told = {"failed": (failed, ", ".join(failed)), "error": (errors, errors[0])}
    params = dict(last.params)
    for parameter in parameters.of_notebook(files.read(last.notebook)):
        if parameter.name in told:
            kind = parameter.kind
            lists = any(k.base == "list" for k in (kind.parts if kind.base == "union" else (kind,)))
            params[parameter.name] = told[parameter.name][0 if lists else 1]
    return params


@dataclass(kw_only=True)
class _Job:
    """An execution to be made: what it may read, how often it was tried, and when it may be tried (again)."""

    instance: Instance
    given: Given
    place: int
    tries: int = 0
    not_before: float = 0.0
    began: float = 0.0
    usual_s: float = 0.0
    verdict: cache.Verdict | None = None
    last: str | None = None  # the run of the try before this one


class _Work:
    def __init__(self, state: State, jobs: int | None, cluster: Cluster | None = None, apart: bool = False) -> None:
        self.state = state
        self.workers: Crew = crew(state.ws, jobs, self._heard, cluster, apart=apart)
        self.queue: list[_Job] = []
        self.under_way: dict[str, _Job] = {}

    def through(self, steps: Mapping[str, Planned]) -> None:
        """Until every one of these steps is over."""
        todo = list(steps)
        needs = self.state.plan.graph.needs
        while True:
            ready = [step for step in todo if all(n in self.state.steps for n in needs.get(step, ()))]
            for step in ready:
                todo.remove(step)
                self._begin(step, steps[step], list(steps).index(step))
            if self._launch() or (ready and todo):
                continue  # a step that is over lets others begin
            if not self.under_way and not self.queue:
                return
            for ended in self.workers.wait(self._pause()):
                self._ended(ended)

    def stop(self, why: str) -> None:
        self.workers.stop()
        for job in self.under_way.values():
            self.state.steps[job.instance.step] = {"status": "STOPPED", "why": why}
        self.state.rest(why)

    def _begin(self, step: str, planned: Planned, place: int) -> None:
        """Its turn has come: it is queued, or it is said why not."""
        state = self.state
        if planned.left:
            state.take_as_is(step, planned)
            return
        before = state.plan.graph.earlier(step) if step in state.plan.steps else []
        missing = [s for s in before if state.steps[s]["status"] in ("FAILED", "")]
        if missing or (self._no_more and step in state.plan.steps):
            state.not_run(step, f"{missing[0]!r} failed" if missing else "an earlier step failed")
            return
        given = state.given_to(step)
        try:
            why = state.spoken_against(step, planned, given)
            instances = [] if why else unfolded(state.ws, step, planned, given.lists(state.ws, planned.spec))
        except NbopsError as error:
            state.tell(step, "failed", why=str(error))
            state.fail(step, str(error))
            return
        if not instances:
            state.skip(step, planned, why or "its foreach goes over nothing")
            return
        state.parts[step] = {one.name: None for one in instances}
        self.queue += [_Job(instance=one, given=given, place=place) for one in instances]
        self.queue.sort(key=lambda job: job.place)

    def _launch(self) -> bool:
        """Start what there is room for, in order. Whether something is over already."""
        over = False
        for job in list(self.queue):
            if self.workers.busy >= self.workers.jobs:
                break
            if job.not_before > time.monotonic() or not self._within_limits(job.instance):
                continue
            self.queue.remove(job)
            if self._no_more and job.instance.step in self.state.plan.steps:
                self.state.tell(job.instance.name, "not run", why="an earlier step failed")
                self.state.ended(job.instance, {"status": "", "why": "not run: an earlier step failed"})
            else:
                try:
                    self._start(job)
                except NbopsError as error:
                    self.state.tell(job.instance.name, "failed", why=str(error))
                    self.state.failed(job.instance, str(error))
            over |= job.instance.name not in self.under_way
        return over

    @property
    def _no_more(self) -> bool:
        return bool(self.state.failures) and not self.state.keep_going

    def _within_limits(self, one: Instance) -> bool:
        limits = self.state.plan.limits
        used = [u for job in self.under_way.values() for u in job.instance.spec.uses]
        return all(used.count(u) < limits[u] for u in one.spec.uses)

    def _pause(self) -> float | None:
        """Seconds until something that waits may be tried; None if nothing does."""
        now = time.monotonic()
        return min((job.not_before - now for job in self.queue if job.not_before > now), default=None)

    def _start(self, job: _Job) -> None:
        one = job.instance
        if job.verdict is None:
            job.verdict = self.state.verdict(one, job.given)
            if job.verdict.hit is not None:
                self.state.cached(one, job.verdict, job.verdict.hit)
                return
        before = self.state.earlier if one.step in self.state.plan.steps else None
        job.tries += 1
        job.usual_s = _usual(self.state, one)
        job.began = time.monotonic()
        self.under_way[one.name] = job
        self.workers.start(
            Attempt(
                name=one.name,
                notebook=one.notebook,
                params=one.params,
                parent=self.state.run.id,
                timeout_s=one.spec.timeout_s,
                cell_timeout_s=one.spec.cell_timeout_s,
                inputs_named=job.given.digests,
                uses=one.spec.uses,
                detail={
                    "why": job.verdict.why,
                    "step": one.step,
                    "cache": {"key": None, "parts": job.verdict.parts},
                    **({"attempt": job.tries} if one.spec.retries else {}),
                },
                go_on=go_on(self.state.ws, one.name, job.verdict, before, job.last),
            )
        )

    def _ended(self, ended: Ended) -> None:
        job = self.under_way.pop(ended.name)
        one, state = job.instance, self.state
        if ended.run is None:
            if job.tries <= one.spec.retries and not self._no_more:
                wait = one.spec.retry_wait_s * 2 ** (job.tries - 1)
                job.not_before = time.monotonic() + wait
                job.last, job.verdict = self._newest(one.name), None
                again = f"attempt {job.tries + 1} of {one.spec.retries + 1} in {wait:g} s"
                state.tell(one.name, "retrying", why=again)
                self.queue.append(job)
                self.queue.sort(key=lambda job: job.place)
            else:
                state.failed(one, ended.error)
            return
        assert job.verdict is not None
        seconds, why = time.monotonic() - job.began, str(ended.run.detail.get("why", job.verdict.why))
        if ended.run.status == RunStatus.SKIPPED:
            why = str(ended.run.detail[SKIPPED])
            state.tell(one.name, "skipped", seconds=seconds, why=why)
            state.ended(one, {"status": "SKIPPED", "skipped": True, "run": ended.run.id, "why": why})
            return
        try:
            self._keep_outputs(job, job.verdict, ended.run)
        except NbopsError as error:
            close_step(state.ws, ended.run.id, RunStatus.FAILED, error=f"{type(error).__name__}: {error}")
            state.tell(one.name, "failed", seconds=seconds, why=str(error))
            state.failed(one, str(error))
            return
        state.tell(one.name, "completed", seconds=seconds)
        state.ended(one, {"status": "COMPLETED", "run": ended.run.id, "why": why}, ended.run)

    def _newest(self, name: str) -> str | None:
        """The run of the try that has just failed, if it came so far."""
        found = runs.listed(self.state.ws.store, kinds=[RunKind.STEP], parent=self.state.run.id, name=name, limit=1)
        return found[0].id if found else None

    def _keep_outputs(self, job: _Job, verdict: cache.Verdict, run: Run) -> None:
        one, ws = job.instance, self.state.ws
        outputs = kept_outputs(ws, one.name, one.spec, handed_on(ws.store, run))
        inputs = self.state.inputs(one, job.given)
        kept, key = cache.stood_on(
            ws, run, one.notebook, verdict, params=one.params, inputs=inputs, handovers=job.given.digests
        )
        add_detail(ws, run.id, {"outputs": outputs, "cache": kept}, cache_key=key)

    def _heard(self, event: StepEvent) -> None:
        """News from the notebook itself."""
        job = self.under_way.get(event.step)
        if job is not None and job.verdict is not None:
            why = event.why or job.verdict.why if event.state == "started" else event.why
            event = replace(event, why=why, usual_s=job.usual_s)
        if event.state not in ("completed", "skipped") and self.state.progress is not None:
            self.state.progress(event)  # these are told when its outputs are kept too
