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
from nbops.checkpoints.plan import NoPlan, effect, plan
from nbops.core.errors import ExecutionError
from nbops.core.runs import CellRecord, CellStatus, Run, RunKind, RunStatus
from nbops.notebook import files
from nbops.pipeline.checkpointing import Resume
from nbops.store import records, runs
from nbops.workspace import Workspace, relative


def checkpoint_folder(ws: Workspace, run_id: str) -> Path:
    return ws.home / "checkpoints" / run_id


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What the next attempt takes over from `run`."""

    run: Run
    notebook: Path
    params: Mapping[str, Any]
    resume: Resume


def next_attempt(ws: Workspace, run_id: str, notebook: Path | None = None, *, repeat_effects: bool = False) -> Attempt:
    """How a run that didn't come to its end may go on.

    Raises
    ------
    UnknownNameError
    ExecutionError
        If it can't: the message says why.
    """
    run = runs.get(ws.store, run_id)
    if run.kind is not RunKind.STEP or run.notebook is None:
        raise ExecutionError(f"run {run.id} is no executed notebook ({run.kind}); only those can be resumed")
    if run.status is RunStatus.COMPLETED or not run.status.ended:
        raise ExecutionError(f"run {run.id} is {run.status.lower()}; only one that didn't come to its end is resumed")
    if notebook is not None and relative(ws, notebook) != run.notebook:
        raise ExecutionError(f"run {run.id} is of {run.notebook}, not of {relative(ws, notebook)}")
    notebook = notebook or ws.root / run.notebook
    written = run.detail.get("executed") or relative(ws, ws.home / "runs" / run.id / notebook.name)
    executed = files.read(ws.root / str(written)).data
    folder = checkpoint_folder(ws, run.id)
    kept = folders.boundaries(folder) if folder.is_dir() else []
    cells = executed["cells"]
    failed = next(
        (i for i, c in enumerate(cells) if c["metadata"].get("papermill", {}).get("status") != "completed"), len(cells)
    )
    if kept:  # the file may be a second older than the state
        failed = max(failed, kept[0].cell)
    sources = _sources(notebook, cells)
    chosen = plan(
        sources,
        kept,
        failed=failed,
        effects=_effects(ws, run, cells, sources, failed),
        repeat_effects=repeat_effects,
    )
    if isinstance(chosen, NoPlan):
        raise ExecutionError(_refusal(run, chosen))
    return Attempt(
        run=run,
        notebook=notebook,
        params=(executed["metadata"].get("papermill") or {}).get("parameters") or {},
        resume=Resume(attempt=run.id, folder=folder, cell=chosen.cell, again=chosen.again, cells=cells),
    )


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


def _refusal(run: Run, found: NoPlan) -> str:
    if found.effects:
        return (
            f"run {run.id} is not resumed: {found.why}: {', '.join(found.effects)};"
            " --repeat-effects (repeat_effects=True) says that they may be repeated"
        )
    return f"run {run.id} can't be resumed: {found.why}; 'nbops run {run.notebook}' starts from the first cell"
