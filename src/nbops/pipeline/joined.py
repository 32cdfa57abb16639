"""One step of a pipeline's run that several processes share, as Airflow, Argo and their like have it: each step is a
command of its own, perhaps on another machine, and together they are one run of the pipeline.

Who belongs together says the same `key`: the run's id is made of it, so two steps that begin at the same moment find
one run. In it stands who is at work (``detail["at_work"]``); between steps nobody is, and the run has no owner. Asked
again, a step that has completed is left as it is, one that failed goes on where it can (that it is asked for again says
that its effects may be repeated) and the run comes back with it; who tries again, and when, is the caller's to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbops.core import wire
from nbops.core.canonical import canonical, digest
from nbops.core.errors import ExecutionError, RefusedError, UsageError
from nbops.core.redaction import redact_text
from nbops.core.runs import Owner, Run, RunKind, RunStatus
from nbops.pipeline import graph
from nbops.pipeline.earlier import of_steps
from nbops.pipeline.given import Given
from nbops.pipeline.plan import Plan, Planned, plan
from nbops.pipeline.progress import Progress
from nbops.pipeline.run import nobody_makes
from nbops.pipeline.state import State
from nbops.pipeline.step_run import keepable
from nbops.pipeline.work import work_on
from nbops.settings import Pipeline
from nbops.store import deleted_runs, runs
from nbops.store.database import Transaction
from nbops.store.liveness import alive, this_process
from nbops.workspace import Workspace

FAILED = ("FAILED", "STOPPED", "")
"""How a step has ended after which those that need it aren't run."""


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """How the step has ended: `state` as the run keeps it ("COMPLETED", "CACHED", "SKIPPED", "FAILED", "STOPPED"; ""
    for a step for failures where nothing failed), and the pipeline's run as it is now."""

    state: str
    why: str
    run: Run


def run_step(
    ws: Workspace,
    name: str | None,
    step: str,
    key: str,
    *,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> StepDone:
    """Run one step of a pipeline, in the run that `key` names; the first one to come makes it.

    Parameters
    ----------
    name, params, force, progress, jobs
        As :func:`nbops.pipeline.run.run_pipeline` has them; all steps of a run are given the same parameters. More than
        one job has only a step with `foreach`. A step's `retries` are left to the caller.
    step : str
        The step; also the one for failures, which runs if another has failed.
    key : str
        What the steps of one run have in common, and no others of the pipeline: Airflow's run id, a build number.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError, InputDataError
        Before anything is executed or recorded.
    UsageError
        If a step it needs hasn't run yet in that run, or the run has other parameters.
    RefusedError
        If somebody is at work at this step, or makes one of its outputs elsewhere.
    ExecutionError
        If the step failed, or one that it needs has.
    KeyboardInterrupt
        After the step was stopped.
    """
    name, pipeline = graph.chosen(ws.settings, name)
    if not key.strip():
        raise UsageError(f"{key!r} is no name for a run: give one that all its steps share, and no other run has")
    whole = plan(ws, name, pipeline, params or {}, only=step)
    last = step == pipeline.on_failure
    planned = dataclasses.replace(pipeline.steps[step], retries=0)
    mine = dataclasses.replace(whole.on_failure if last and whole.on_failure else whole.steps[step], spec=planned)
    with ws.store.transaction() as tx:
        run = _begun(tx, ws, whole, pipeline, name, step, key, keepable(params or {}))
    state = _state(ws, whole, run, step, None if last else mine, progress, "asked to run" * force)
    error: str | None = None
    try:
        if not last or state.failures:
            before = len(state.failures)
            most = (pipeline.jobs if jobs is None else jobs) if planned.foreach else 1
            work_on(state, step, mine, most)
            error = "\n".join(state.failures[before:])
        else:
            state.steps[step] = {"status": "", "why": NOTHING_FAILED}
            state.tell(step, "not run", why="nothing failed")
    except Exception as broken:
        state.steps[step] = {"status": "FAILED", "why": f"{type(broken).__name__}: {broken}".splitlines()[0]}
        raise
    finally:
        how = state.steps.setdefault(step, {"status": "STOPPED", "why": "stopped"})
        state.save()
        closed = _closed(state, whole, pipeline, step)
    if how["status"] == "FAILED":
        raise ExecutionError(f"the pipeline {name!r}: {error or how['why']}")
    return StepDone(state=how["status"], why=how["why"], run=closed)


NOTHING_FAILED = "not run: nothing failed"


def run_id(name: str, key: str) -> str:
    """The id of the run of the pipeline `name` that `key` names."""
    return digest({"pipeline": name, "key": key}).rpartition(":")[2][:16]


def _begun(
    tx: Transaction,
    ws: Workspace,
    whole: Plan,
    pipeline: Pipeline,
    name: str,
    step: str,
    key: str,
    given: dict[str, Any],
) -> Run:
    """The run, with us at work at the step. The store's write lock is held."""
    me, id_, now = this_process(), run_id(name, key), ws.clock.now()
    if not runs.exists(tx, id_):
        if hint := deleted_runs.hint(tx, id_):
            raise RefusedError(f"the run {key!r} of the pipeline {name!r} ({id_}) is there no more: {hint}")
        run = Run(
            id=id_,
            kind=RunKind.PIPELINE,
            name=name,
            experiment=name,
            status=RunStatus.IN_PROGRESS,
            started_at=now,
            detail={"key": key, "outputs": sorted({o for p in whole.steps.values() for o in p.spec.outputs})},
        )
    else:
        run = runs.as_stored(tx, id_)
        if canonical(known := runs.params(tx, id_)) != canonical(given):
            raise UsageError(
                f"the run {key!r} of the pipeline {name!r} was begun with the parameters {_said(known)}, not"
                f" {_said(given)}; all its steps are given the same, another run has another key"
            )
    steps = dict(run.detail.get("steps", {}))
    _may_begin(steps, whole, name, step, key)
    at_work = {s: wire.from_json(Owner, owner) for s, owner in run.detail.get("at_work", {}).items()}
    if step in at_work:
        _take_over(tx, ws, run, step, at_work[step], key)
    nobody_makes(tx, list(pipeline.steps[step].outputs), but=id_)
    at_work = {s: owner for s, owner in at_work.items() if s != step} | {step: me}
    steps.pop(step, None)
    run = dataclasses.replace(
        run,
        status=RunStatus.IN_PROGRESS,
        ended_at=None,
        error=None,
        owner=me,
        detail={**run.detail, "steps": steps, "at_work": wire.to_json(at_work)},
    )
    runs.save(tx, run)
    runs.set_params(tx, run.id, given)
    return run


def _said(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in params.items()) or "(none)"


def _may_begin(steps: Mapping[str, Any], whole: Plan, name: str, step: str, key: str) -> None:
    for needed in whole.graph.earlier(step) if step in whole.graph.before else ():
        if needed not in steps:
            raise UsageError(
                f"step {step!r} of the pipeline {name!r} needs {needed!r}, which hasn't come to its end in the run"
                f" {key!r}; run that first, with the same --run"
            )
        if steps[needed]["status"] in FAILED:
            raise ExecutionError(f"step {step!r} of the pipeline {name!r} is not run: {needed!r} failed")


def _take_over(tx: Transaction, ws: Workspace, run: Run, step: str, other: Owner, key: str) -> None:
    """Somebody began this step and didn't say how it ended. Is he gone? Of another machine nobody here can tell; but
    whoever asks for the step again (a container started anew) has given him up."""
    if other.host == this_process().host and alive(other):
        raise RefusedError(
            f"step {step!r} of the run {key!r} is being done by process {other.pid} of this machine;"
            " wait until it has ended, or stop it"
        )
    for child in runs.children(tx, run.id):
        if child.detail.get("step") == step and child.ended_at is None:
            error = child.error or f"its process ({other.pid} on {other.host}) was given up"
            gone = dataclasses.replace(child, status=RunStatus.LOST, ended_at=ws.clock.now(), error=error)
            runs.save(tx, gone)


def _state(
    ws: Workspace, whole: Plan, run: Run, step: str, mine: Planned | None, progress: Progress | None, forced: str
) -> State:
    """The pipeline's run as it is, as if this process had done it all."""
    steps = dict(run.detail["steps"])
    tried = [child for child in runs.children(ws.store, run.id) if child.detail.get("step") == step]
    state = State(
        ws=ws,
        plan=dataclasses.replace(whole, steps={} if mine is None else {step: mine}),
        run=run,
        progress=progress,
        forced=forced,
        keep_going=True,
        steps=steps,
        failures=[_why(how) for how in steps.values() if how["status"] in ("FAILED", "STOPPED")],
        others=frozenset(steps),
        kept={child.name: child for child in tried if child.status in (RunStatus.COMPLETED, RunStatus.CACHED)},
        earlier=None if forced else of_steps(ws, run, reversed(tried), repeat_effects=True),
    )
    for earlier in whole.graph.earlier(step) if mine is not None else ():
        if (how := steps.get(earlier)) is not None:
            done = [runs.as_stored(ws.store, one) for one in _made_by(how)]
            state.given[earlier] = Given.of(ws.store, done, many="each" in how)
    return state


def _why(how: Mapping[str, Any]) -> str:
    """Why a step has failed; of one with `foreach`, why its first execution did that failed."""
    each = [_why(one) for one in how.get("each", {}).values() if one["status"] == how["status"]]
    return each[0] if each else str(how["why"])


def _made_by(how: Mapping[str, Any]) -> Iterator[str]:
    """The runs that hold what a step hands on, in order."""
    if "each" in how:
        for name in how["order"]:
            yield from _made_by(how["each"][name])
    elif how["status"] in ("COMPLETED", "CACHED"):
        yield how["run"]


def _closed(state: State, whole: Plan, pipeline: Pipeline, step: str) -> Run:
    """We are no longer at work. What follows from it for the other steps and for the run is kept in one transaction:
    of two steps that end at the same moment, the second one sees the first."""
    ws = state.ws
    with ws.store.transaction() as tx:
        run = runs.as_stored(tx, state.run.id)
        at_work = {s: owner for s, owner in run.detail["at_work"].items() if s != step}
        before = {s: how for s, how in run.detail["steps"].items() if how.get("passed_on")}
        steps = {s: how for s, how in run.detail["steps"].items() if s not in before}
        for passed, status, why in _passed_on(whole, steps, at_work):
            how: dict[str, Any] = {"status": status, "why": why, "passed_on": True}
            known = before.get(passed, {})
            if (known.get("status"), known.get("why")) == (status, why):
                how = known
            elif status == "SKIPPED":
                skipped = state.ended_run(passed, passed, RunStatus.SKIPPED, whole.steps[passed].notebook, {"why": why})
                runs.save(tx, skipped)
                how |= {"skipped": True, "run": skipped.id}
            steps[passed] = how
        states = {s: how["status"] for s, how in steps.items()}
        open_ = [s for s in whole.graph.order if s not in steps]
        status, error = RunStatus.IN_PROGRESS, None
        if not at_work and not open_:
            bad = next((s for s in (*whole.graph.order, step) if states.get(s) in ("FAILED", "STOPPED")), None)
            status = RunStatus.COMPLETED if bad is None else RunStatus(states[bad])
            error = None if bad is None else redact_text(f"ExecutionError: {_why(steps[bad])}")
            if bad is None and pipeline.on_failure is not None:
                steps[pipeline.on_failure] = {"status": "", "why": NOTHING_FAILED}
        others = [wire.from_json(Owner, owner) for owner in at_work.values()]
        run = dataclasses.replace(
            run,
            status=status,
            error=error,
            ended_at=ws.clock.now() if status.ended else None,
            owner=next(iter(sorted(others, key=alive, reverse=True)), None),
            detail={**run.detail, "steps": steps, "at_work": at_work},
        )
        runs.save(tx, run)
    return run


def _passed_on(whole: Plan, steps: Mapping[str, Any], at_work: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(step, status, why) of every step that isn't going to run, for one that it needs didn't."""
    states = {s: how["status"] for s, how in steps.items()}
    skipped = {s for s, how in steps.items() if how.get("skipped")}
    for s in whole.graph.order:
        needs = whole.graph.needs[s]
        if s in states or s in at_work or any(n not in states for n in needs):
            continue
        failed = next((n for n in whole.graph.earlier(s) if states.get(n) in FAILED), None)
        over = next((n for n in needs if n in skipped), None)
        if failed is not None:
            states[s] = ""
            yield s, "", f"not run: {failed!r} failed"
        elif over is not None and not whole.steps[s].spec.after_skip:
            states[s] = "SKIPPED"
            skipped.add(s)
            yield s, "SKIPPED", f"{over!r} was skipped"
