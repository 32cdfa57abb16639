"""A pipeline's run that didn't come to its end, and what of it the next one needn't do again: steps that completed,
and of a step that didn't the cells before its last state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.core.canonical import canonical
from nbops.core.errors import ParameterError, RefusedError, UnknownNameError, UsageError
from nbops.core.redaction import REDACTED
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline import cache
from nbops.pipeline.attempt import GoOn
from nbops.pipeline.checkpointing import NoStateError
from nbops.pipeline.resuming import from_the_top, next_attempt
from nbops.store import runs
from nbops.workspace import Workspace, relative

LAST = "last"
_COMPARED = ("inputs", "handovers", "environment")  # the rest is compared where the next attempt begins


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """`done` are completed runs of steps, `broken` the newest of those that didn't complete, by the name of the
    execution. `repeat_effects`: cells may run again that have had effects outside the notebook."""

    run: Run
    params: Mapping[str, Any]
    done: Mapping[str, Run]
    broken: Mapping[str, Run]
    repeat_effects: bool = False


def earlier(ws: Workspace, asked: str, name: str | None, *, repeat_effects: bool = False) -> Earlier:
    """What is there of a pipeline's run.

    Parameters
    ----------
    asked : str
        The run, or "last": the newest of the pipeline.
    name : str, optional
        The pipeline, to be sure.

    Raises
    ------
    UnknownNameError, AmbiguousError
    UsageError
        If it is not of that pipeline, or has come to its end.
    RefusedError
        If it, or a step of it, is still running.
    """
    run = _newest(ws, name) if asked == LAST else runs.get(ws.store, asked)
    if run.kind is not RunKind.PIPELINE:
        raise UsageError(f"run {run.id} is no run of a pipeline ({run.kind}); 'nbops run --resume' goes on with a step")
    if name is not None and run.name != name:
        raise UsageError(f"run {run.id} is of the pipeline {run.name!r}, not of {name!r}")
    if run.status is RunStatus.COMPLETED:
        raise UsageError(f"run {run.id} is completed; only one that didn't come to its end can be resumed")
    tried: list[Run] = []
    for attempt in _chain(ws, run):
        children = runs.children(ws.store, attempt.id)
        going = next((r for r in (attempt, *children) if not r.status.ended), None)
        if going is not None:
            raise RefusedError(f"run {going.id} ({going.name}) is still {going.status.lower()}: stop it first, or wait")
        tried += reversed(children)
    return of_steps(ws, run, tried, repeat_effects=repeat_effects)


def of_steps(ws: Workspace, run: Run, tried: Iterable[Run], *, repeat_effects: bool) -> Earlier:
    """What became of the executions of its steps, newest first: what became of one later counts more."""
    done: dict[str, Run] = {}
    broken: dict[str, Run] = {}
    seen: set[str] = set()
    for child in tried:
        if child.kind is not RunKind.STEP or child.name in seen:
            continue
        seen.add(child.name)
        hit = child.detail.get("cached_from")
        if child.status is RunStatus.COMPLETED:
            done[child.name] = child
        elif hit is not None and runs.exists(ws.store, hit):
            done[child.name] = runs.as_stored(ws.store, hit)
        elif child.status not in (RunStatus.SKIPPED, RunStatus.CACHED):
            broken[child.name] = child
    params = runs.params(ws.store, run.id)
    return Earlier(run=run, params=params, done=done, broken=broken, repeat_effects=repeat_effects)


def with_params(found: Earlier, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the next run: those it had, but for those given now.

    Raises
    ------
    ParameterError
        If one is not known any more.
    """
    params = {**found.params, **given}
    for name, value in params.items():
        if REDACTED in canonical(value):
            raise ParameterError(
                f"the parameter {name!r} of run {found.run.id} was not kept, as it looks like a secret: give it again,"
                f" with -p {name}=…"
            )
    return params


def check(ws: Workspace, found: Earlier, notebooks: Mapping[str, Path]) -> None:
    """Refuse before anything is executed what the steps would refuse.

    Raises
    ------
    RefusedError
    """
    for run in found.broken.values():
        notebook = notebooks.get(str(run.detail.get("step")))
        if notebook is not None and relative(ws, notebook) == run.notebook:
            try:
                next_attempt(ws, run.id, notebook, repeat_effects=found.repeat_effects)
            except NoStateError as none:
                from_the_top(ws, run.id, none.why, repeat_effects=found.repeat_effects)


def go_on(
    ws: Workspace, name: str, found: cache.Verdict, before: Earlier | None, last: str | None = None
) -> GoOn | None:
    """Which run an execution of a step goes on with; None if with none.

    Parameters
    ----------
    before : Earlier, optional
        The pipeline's run that is gone on with.
    last : str, optional
        The try that has just failed: that there is another says that its effects may be repeated.
    """
    if last is not None:
        run, allowed = runs.as_stored(ws.store, last), True
    elif before is None:
        return None
    elif name in before.done:  # it has changed, else it would not be done again
        return GoOn(run=before.done[name].id, changed=found.why, repeat_effects=before.repeat_effects)
    elif name in before.broken:
        run, allowed = before.broken[name], before.repeat_effects
    else:
        return None
    then = (run.detail.get("cache") or {}).get("parts")
    changed = cache.changes(then, found.parts, _COMPARED) if then else ""
    return GoOn(run=run.id, changed=changed, repeat_effects=allowed)


def _chain(ws: Workspace, run: Run | None) -> Iterator[Run]:
    """The run, the one it went on with, and so on."""
    while run is not None:
        yield run
        before = (run.detail.get("resumed") or {}).get("attempt")
        run = runs.get(ws.store, before) if before and runs.exists(ws.store, before) else None


def _newest(ws: Workspace, name: str | None) -> Run:
    found = runs.listed(ws.store, kinds=[RunKind.PIPELINE], name=name, limit=1)
    if not found:
        raise UnknownNameError("run to go on with", name or LAST, hint="'nbops pipeline run' makes one")
    return found[0]
