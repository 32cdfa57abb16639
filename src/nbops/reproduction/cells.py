"""What the cells of a run did, in the order they ran: its own records, and those of the named cells under it."""

from __future__ import annotations

from collections.abc import Iterable

from nbops.core.canonical import digest
from nbops.core.errors import CorruptArtifactError, UnknownNameError
from nbops.core.runs import CellRecord, Run, RunKind
from nbops.lineage.history import kernel_of
from nbops.store import records, runs
from nbops.store.database import Reader
from nbops.workspace import Workspace

Key = tuple[int, int]
"""(number of the code cell among those that ran, from 1; number among its records)."""


def recorded(reader: Reader, run: Run) -> list[CellRecord]:
    """The records of a run and of the blocks directly under it, in the order in which the cells ran."""
    blocks = [r for r in runs.children(reader, run.id) if r.kind is RunKind.BLOCK]
    found = [record for r in (run, *blocks) for record in records.of_run(reader, r.id)]
    return sorted(found, key=_when)


def by_cell(found: Iterable[CellRecord]) -> dict[Key, CellRecord]:
    """Records of a kernel that ran each cell once, in order: there the execution count is the cell's number."""
    keyed: dict[Key, CellRecord] = {}
    for record in found:
        number = record.execution_count or 0
        keyed[number, sum(n == number for n, _ in keyed)] = record
    return keyed


def source_text(ws: Workspace, record: CellRecord) -> tuple[str | None, bool]:
    """(the text of a record's cell as kept, whether that is the text that ran). What looks like a secret was taken
    out before it was kept; None where nothing was kept, or it is gone."""
    text = records.cell_text(ws.store, record.run, record.seq)
    if text is None and record.execution_count is None:
        text = _script(ws, record)
    return text, text is not None and digest(text) == record.source


def _script(ws: Workspace, record: CellRecord) -> str | None:
    """The text of the script that a block is in, which its session keeps."""
    kept = records.artifacts(ws.store, kernel_of(ws, runs.get(ws.store, record.run)).id, "source")
    try:
        return ws.artifacts.read_bytes(kept[-1].digest).decode("utf-8", "replace") if kept else None
    except (CorruptArtifactError, UnknownNameError):
        return None


def _when(record: CellRecord) -> tuple[int, str, int]:
    return record.execution_count or 0, str(record.started_at), record.seq
