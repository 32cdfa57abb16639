"""The state guard: is what a notebook shows what running it from top to bottom would show?

Each cell's last execution is asked where its inputs came from. From the cell above that makes them, as that cell is
now: then it is true. Otherwise there is a finding, unless the digests show that the value is the same anyway. What
nobody recorded (untracked cells, values that have no digest) is judged by the text and the execution counts alone,
and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from nbops.core.canonical import digest
from nbops.core.errors import NotebookError
from nbops.core.runs import CellRecord
from nbops.lineage.effects import Effects, effects
from nbops.lineage.history import Execution, History, data_names, history, kernel_of
from nbops.lineage.since_saved import since_saved
from nbops.lineage.targets import notebook_runs
from nbops.notebook import embedded
from nbops.notebook.code import code_digest
from nbops.notebook.files import Cell, Notebook
from nbops.notebook.parameters import INJECTED
from nbops.store import runs
from nbops.workspace import Workspace


class StaleKind(StrEnum):
    ORDER = "out of order"
    EDITED = "edited"
    INPUT = "input changed"
    DELETED = "deleted cell"
    SESSION = "earlier session"
    COUNTS = "counts"  # they don't ascend, but no value is known to be wrong by that


@dataclass(frozen=True, kw_only=True)
class Stale:
    """One thing that isn't as it looks (of the kind COUNTS: one that only looks wrong). `cell` counts all cells of the
    notebook from 0; in a session without a notebook file it is None. `said` is how people find it: ``cell 3 (In [5])``;
    `cell_id` is the front end's id, where there is one."""

    cell: int | None
    said: str
    kind: StaleKind
    why: str
    cell_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A cell as it is shown, with the execution its output is of. `at` is the index in the history; for a cell that was
    not tracked, `order` is all there is: its execution count."""

    index: int | None
    cell_id: str | None
    source: str
    count: int | None
    at: int | None
    order: float
    effects: Effects
    tracked: bool

    @property
    def said(self) -> str:
        where = f"cell {self.index + 1}" if self.index is not None else "a cell"
        return f"{where} (In [{self.count}])" if self.count is not None else where


def stale_notebook(ws: Workspace, notebook: Notebook, *, kernel: str | None = None) -> tuple[Stale, ...]:
    """What isn't true in a notebook file: from the records in its outputs, those in the store, and its execution
    counts. In the order of the cells. `kernel` is the run of one that has run cells since the file was saved: they are
    judged as they ran."""
    carried = _carried(notebook)
    shown = kernel or _kernel(ws, notebook, carried)
    past = history(ws, shown) if shown is not None else None
    if kernel is not None and past is not None:
        notebook, carried = since_saved(notebook, past, carried)
    return _judge(notebook, past, carried, ws)


def stale_session(ws: Workspace, run_id: str, notebook: Notebook | None = None) -> tuple[Stale, ...]:
    """What isn't true in the kernel that a run belongs to, by its records; with the notebook as last saved, if there is
    one, edited and deleted cells are seen too. Cells that ran since are judged as they ran."""
    past = history(ws, run_id)
    if notebook is not None:
        return _judge(since_saved(notebook, past, {})[0], past, {}, ws)
    shown = _by_first_execution(past)
    return tuple(_findings(shown, past, set()))


def kernel_shown(ws: Workspace, notebook: Notebook) -> str | None:
    """The run of the kernel whose state a notebook file shows: the newest that its records are of; without records, the
    newest it is known to have run in. None if the store knows neither."""
    return _kernel(ws, notebook, _carried(notebook))


def _carried(notebook: Notebook) -> dict[int, CellRecord]:
    """The records in the notebook's outputs, by cell; one that was altered, or is a newer nbops's, says nothing."""
    found: dict[int, CellRecord] = {}
    for item in embedded.embedded(notebook):
        if embedded.check(item.payload):
            with suppress(NotebookError):
                found[item.cell_index] = embedded.record_from(item.payload)
    return found


def _kernel(ws: Workspace, notebook: Notebook, carried: Mapping[int, CellRecord]) -> str | None:
    there = [r for r in carried.values() if runs.exists(ws.store, r.run)]
    if there:
        newest = max(there, key=lambda r: r.started_at.timestamp() if r.started_at else 0.0)
        return kernel_of(ws, runs.as_stored(ws.store, newest.run)).id
    if carried:
        return None
    known = notebook_runs(ws, str(notebook.path)) if any(c.execution_count for c in notebook.code_cells()) else []
    return known[0].id if known else None


def _judge(
    notebook: Notebook, past: History | None, carried: Mapping[int, CellRecord], ws: Workspace
) -> tuple[Stale, ...]:
    found: list[Stale] = []
    shown: list[_Shown] = []
    keys = {e.key: i for i, e in enumerate(past.executions)} if past else {}
    known: dict[str, str] = {}
    data = (past.data if past else frozenset()) | data_names(carried.values())
    taken: set[int] = set()
    for cell in notebook.code_cells():
        record = carried.get(cell.index)
        at = keys.get((record.run, record.seq)) if record else _matching(cell, past, taken)
        if at is not None and past is not None:
            taken.add(at)
        execution = past.executions[at] if past is not None and at is not None else None
        if record is not None and execution is None and past is not None:
            known_run = runs.as_stored(ws.store, record.run) if runs.exists(ws.store, record.run) else None
            foreign = known_run is not None and "restored" not in known_run.detail  # of those no kernel is known
            if foreign:
                found.append(_finding(cell, StaleKind.SESSION, "its output is of an earlier session of the kernel"))
        source = execution.record.source if execution else record.source if record else None
        if source is not None and not _same_code(source, execution, cell):
            why = "it was edited after it ran: the output is that of other code"
            found.append(_finding(cell, StaleKind.EDITED, why))
        done = execution.effects if execution else effects(cell.source, record, known, data)
        known.update(done.imports)
        count = execution.record.execution_count if execution else cell.execution_count
        shown.append(
            _Shown(
                index=cell.index,
                cell_id=cell.id,
                source=cell.source,
                count=count,
                at=at,
                order=float(count) if count is not None and not (record and not execution) else -1.0,
                effects=done,
                tracked=execution is not None,
            )
        )
    found += _findings(shown, past, {f.cell for f in found})
    return tuple(sorted(found, key=lambda f: f.cell if f.cell is not None else -1))


def _same_code(source: str, execution: Execution | None, cell: Cell) -> bool:
    """Is the cell's code what ran? Comments and blank lines may differ, where the text that ran is kept."""
    if source == digest(cell.source):
        return True
    text = execution.text if execution else None
    return text is not None and code_digest(text) == code_digest(cell.source)


def _matching(cell: Cell, past: History | None, taken: set[int]) -> int | None:
    """The last execution of a cell that carries no record: by the front end's id, else by its count and text."""
    if past is None or cell.execution_count is None:
        return None
    for at in range(len(past.executions) - 1, -1, -1):
        record = past.executions[at].record
        if at in taken or record.execution_count is None:
            continue
        if record.cell_id is not None and record.cell_id == cell.id:
            return at
        if record.execution_count == cell.execution_count and (
            record.cell_id is None and (record.source == digest(cell.source) or INJECTED in cell.tags)
        ):
            return at
    return None


def _by_first_execution(past: History) -> list[_Shown]:
    """The cells of a session whose notebook can't be seen: each in the place where it first ran."""
    last: dict[str, int] = {}
    for at, execution in enumerate(past.executions):
        if execution.record.execution_count is not None:
            last[execution.cell] = at  # a dict keeps the place of the first
    return [
        _Shown(
            index=None,
            cell_id=past.executions[at].record.cell_id,
            source="",
            count=past.executions[at].record.execution_count,
            at=at,
            order=float(past.executions[at].record.execution_count or 0),
            effects=past.executions[at].effects,
            tracked=True,
        )
        for at in last.values()
    ]


def _findings(shown: list[_Shown], past: History | None, untrue: set[int | None]) -> list[Stale]:
    """`untrue` are the cells (by index) that are known to show something else than they would now."""
    found: list[Stale] = []
    wrong = {place for place, cell in enumerate(shown) if cell.index is not None and cell.index in untrue}
    for place, cell in enumerate(shown):
        if cell.order < 0:
            continue
        inherited: Stale | None = None
        for name in _inputs(cell, past):
            one = _input(name, place, shown, past)
            if one is not None and one not in found:
                found.append(one)
                wrong.add(place)
            expected = _expected(name, place, shown)
            if inherited is not None or expected is None or shown.index(expected) not in wrong:
                continue
            if not _whatever_it_read(name, expected, past, edited=expected.index in untrue):
                why = f"it used {name!r} of {expected.said}, which is stale itself"
                inherited = _stale(cell, StaleKind.INPUT, why)
        if inherited is not None and place not in wrong:
            found.append(inherited)
            wrong.add(place)
    return found + _counts(shown, wrong)


def _whatever_it_read(name: str, cell: _Shown, past: History | None, *, edited: bool) -> bool:
    """Is what the cell makes under this name an import, or a function or literal of its text, whatever its inputs?"""
    if name in cell.effects.imports:
        return True
    literal = past is not None and cell.at is not None and name in past.executions[cell.at].record.params
    return not edited and (literal or name in cell.effects.functions)


def _inputs(cell: _Shown, past: History | None) -> list[str]:
    """The names whose value from before the cell certainly read."""
    execution = past.executions[cell.at] if past is not None and cell.at is not None else None
    later = frozenset().union(*cell.effects.late.values())  # read when its functions are called, not yet
    return [
        name
        for name in sorted(cell.effects.needs)
        if not name.startswith("<")
        and (
            name in cell.effects.firmly
            or (execution is not None and execution.read(name) is not None and name not in later)
        )
    ]


def _expected(name: str, place: int, shown: list[_Shown]) -> _Shown | None:
    """The cell above that would make a name what the cell at `place` reads, if all ran from top to bottom."""
    return next((c for c in reversed(shown[:place]) if name in c.effects.makes), None)


def _input(name: str, place: int, shown: list[_Shown], past: History | None) -> Stale | None:
    """What is wrong with one input of one cell, if anything is."""
    cell = shown[place]
    expected = _expected(name, place, shown)
    actual = _maker(name, cell, shown, past)
    if isinstance(actual, Execution):  # by a cell that isn't shown any more, or an earlier run of one that is
        was = _still_shown(actual, shown)
        if was is None and expected is not None and actual.record.cell_id is None and expected.order > cell.order:
            was = expected  # edited and run again, as far as can be told without the front end's ids
        if was is None:
            if _same(name, cell, expected, past):
                return None
            why = f"it used {name!r} as a cell made it ({actual.said}) that isn't in the notebook any more"
            return _stale(cell, StaleKind.DELETED, why)
        actual = was
    if expected is None:
        if actual is None or actual is cell or name in actual.effects.imports:
            return None
        why = f"it used {name!r} from {actual.said}, which stands below it: from top to bottom there is no {name!r} yet"
        return _stale(cell, StaleKind.ORDER, why)
    if name in expected.effects.imports or expected.order < 0 or _same(name, cell, expected, past):
        return None
    sure = _told(name, cell, expected, past)
    doubt = "" if sure else "; whether the value is the same isn't recorded"
    if expected.order > cell.order:
        if actual is None or actual is expected:
            why = f"{name!r} was made again by {expected.said} after it ran{doubt}"
            return _stale(cell, StaleKind.INPUT, why)
        why = f"it ran before {expected.said}, which stands above it and makes {name!r}{doubt}"
        return _stale(cell, StaleKind.ORDER, why)
    if actual is cell:
        if not sure and name not in cell.effects.binds and _fits(name, cell, past):
            return None  # fitting an estimator again begins anew
        why = f"it ran more than once, on its own earlier {name!r} and not on that of {expected.said}{doubt}"
        return _stale(cell, StaleKind.ORDER, why)
    if actual is not None and actual is not expected:
        why = f"it used {name!r} from {actual.said}, from top to bottom it would be that of {expected.said}{doubt}"
        return _stale(cell, StaleKind.ORDER, why)
    return None


def _maker(name: str, cell: _Shown, shown: list[_Shown], past: History | None) -> _Shown | Execution | None:
    """Who gave `name` the value that the cell used."""
    makers: list[tuple[float, _Shown | Execution]] = [
        (c.order, c) for c in shown if not c.tracked and 0 <= c.order < cell.order and name in c.effects.makes
    ]
    if past is not None and cell.at is not None:
        at = past.maker(name, cell.at)
        if at is not None:
            execution = past.executions[at]
            one = next((c for c in shown if c.at == at), None)
            makers.append((float(execution.record.execution_count or 0), one if one is not None else execution))
    elif past is not None:  # not tracked itself: by its count
        for at, execution in enumerate(past.executions):
            count = float(execution.record.execution_count or 0)
            if count < cell.order and name in execution.effects.makes:
                one = next((c for c in shown if c.at == at), None)
                makers.append((count, one if one is not None else execution))
    return max(makers, key=lambda pair: pair[0])[1] if makers else None


def _still_shown(execution: Execution, shown: list[_Shown]) -> _Shown | None:
    """The cell that an earlier execution was of, if it is still there: it has run again, or was edited, since."""
    record = execution.record
    if record.cell_id is not None:
        return next((c for c in shown if c.cell_id == record.cell_id), None)
    return next((c for c in shown if digest(c.source) == record.source), None)


def _same(name: str, cell: _Shown, expected: _Shown | None, past: History | None) -> bool:
    """Do the records show that the cell used the very value that the cell above it makes now?"""
    if expected is None or past is None or cell.at is None or expected.at is None:
        return False
    reader, writer = past.executions[cell.at], past.executions[expected.at]
    if reader.read(name) is not None:
        return reader.read(name) == writer.wrote(name)
    before = past.maker(name, cell.at)
    if before is None:
        return False
    made = past.executions[before]
    if name in made.record.params and name in writer.record.params:
        return bool(made.record.params[name] == writer.record.params[name])
    if name in made.effects.functions and name in writer.effects.functions:
        return made.record.source == writer.record.source
    models = [{m.digest for m in e.record.models if m.name == name and m.digest} for e in (made, writer)]
    return bool(models[0]) and models[0] == models[1]


def _fits(name: str, cell: _Shown, past: History | None) -> bool:
    """Is the name that of an estimator that the cell fitted?"""
    return (
        past is not None and cell.at is not None and any(m.name == name for m in past.executions[cell.at].record.models)
    )


def _told(name: str, cell: _Shown, expected: _Shown, past: History | None) -> bool:
    """Is the value recorded on both sides, so that its being another one is certain?"""
    if past is None or cell.at is None or expected.at is None:
        return False
    reader, writer = past.executions[cell.at], past.executions[expected.at]
    if reader.read(name) is not None and writer.wrote(name) is not None:
        return True
    before = past.maker(name, cell.at)
    made = past.executions[before] if before is not None else None
    return made is not None and name in made.record.params and name in writer.record.params


def _counts(shown: list[_Shown], wrong: set[int]) -> list[Stale]:
    """The first count that doesn't ascend among cells of which nothing worse is known."""
    highest: _Shown | None = None
    for place, cell in enumerate(shown):
        if cell.order < 0 or place in wrong or cell.index is None:
            continue
        if highest is not None and cell.order < highest.order:
            why = f"it ran before {highest.said}, which stands above it; no value is known to be wrong by that"
            return [_stale(cell, StaleKind.COUNTS, why)]
        highest = cell
    return []


def _stale(cell: _Shown, kind: StaleKind, why: str) -> Stale:
    return Stale(cell=cell.index, said=cell.said, kind=kind, why=why, cell_id=cell.cell_id)


def _finding(cell: Cell, kind: StaleKind, why: str) -> Stale:
    said = f"cell {cell.index + 1}" + (f" (In [{cell.execution_count}])" if cell.execution_count else "")
    return Stale(cell=cell.index, said=said, kind=kind, why=why, cell_id=cell.id)
