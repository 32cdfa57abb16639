"""A notebook as it stands: the newest record of each of its cells, and what is not as it looks, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nbops.core.canonical import digest
from nbops.core.runs import CellRecord, CellStatus, Run
from nbops.lineage import leakage
from nbops.lineage.history import History, history
from nbops.lineage.stale import StaleKind, stale_notebook
from nbops.lineage.targets import notebook_runs
from nbops.notebook.files import Notebook, read
from nbops.store import records
from nbops.workspace import Workspace, relative

_BADGES = {
    StaleKind.ORDER: "out of order",
    StaleKind.EDITED: "edited",
    StaleKind.INPUT: "stale",
    StaleKind.SESSION: "stale",
    StaleKind.DELETED: "deleted",
}
_KERNELS = 3  # the newest, whose records are shown


@dataclass(frozen=True, kw_only=True)
class CellState:
    """`index` is the cell's place in the notebook, None if it isn't there any more. `badges` are words (stale, out of
    order, edited, deleted, leaky, failed), each with a sentence."""

    index: int | None
    name: str | None  # of %%track NAME
    record: CellRecord
    badges: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class NotebookState:
    """`kernel` is the run of the newest kernel, None where nothing is recorded."""

    notebook: str
    cells: tuple[CellState, ...]
    kernel: Run | None


def notebook_state(ws: Workspace, path: Path) -> NotebookState:
    """What is known of a notebook file, in the order of its cells; cells that are gone come last.

    Raises
    ------
    NotebookError
        If there is such a file and it can't be read.
    """
    name = relative(ws, path)
    kernels = notebook_runs(ws, name)[:_KERNELS]
    book = read(path) if path.is_file() else None
    pasts = [history(ws, run.id) for run in kernels]
    newest = _newest(pasts)
    places = _places(book)
    findings = _stale(ws, book) if pasts and book is not None else {}
    leaks = _leaks(ws, pasts[0]) if pasts else {}
    cells = []
    for key, (run, record) in newest.items():
        index = places.get(key)
        badges = dict(findings.get(index, {})) if index is not None else {}
        if index is None and book is not None and key in _ids(pasts):
            badges["deleted"] = "this cell is not in the notebook any more"
        if record.status in (CellStatus.ERROR, CellStatus.INTERRUPTED):
            badges["failed"] = record.error or record.status.value
        if (record.run, record.seq) in leaks:
            badges["leaky"] = leaks[record.run, record.seq]
        cells.append(CellState(index=index, name=run.name if run.parent else None, record=record, badges=badges))
    cells.sort(key=lambda c: (c.index is None, c.index or 0, c.record.seq))
    return NotebookState(notebook=name, cells=tuple(cells), kernel=kernels[0] if kernels else None)


def _newest(pasts: Sequence[History]) -> dict[str, tuple[Run, CellRecord]]:
    """{cell: its newest execution}; a cell is its id, or where the front end gave none, its text."""
    found: dict[str, tuple[Run, CellRecord]] = {}
    for past in reversed(pasts):
        for execution in past.executions:
            found[execution.cell] = (execution.run, execution.record)
    return found


def _ids(pasts: Sequence[History]) -> set[str]:
    return {e.record.cell_id for past in pasts for e in past.executions if e.record.cell_id}


def _places(book: Notebook | None) -> dict[str, int]:
    places: dict[str, int] = {}
    for cell in book.code_cells() if book is not None else ():
        if cell.id:
            places[cell.id] = cell.index
        places.setdefault(digest(cell.source), cell.index)
    return places


def _stale(ws: Workspace, book: Notebook) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for finding in stale_notebook(ws, book):
        badge = _BADGES.get(finding.kind)
        if badge is not None and finding.cell is not None:
            found.setdefault(finding.cell, {})[badge] = finding.why
    return found


def _leaks(ws: Workspace, past: History) -> dict[tuple[str, int], str]:
    """{execution: what leaked there}, of every model judged in a kernel."""
    said = {e.said: e.key for e in past.executions}
    found: dict[tuple[str, int], str] = {}
    for execution in past.executions:
        for use in execution.record.models:
            if use.digest and use.evaluation:
                for why, cells in _leak(_Place(ws), *execution.key, use.digest):
                    found.update({said[c]: why for c in cells if c in said})
    return found


class _Place:
    """A workspace as part of a cache's key: by where its store is."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws

    def __hash__(self) -> int:
        return hash(self.ws.home)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and other.ws.home == self.ws.home


@lru_cache(maxsize=256)
def _leak(place: _Place, run: str, seq: int, model: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What leaked into one judged model: its rows are looked at once, however often the notebook is shown."""
    record = next(r for r in records.of_run(place.ws.store, run) if r.seq == seq)
    use = next(m for m in record.models if m.digest == model)
    return tuple((f.why, f.cells) for f in leakage.check_model(place.ws, use) if f.leak)
