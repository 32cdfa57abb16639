"""A notebook as it stands: the newest record of each of its cells, and what is not as it looks, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import digest
from nbops.core.runs import CellRecord, CellStatus, Run, RunKind
from nbops.lineage.badges import LEAKY, Badge, badges, session_badges
from nbops.lineage.history import History, history
from nbops.lineage.since_saved import since_saved
from nbops.lineage.stale import StaleKind
from nbops.lineage.targets import notebook_runs
from nbops.notebook.files import Notebook, read
from nbops.workspace import Workspace, relative

_WORDS = {StaleKind.INPUT: "stale", StaleKind.SESSION: "stale", StaleKind.DELETED: "deleted"}
_KERNELS = 3  # the newest, whose records are shown


@dataclass(frozen=True, kw_only=True)
class CellState:
    """`index` is the cell's place in the notebook, None if it isn't there any more. `badges` are words (stale, out of
    order, edited, deleted, leaky, maybe leaky, failed), each with a sentence."""

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
    if not kernels:
        return NotebookState(notebook=name, cells=(), kernel=None)
    book = read(path) if path.is_file() else None
    places = _places(book)
    pasts = [history(ws, kernel.id) for kernel in kernels]
    said = _said(ws, book, pasts[0])
    cells = []
    for key, (run, record) in _newest(pasts).items():
        words = dict(said.get(key, {}))
        if book is not None and record.cell_id and key not in places:
            words = {"deleted": "this cell is not in the notebook any more"}
        if record.status is not CellStatus.OK:
            words["failed"] = record.error or record.status.value
        named = run.name if run.kind is RunKind.BLOCK else None
        cells.append(CellState(index=places.get(key), name=named, record=record, badges=words))
    cells.sort(key=lambda c: (c.index is None, c.index or 0, c.record.seq))
    return NotebookState(notebook=name, cells=tuple(cells), kernel=kernels[0])


def _newest(pasts: Sequence[History]) -> dict[str, tuple[Run, CellRecord]]:
    """{cell: its newest execution}; a cell is its id, or where the front end gave none, its text."""
    return {e.cell: (e.run, e.record) for past in reversed(pasts) for e in past.executions}


def _places(book: Notebook | None) -> dict[str, int]:
    """{cell: its place}, by id and by text."""
    cells = book.code_cells() if book is not None else ()
    return {digest(c.source): c.index for c in reversed(cells)} | {c.id: c.index for c in cells if c.id}


def _said(ws: Workspace, book: Notebook | None, newest: History) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    kernel = newest.kernel.id
    if book is None:
        said = session_badges(ws, kernel)
    else:
        said = badges(ws, book, kernel=kernel if since_saved(book, newest, {})[1] else None)
    for badge in said:
        if badge.cell_id is not None and badge.kind != StaleKind.COUNTS:
            found.setdefault(badge.cell_id, {})[_word(badge)] = badge.why
    return found


def _word(badge: Badge) -> str:
    if badge.kind == LEAKY:
        return LEAKY if badge.certain else f"maybe {LEAKY}"
    return _WORDS.get(StaleKind(badge.kind), badge.kind)
