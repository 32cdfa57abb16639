"""One execution of a notebook: as it is ordered, here or from another process, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import NbopsError, RefusedError
from nbops.core.runs import Run
from nbops.pipeline.checkpointing import NoStateError
from nbops.pipeline.execute import resume_notebook, run_notebook
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.resuming import from_the_top
from nbops.pipeline.step_run import TakenError
from nbops.store import runs
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class GoOn:
    """Go on with the run `run`, which didn't come to its end, if that leads to the same. `changed`: what is known to be
    other than it was then; `repeat_effects`: cells may run again that have had effects outside the notebook."""

    run: str
    changed: str = ""
    repeat_effects: bool = False


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One execution of a notebook, to be made. `name` is unique among those under way; the rest is
    :func:`nbops.pipeline.execute.run_notebook`'s."""

    name: str
    notebook: Path
    params: Mapping[str, Any]
    parent: str | None = None
    output: Path | None = None
    timeout_s: float | None = None
    cell_timeout_s: float | None = None
    inputs_named: Mapping[str, str | list[str]] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    kernel: str | None = None
    warm: bool | None = None
    require_tracking: bool = False
    as_run: str | None = None
    uses: tuple[str, ...] = ()  # what the machine should have: not the notebook's affair
    go_on: GoOn | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of an attempt: a run that came to its end, or why there is none. `taken`: it wasn't made, as its run
    had been begun elsewhere. `no_state`: why it must be made from the top, under another run."""

    name: str
    run: Run | None = None
    error: str = ""
    taken: bool = False
    no_state: str = ""


def execute(ws: Workspace, attempt: Attempt, progress: Progress | None) -> Ended:
    """Execute a notebook in this process."""
    try:
        return Ended(name=attempt.name, run=executed(ws, attempt, progress))
    except RefusedError as error:  # before anything began that would tell
        if progress is not None:
            progress(StepEvent(step=attempt.name, state="failed", why=str(error)))
        return Ended(name=attempt.name, error=f"step {attempt.name!r}: {error}")
    except NbopsError as error:
        no_state = error.why if isinstance(error, NoStateError) else ""
        return Ended(name=attempt.name, error=str(error), taken=isinstance(error, TakenError), no_state=no_state)


def executed(ws: Workspace, attempt: Attempt, progress: Progress | None) -> Run:
    """The notebook's run, from where an attempt before this one can be gone on with, else from the top.

    Raises
    ------
    RefusedError
        If that would repeat effects outside the notebook, unasked.
    NoStateError
        If it can't be gone on with after all, and the run has the one id that the attempt may have.
    NbopsError
        As :func:`nbops.pipeline.execute.run_notebook`.
    """
    ours = ("notebook", "uses", "go_on")
    arguments = {n: getattr(attempt, n) for n in attempt.__dataclass_fields__ if n not in ours}
    last = attempt.go_on
    if last is not None:
        how: dict[str, Any] = {"changed": last.changed, "repeat_effects": last.repeat_effects, "progress": progress}
        try:
            return resume_notebook(ws, last.run, notebook=attempt.notebook, **how, **arguments)
        except NoStateError as none:
            if attempt.as_run is not None and runs.exists(ws.store, attempt.as_run):
                raise  # that was found out in the kernel, and the run has ended
            more = from_the_top(ws, last.run, none.why, repeat_effects=last.repeat_effects)
            arguments["detail"] = {**attempt.detail, **more}
    return run_notebook(ws, attempt.notebook, progress=progress, **arguments)


def order(attempt: Attempt) -> dict[str, Any]:
    """An attempt as JSON has it."""
    output = None if attempt.output is None else str(attempt.output)
    return {**asdict(attempt), "notebook": str(attempt.notebook), "output": output}


def ordered(order: Mapping[str, Any]) -> Attempt:
    """The attempt again."""
    last, output = order["go_on"], order["output"]
    typed = {
        "notebook": Path(order["notebook"]),
        "output": Path(output) if output else None,
        "tags": tuple(order["tags"]),
        "uses": tuple(order["uses"]),
        "go_on": GoOn(**last) if last else None,
    }
    return Attempt(**{**order, **typed})
