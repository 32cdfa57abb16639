"""A notebook as its kernel has it: what ran after the file was last saved, as it ran.

Front ends save when asked, else every few minutes. Until then the file has another text for a cell that was edited and
run, and its earlier output or none: judged by that, a cell that has just run would be called edited, or stale still.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from nbops.core.runs import CellRecord
from nbops.lineage.history import History
from nbops.notebook.files import Notebook

_TICK = timedelta(milliseconds=10)  # a file's time is that of the system's last tick


def since_saved(
    notebook: Notebook, past: History, carried: Mapping[int, CellRecord]
) -> tuple[Notebook, dict[int, CellRecord]]:
    """The notebook and the records that its cells carry (by index) with what `past` says of cells that ran since.

    Cells are known by the front end's id; of one whose text wasn't kept the file's is taken."""
    ran = {e.record.cell_id: e for e in past.executions if e.record.cell_id is not None}
    try:
        saved_at = datetime.fromtimestamp(notebook.path.stat().st_mtime, UTC)
    except OSError:
        return notebook, dict(carried)
    cells, records = list(notebook.data["cells"]), dict(carried)
    for cell in notebook.code_cells():
        execution = ran.get(cell.id) if cell.id is not None else None
        if execution is None or (ended := _ended(execution.record)) is None or ended <= saved_at + _TICK:
            continue
        records[cell.index] = execution.record
        text = cell.source if execution.text is None else execution.text
        count = execution.record.execution_count
        cells[cell.index] = {**cells[cell.index], "source": text, "execution_count": count}
    return Notebook(path=notebook.path, data={**notebook.data, "cells": cells}), records


def _ended(record: CellRecord) -> datetime | None:
    if record.started_at is None:
        return None
    return record.started_at + timedelta(seconds=record.seconds)
