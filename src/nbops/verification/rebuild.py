"""``nbops doctor --rebuild``: a store that was lost, restored from the records that notebooks carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import digest, dump_encoded
from nbops.core.errors import NbopsError
from nbops.core.runs import CellRecord, Run, RunKind, RunStatus
from nbops.notebook import embedded, files
from nbops.notebook.code_secrets import redact_code
from nbops.store import deleted_runs, records, runs
from nbops.verification.walk import files_below
from nbops.workspace import Workspace, relative


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a rebuild restored, and what it couldn't, with the reason."""

    notebooks: int
    records: int
    already: int
    lost: tuple[str, ...]


def rebuild(workspace: Workspace, folder: Path | None = None) -> Rebuilt:
    """Restore the records that the notebooks below a folder (default: the root, and the executed ones in the store's
    home) carry in their outputs. What the store has already stays as it is."""
    restored = already = notebooks = 0
    lost: list[str] = []
    for path in _notebooks(workspace, folder):
        try:
            found = embedded.embedded(files.read(path))
        except NbopsError as error:
            lost.append(str(error))
            continue
        notebooks += bool(found)
        for item in found:
            where = f"{path}, cell {item.cell_index + 1}"
            if not embedded.check(item.payload):
                lost.append(f"{where}: its record was altered")
                continue
            try:
                record = embedded.record_from(item.payload)
            except NbopsError as error:
                lost.append(f"{where}: {error}")
                continue
            deleted = deleted_runs.hint(workspace.store, record.run)
            if deleted:
                lost.append(f"{where}: not restored, run {record.run}: {deleted}")
                continue
            kept = records.text(workspace.store, record.run, record.seq)
            if kept is not None:
                already += 1
                if kept != dump_encoded(item.payload["record"]):
                    lost.append(f"{where}: the store has another record of this execution")
                continue
            same = digest(item.source) == record.source
            _restore(workspace, path, record, text=redact_code(item.source) if same else None)
            restored += 1
            if not same:
                lost.append(f"{where}: restored without its text, which the notebook has another of now")
            lost += [f"{where}: {what}" for what in _beyond(record)]
    return Rebuilt(notebooks=notebooks, records=restored, already=already, lost=tuple(lost))


def _restore(workspace: Workspace, path: Path, record: CellRecord, *, text: str | None) -> None:
    with workspace.store.transaction() as tx:
        if not runs.exists(tx, record.run):
            began = record.started_at or workspace.clock.now()
            run = Run(
                id=record.run,
                kind=RunKind.SESSION,
                name=path.stem,
                experiment=relative(workspace, path),
                status=RunStatus.COMPLETED,
                started_at=began,
                ended_at=began,
                notebook=relative(workspace, path),
                detail={"restored": "from the notebook's own record"},
            )
            runs.save(tx, run)
        # a record's metrics with a step are written from the series, of which it holds the last values
        series = [metric for metric in record.metrics if metric.step is not None]
        records.add(tx, record, series=series, cell_text=text)


def _beyond(record: CellRecord) -> Iterator[str]:
    """What the store had of a record and the notebook hasn't."""
    if any(note.startswith(embedded.LEFT_OUT_NOTE) for note in record.notes):
        yield "restored without the detail that only the store had"
    stepped = sorted({metric.name for metric in record.metrics if metric.step is not None})
    if stepped:
        yield f"restored with the last step only of {', '.join(stepped)}"


def _notebooks(workspace: Workspace, folder: Path | None) -> Iterator[Path]:
    places = [folder] if folder else [workspace.root, workspace.home]
    seen = set()
    for place in places:
        for path in files_below(place, leave_out=workspace.artifacts.root):
            if path.suffix == ".ipynb" and path not in seen:
                seen.add(path)
                yield path
