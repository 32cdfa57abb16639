"""``nbops stale NOTEBOOK``: the state guard with the files that the cells read, as they lie there now.

The panel asks :func:`nbops.lineage.stale.stale_notebook` again and again, which opens no data: this reads whole files.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nbops.core.errors import NotebookError, UnknownNameError
from nbops.core.runs import CellRecord, FileUse
from nbops.fingerprints.fingerprint import fingerprint
from nbops.lineage.stale import Stale, StaleKind, kernel_shown, stale_notebook
from nbops.lineage.targets import where_records_are
from nbops.notebook import embedded, files
from nbops.notebook.embedded import EmbeddedRecord
from nbops.workspace import Workspace

LastUses = dict[str, tuple[str | None, int]]
"""Path → (digest, index of the cell) of a file's last use."""


def stale_on_disk(ws: Workspace, path: Path) -> tuple[Stale, ...]:
    """What isn't true in a notebook file, in the order of its cells.

    Raises
    ------
    NotebookError
        If there is no such notebook, or it can't be read.
    UnknownNameError
        If nothing is known of it: it carries no records, and the store knows no run of it.
    """
    book = files.read(path)
    carried = embedded.embedded(book)
    found = list(stale_notebook(ws, book))
    if not carried and not found and kernel_shown(ws, book) is None:
        raise UnknownNameError("record of the notebook", str(path), hint=where_records_are(ws, path))
    last = last_uses(carried)
    already = {one.cell for one in found if one.kind is not StaleKind.COUNTS}
    for item in carried:
        record = _record(item)
        if record is None or item.cell_index in already:
            continue
        for file in record.files:
            if file.mode == "read" and file_now(ws, file, *last[file.path])[0] is False:
                said = f"cell {item.cell_index + 1}" + (f" (In [{n}])" if (n := record.execution_count) else "")
                why = f"the content of {file.path!r} has changed since it read it"
                found.append(
                    Stale(cell=item.cell_index, said=said, kind=StaleKind.INPUT, why=why, cell_id=record.cell_id)
                )
    return tuple(sorted(found, key=lambda one: one.cell if one.cell is not None else -1))


def last_uses(found: list[EmbeddedRecord]) -> LastUses:
    """Of each file the digest it had when it was last used here, and in which cell: only that can be there still."""
    uses = [(record, item.cell_index) for item in found if (record := _record(item)) is not None]
    uses.sort(key=lambda use: use[0].started_at or datetime.min.replace(tzinfo=UTC))
    return {file.path: (file.digest, cell) for record, cell in uses for file in record.files}


def file_now(ws: Workspace, file: FileUse, last: str | None, cell: int) -> tuple[bool | None, str]:
    """Is a file that was used there still, with that content? None where it can't be told; and why."""
    place = ws.root / file.path
    if file.digest is None:
        return None, file.reason or "it was not fingerprinted"
    if file.digest != last:
        return None, f"cell {cell + 1} used another content of it later"
    if not place.is_file():
        return None, "it is gone"
    try:
        now = fingerprint(place)
    except OSError as error:
        return None, f"it can't be read: {error.strerror}"
    if now.digest is None:
        return None, now.reason or "it can't be fingerprinted"
    return now.digest == file.digest, "its content has changed since"


def _record(item: EmbeddedRecord) -> CellRecord | None:
    if embedded.check(item.payload):
        with suppress(NotebookError):
            return embedded.record_from(item.payload)
    return None
