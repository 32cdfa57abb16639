"""What is to be said of each cell of a notebook, for the card and the panel: a short word and a sentence.

This is the one function that faces call for that; its signature and :class:`Badge` are stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import digest
from nbops.core.errors import UnknownNameError
from nbops.lineage.leakage import Finding, check
from nbops.lineage.stale import Stale, StaleKind, kernel_shown, stale_notebook, stale_session
from nbops.lineage.targets import notebook_runs, where_records_are
from nbops.notebook.files import Notebook, read
from nbops.workspace import Workspace

LEAKY = "leaky"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """`cell` counts all cells of the notebook from 0, `cell_id` is the front end's id; either is None where it isn't
    known. `kind` is a word of :class:`~nbops.lineage.stale.StaleKind` or "leaky"; `certain` is whether what was
    recorded proves it; `why` is a sentence."""

    cell: int | None
    cell_id: str | None
    kind: str
    certain: bool
    why: str


def badges(ws: Workspace, notebook: Path | Notebook, *, kernel: str | None = None) -> tuple[Badge, ...]:
    """What isn't as it looks in a notebook file, cell by cell in its order: stale cells, and those that let a model see
    the rows it was judged on. Nothing is executed. Cells of which nothing is known to be wrong have no badge. `kernel`
    is the run of one that has run cells since the file was saved, if there is one: they are judged as they ran.

    Raises
    ------
    NotebookError
        If there is no such notebook, or it can't be read.
    """
    book = notebook if isinstance(notebook, Notebook) else read(notebook)
    shown = kernel or kernel_shown(ws, book)
    leaks = check(ws, shown) if shown is not None else ()
    return _all(stale_notebook(ws, book, kernel=kernel), leaks, book)


def session_badges(ws: Workspace, run_id: str, notebook: Notebook | None = None) -> tuple[Badge, ...]:
    """The same of a living kernel, by the run of its session; with the notebook as last saved, if there is one."""
    return _all(stale_session(ws, run_id, notebook), check(ws, run_id), notebook)


def leaks_of(ws: Workspace, asked: str) -> tuple[Finding, ...]:
    """The leakage check of a run's kernel, or of a notebook's: the one that its outputs are of, else (of the source of
    what was executed elsewhere) the newest it ran in.

    Raises
    ------
    UnknownNameError, AmbiguousError, NotebookError
    """
    if not asked.endswith(".ipynb"):
        return check(ws, asked)
    kernel = kernel_shown(ws, read(Path(asked)))
    known = notebook_runs(ws, asked) if kernel is None else []
    if kernel is None and not known:
        raise UnknownNameError("record of the notebook", asked, hint=where_records_are(ws, asked))
    return check(ws, kernel or known[0].id)


def _all(stale: tuple[Stale, ...], leaks: tuple[Finding, ...], book: Notebook | None) -> tuple[Badge, ...]:
    found = [
        Badge(cell=s.cell, cell_id=s.cell_id, kind=s.kind.value, certain=s.kind is not StaleKind.COUNTS, why=s.why)
        for s in stale
    ]
    for leak in leaks:
        for key in leak.ids if leak.leak and not leak.slight else ():
            cell = next((c for c in book.code_cells() if key in (c.id, digest(c.source))), None) if book else None
            if cell is None and book is not None:
                continue  # a cell that isn't there any more
            found.append(
                Badge(
                    cell=cell.index if cell else None,
                    cell_id=cell.id if cell else key,
                    kind=LEAKY,
                    certain=leak.certain,
                    why=f"{leak.kind.value}: {leak.why}",
                )
            )
    found = list(dict.fromkeys(found))
    return tuple(sorted(found, key=lambda b: b.cell if b.cell is not None else -1))
