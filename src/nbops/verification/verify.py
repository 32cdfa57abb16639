"""``nbops verify NOTEBOOK``: re-derive what a notebook's records claim, as far as it can be.

For each embedded record: is its payload what its digest was made of; is the cell's source the one that ran; has the
store the same record; are the kept artifacts whole; are the files it read and wrote still there with that content. What
can't be re-derived (the data of a variable that is gone) is counted as not checkable, never as well.

And of the notebook as a whole: does it show what running it from top to bottom would (:mod:`nbops.lineage.stale`)?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import digest, dump_encoded
from nbops.core.errors import CorruptArtifactError, NotebookError, UnknownNameError
from nbops.core.runs import CellRecord
from nbops.lineage.on_disk import LastUses, file_now, last_uses
from nbops.lineage.stale import Stale, StaleKind, stale_notebook
from nbops.lineage.targets import where_records_are
from nbops.notebook import embedded, files
from nbops.notebook.embedded import EmbeddedRecord
from nbops.store import deleted_runs, records
from nbops.workspace import Workspace

SAME, DIFFERS, NOT_CHECKABLE = "same", "differs", "not checkable"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at: `cell` counts all cells from 0; `result` is same, differs or not checkable."""

    cell: int
    what: str
    result: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification:
    notebook: str
    records: int
    findings: tuple[Finding, ...]
    stale: tuple[Stale, ...] = ()

    def count(self, result: str) -> int:
        return sum(f.result == result for f in self.findings)

    @property
    def differs(self) -> bool:
        return any(f.result == DIFFERS for f in self.findings) or any(
            s.kind is not StaleKind.COUNTS for s in self.stale
        )


def verify(workspace: Workspace, path: Path) -> Verification:
    """Check every record a notebook carries.

    Raises
    ------
    NotebookError
        If there is no such notebook, or it can't be read.
    UnknownNameError
        If it carries no records.
    """
    book = files.read(path)
    found = embedded.embedded(book)
    if not found:
        raise UnknownNameError("record in the notebook", str(path), hint=where_records_are(workspace, path))
    last = last_uses(found)
    findings = [finding for item in found for finding in _record(workspace, item, last)]
    stale = stale_notebook(workspace, book)
    return Verification(notebook=str(path), records=len(found), findings=tuple(findings), stale=stale)


def _record(workspace: Workspace, item: EmbeddedRecord, last: LastUses) -> Iterator[Finding]:
    def finding(what: str, ok: bool | None, why: str = "") -> Finding:
        result = NOT_CHECKABLE if ok is None else SAME if ok else DIFFERS
        return Finding(cell=item.cell_index, what=what, result=result, why="" if ok else why)

    if not embedded.check(item.payload):
        yield finding("payload", False, "the record was altered: it no longer has its digest")
        return
    try:
        record = embedded.record_from(item.payload)
    except NotebookError as error:
        yield finding("payload", None, str(error))
        return
    yield finding("payload", True)
    yield finding(
        "source",
        digest(item.source) == record.source,
        "the cell was edited after it ran, or its output belongs to another cell",
    )
    yield finding("store", *_in_store(workspace, item, record))
    for artifact in record.artifacts:
        try:
            workspace.artifacts.check(artifact.digest)
            yield finding(f"artifact {artifact.name}", True)
        except UnknownNameError:
            yield finding(f"artifact {artifact.name}", None, "it isn't kept in this store")
        except CorruptArtifactError as error:
            yield finding(f"artifact {artifact.name}", False, str(error))
    for file in {file.path: file for file in record.files}.values():
        yield finding(f"file {file.path}", *file_now(workspace, file, *last[file.path]))
    for use in (*record.reads, *record.writes):
        yield finding(f"data {use.name}", None, "a variable of a kernel that is gone")


def _in_store(workspace: Workspace, item: EmbeddedRecord, record: CellRecord) -> tuple[bool | None, str]:
    kept = records.text(workspace.store, record.run, record.seq)
    if kept is None:
        deleted = deleted_runs.hint(workspace.store, record.run)
        return None, deleted or "the store has no such record; 'nbops doctor --rebuild' restores it"
    same = kept == dump_encoded(item.payload["record"])
    return same, "the store has another record of this execution"
