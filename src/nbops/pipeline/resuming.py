"""Another attempt at a notebook that failed: what is known of the first one, and where the next may go on.

A later attempt is a run of its own. The records of the cells it needn't repeat are its records too, marked as kept; its
executed notebook has their outputs. What is needed of the first attempt is read from the notebook as it was executed
and from the states that were kept (:mod:`nbops.checkpoints`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.checkpoints import folder as folders
from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.checkpoints.plan import NoPlan, effect, plan, told
from nbops.core.errors import ExecutionError, NotebookError, RefusedError
from nbops.core.runs import CellRecord, CellStatus, Run, RunKind, RunStatus
from nbops.notebook import files
from nbops.pipeline.changed_since import changed_since
from nbops.pipeline.checkpointing import NoStateError, Resume
from nbops.store import records, runs
from nbops.workspace import Workspace, relative


@dataclasses.dataclass(frozen=True, kw_only=True)
class NextAttempt:
    """What the next attempt takes over from `run`."""

    run: Run
    notebook: Path
    params: Mapping[str, Any]
    resume: Resume


def next_attempt(
    ws: Workspace,
    run_id: str,
    notebook: Path | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    changed: str = "",
    repeat_effects: bool = False,
) -> NextAttempt:
    """How a run that didn't come to its end may go on.

    Parameters
    ----------
    params : mapping, optional
        Those of the next attempt, if they may be others than the run had.
    changed : str
        What else is known to be other than it was then.
    repeat_effects : bool
        Whether cells may run again that have had effects outside the notebook.

    Raises
    ------
    UnknownNameError
    ExecutionError
        If it isn't a run that can be gone on with.
    NoStateError
        If there is no place to go on from, the first cell apart.
    RefusedError
        If only `repeat_effects` is missing.
    """
    run = runs.get(ws.store, run_id)
    if changed:
        raise _no_state(run, changed)
    _check_unfinished(run)
    if notebook is not None and relative(ws, notebook) != run.notebook:
        raise ExecutionError(f"run {run.id} is of {run.notebook}, not of {relative(ws, notebook)}")
    notebook = notebook or ws.root / str(run.notebook)
    executed = _executed(ws, run, notebook)
    if executed is None:
        raise _no_state(run, "the notebook as it was executed is gone")
    cells, had = executed["cells"], (executed["metadata"].get("papermill") or {}).get("parameters") or {}
    folder = checkpoint_folder(ws, run.id)
    kept = folders.boundaries(folder) if folder.is_dir() else []
    failed = _failed(cells)
    if kept:  # the file may be a second older than the state
        failed = max(failed, kept[0].cell)
    sources = _sources(notebook, cells)
    effects = _effects(ws, run, cells, sources, failed)
    if other := changed_since(ws, run, had, params):
        raise _no_state(run, other)
    chosen = plan(sources, kept, failed=failed, effects=effects, repeat_effects=repeat_effects)
    if isinstance(chosen, NoPlan):
        if chosen.effects:
            raise _refused(run, chosen.why, chosen.effects)
        raise _no_state(run, chosen.why)
    return NextAttempt(
        run=run,
        notebook=notebook,
        params=had,
        resume=Resume(
            attempt=run.id,
            folder=folder,
            cell=chosen.cell,
            again=chosen.again,
            cells=cells,
            repeated=chosen.repeated,
        ),
    )


def from_the_top(ws: Workspace, run_id: str, why: str, *, repeat_effects: bool = False) -> dict[str, Any]:
    """What the detail of a run adds that follows another, but can't go on in its middle.

    Raises
    ------
    RefusedError
        If that repeats effects outside the notebook, and it isn't said that it may.
    """
    run = runs.get(ws.store, run_id)
    notebook = ws.root / str(run.notebook)
    executed = _executed(ws, run, notebook)
    repeated: tuple[str, ...] = ()
    if executed is not None:
        cells = executed["cells"]
        failed = _failed(cells)
        effects = _effects(ws, run, cells, [files.joined(cell["source"]) for cell in cells], failed)
        repeated = told(effects, effects)
    if repeated and not repeat_effects:
        raise _refused(run, f"it would start from its first cell ({why}), and cells have had effects", repeated)
    said = f"from the top, not from where run {run.id[:6]} ended: {why}"
    if repeated:
        said += f"; repeated: {', '.join(repeated)}"
    return {"why": said, "resumed": {"attempt": run.id, "from_cell": 1}}


def keep_records(ws: Workspace, resume: Resume, run: Run) -> None:
    """The records of cells that aren't repeated become records of the new attempt too."""
    done = {c.get("id"): place for place, c in enumerate(resume.cells[: resume.cell]) if place not in resume.again}
    with ws.store.transaction() as tx:
        for record in records.of_run(tx, resume.attempt):
            if record.cell_id in done and record.status is CellStatus.OK:
                seq = records.next_seq(tx, run.id)
                notes = (*record.notes, f"kept from run {resume.attempt}")
                new = dataclasses.replace(record, run=run.id, seq=seq, notes=notes)
                records.add(tx, new, cell_text=records.cell_text(tx, resume.attempt, record.seq))


def let_go(ws: Workspace, run: Run) -> None:
    """The run has come to its end: nobody goes on from what was kept for it, or for the attempts before it."""
    attempt: Run | None = run
    while attempt is not None:
        folders.remove(checkpoint_folder(ws, attempt.id))
        before = (attempt.detail.get("resumed") or {}).get("attempt")
        attempt = runs.as_stored(ws.store, before) if before and runs.exists(ws.store, before) else None


def _check_unfinished(run: Run) -> None:
    if run.kind is not RunKind.STEP or run.notebook is None:
        raise ExecutionError(f"run {run.id} is no executed notebook ({run.kind}); only those can be resumed")
    if run.status is RunStatus.COMPLETED or not run.status.ended:
        raise ExecutionError(f"run {run.id} is {run.status.lower()}; only one that didn't come to its end is resumed")


def _executed(ws: Workspace, run: Run, notebook: Path) -> Mapping[str, Any] | None:
    written = run.detail.get("executed") or relative(ws, ws.home / "runs" / run.id / notebook.name)
    try:
        return files.read(ws.root / str(written)).data
    except NotebookError:
        return None


def _failed(cells: list[Mapping[str, Any]]) -> int:
    """The place of the first cell that didn't come to its end."""
    return next(
        (i for i, c in enumerate(cells) if c["metadata"].get("papermill", {}).get("status") != "completed"), len(cells)
    )


def _sources(notebook: Path, executed: list[Mapping[str, Any]]) -> list[str]:
    """The text of each cell as it would be executed now: the notebook's, the injected parameters where they are."""
    now = [files.joined(c["source"]) if c["cell_type"] == "code" else "" for c in files.read(notebook).data["cells"]]
    for place, cell in enumerate(executed):
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            replaced = place < len(now) and now[place] == files.joined(cell["source"])
            if not replaced:
                now.insert(place, files.joined(cell["source"]))
    return now


def _effects(
    ws: Workspace, run: Run, cells: list[Mapping[str, Any]], sources: list[str], failed: int
) -> dict[int, str]:
    """What cells have changed outside the notebook, by place: as their records and their text tell."""
    by_id: dict[str | None, CellRecord] = {r.cell_id: r for r in records.of_run(ws.store, run.id)}
    found = {}
    for place in range(min(failed + 1, len(cells), len(sources))):
        record = by_id.get(cells[place].get("id"))
        said = effect(files.joined(cells[place]["source"])) if cells[place]["cell_type"] == "code" else None
        if record is not None and said is None:
            outside = [f.path for f in record.files if f.mode == "write" and Path(f.path).is_absolute()]
            if "url" in record.uncacheable:
                said = "talks to the network"
            elif outside:
                said = f"writes {outside[0]}"
        if said is not None:
            found[place] = said
    return found


def _no_state(run: Run, why: str) -> NoStateError:
    message = f"run {run.id} can't be resumed: {why}; 'nbops run {run.notebook}' starts from the first cell"
    return NoStateError(message, why)


def _refused(run: Run, why: str, effects: tuple[str, ...]) -> RefusedError:
    return RefusedError(
        f"run {run.id} ({run.name}) is not resumed: {why}: {', '.join(effects)};"
        " --repeat-effects (repeat_effects=True) says that they may be repeated"
    )
