"""What ran in one kernel, in order: its records, whole, with the text each cell had.

A kernel's records lie under its session's (or step's) run and under the named blocks below it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from nbops.core import wire
from nbops.core.canonical import parse
from nbops.core.errors import NbopsError
from nbops.core.runs import CellRecord, Run, RunKind
from nbops.lineage.effects import Effects, effects
from nbops.notebook.embedded import LEFT_OUT_NOTE
from nbops.store import records, runs
from nbops.workspace import Workspace

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of one cell. `text` is its text as it ran, redacted; None where it wasn't kept, or the record is
    of a script and not of a cell."""

    run: Run
    record: CellRecord
    text: str | None
    effects: Effects

    @property
    def key(self) -> tuple[str, int]:
        return self.record.run, self.record.seq

    @property
    def cell(self) -> str:
        """What tells cells apart: the front end's id; where it gave none, the text."""
        return self.record.cell_id or self.record.source

    @property
    def said(self) -> str:
        """``In [5]``, as people see it."""
        count = self.record.execution_count
        return f"In [{count}]" if count is not None else f"record {self.record.seq}"

    def wrote(self, name: str) -> str | None:
        """The digest of the data that `name` held after it, if it made it."""
        return next((u.fingerprint.digest for u in self.record.writes if u.name == name), None)

    def read(self, name: str) -> str | None:
        """The digest of the data that `name` held before it, if it read it."""
        return next((u.fingerprint.digest for u in self.record.reads if u.name == name), None)


@dataclass(frozen=True, kw_only=True)
class History:
    """`kernel` is the run of the kernel itself; `executions` are in the order they ran."""

    kernel: Run
    executions: tuple[Execution, ...]

    @property
    def data(self) -> frozenset[str]:
        return data_names(e.record for e in self.executions)

    def maker(self, name: str, before: int) -> int | None:
        """The index of the last execution before index `before` that gave `name` what it then was."""
        made = self._makers.get(name, [])
        place = bisect_left(made, before)
        return made[place - 1] if place else None

    def writer(self, digest: str, before: int) -> int | None:
        """The index of the last execution before index `before` that wrote this content into a variable."""
        wrote = self._writers.get(digest, [])
        place = bisect_left(wrote, before)
        return wrote[place - 1] if place else None

    @cached_property
    def _makers(self) -> dict[str, list[int]]:
        """For each name, the executions that made it; a session may have thousands."""
        found: dict[str, list[int]] = {}
        for at, execution in enumerate(self.executions):
            for name in execution.effects.makes:
                found.setdefault(name, []).append(at)
        return found

    @cached_property
    def _writers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for at, execution in enumerate(self.executions):
            for digest in {w.fingerprint.digest for w in execution.record.writes} - {None}:
                found.setdefault(str(digest), []).append(at)
        return found

    def late(self, names: Iterable[str], before: int) -> frozenset[str]:
        """What calling any of these, as they were before index `before`, may read: functions read their names when they
        are called, and so do objects made by a cell that used such functions."""
        found: set[str] = set()
        seen: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            maker = self.maker(name, before) if name not in seen else None
            seen.add(name)
            if maker is None:
                continue
            made = self.executions[maker]
            if name in made.effects.late:
                found |= made.effects.late[name]
                left += made.effects.late[name]
            elif name not in made.effects.imports and made.wrote(name) is None and name not in made.record.params:
                used = made.effects.needs | made.effects.functions
                left += [n for n in used if n not in seen and self._is_function(n, before)]
        return frozenset(found)

    def _is_function(self, name: str, before: int) -> bool:
        maker = self.maker(name, before)
        return maker is not None and name in self.executions[maker].effects.late


def history(ws: Workspace, run_id: str) -> History:
    """What ran in the kernel that a run belongs to.

    Raises
    ------
    UnknownNameError, AmbiguousError
        If there is no such run.
    """
    kernel = kernel_of(ws, runs.get(ws.store, run_id))
    members = [kernel, *(r for r in runs.children(ws.store, kernel.id) if r.kind is RunKind.BLOCK)]
    found = [(run, whole(ws, record)) for run in members for record in records.of_run(ws.store, run.id)]
    found.sort(key=lambda pair: (pair[1].started_at or _NEVER, pair[1].execution_count or 0, pair[1].seq))
    data = data_names(record for _, record in found)
    known: dict[str, str] = {}
    executions = []
    for run, record in found:
        text = records.cell_text(ws.store, run.id, record.seq)
        done = effects(text, record, known, data)
        known.update(done.imports)
        executions.append(Execution(run=run, record=record, text=text, effects=done))
    return History(kernel=kernel, executions=tuple(executions))


def kernel_of(ws: Workspace, run: Run) -> Run:
    """The session's or step's run that a block belongs to; any other run itself."""
    while run.kind is RunKind.BLOCK and run.parent is not None:
        run = runs.as_stored(ws.store, run.parent)
    return run


def data_names(found: Iterable[CellRecord]) -> frozenset[str]:
    return frozenset(use.name for record in found for use in (*record.reads, *record.writes))


def whole(ws: Workspace, record: CellRecord) -> CellRecord:
    """The record with what was left out of it to keep the notebook small, if that is kept."""
    if not any(note.startswith(LEFT_OUT_NOTE) for note in record.notes):
        return record
    detail = next((a for a in record.artifacts if a.kind == "detail" and a.name == "record.json"), None)
    if detail is None:  # itself left out of a very small record
        kept = records.artifacts(ws.store, record.run, "detail")
        detail = next((a for a in kept if a.name == "record.json"), None)
    try:
        content = ws.artifacts.read_bytes(detail.digest).decode() if detail else ""
    except NbopsError:
        return record
    if not content:
        return record
    full = wire.from_json(CellRecord, parse(content))
    if (full.run, full.source, full.execution_count) != (record.run, record.source, record.execution_count):
        return record
    return wire.from_json(CellRecord, {**wire.to_json(full), "seq": record.seq, "overhead_s": record.overhead_s})
