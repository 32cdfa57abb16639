"""``nbops doctor``: which store is used and why, what can be relied on, what is wrong, and the mending of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import digest_text, dump_encoded
from nbops.core.errors import CorruptArtifactError, NbopsError, StoreError
from nbops.core.runs import CellRecord, Run, RunKind, RunStatus
from nbops.notebook import embedded, files
from nbops.store import records, runs
from nbops.workspace import Workspace, relative

DURABILITY = {
    "normal": "survives kill -9 at any moment; a power cut may cost the last records"
    ' ([store] durability = "full" waits for the disk)',
    "full": "survives kill -9 and a power cut; each record waits for the disk",
}


@dataclass(frozen=True, kw_only=True)
class Health:
    """What was found. `problems` are sentences; `repaired` what was mended."""

    root: str
    store: str
    why: str
    exists: bool
    durability: str
    journal: str
    runs: int
    artifacts: int
    problems: tuple[str, ...]
    repaired: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What a rebuild restored, and what it couldn't, with the reason."""

    notebooks: int
    records: int
    already: int
    lost: tuple[str, ...]


def examine(workspace: Workspace, *, repair: bool = False) -> Health:
    """Look at the store; with `repair`, close the runs of processes that are gone and remove what killed writers left.

    Damaged artifacts are reported, not removed: what they were is still known by their digest.
    """
    store, kept = workspace.store, workspace.artifacts
    problems: list[str] = []
    repaired: list[str] = []
    listed: list[Run] = []
    try:
        problems += store.integrity()
        listed = runs.listed(store, limit=1_000_000)
    except StoreError as error:
        problems.append(str(error))
    lost = [run for run in listed if run.status is RunStatus.LOST and run.ended_at is None]
    for run in lost:
        sentence = f"run {run.id} ({run.name}) was left open by a process that is gone"
        if repair:
            with store.transaction() as tx:
                now = workspace.clock.now()
                runs.save(tx, dataclasses.replace(run, ended_at=now, error=run.error or "its process died"))
            repaired.append(f"{sentence}: closed as LOST")
        else:
            problems.append(sentence)
    for file in kept.leftovers():
        if repair:
            file.unlink(missing_ok=True)
            repaired.append(f"{file}: removed, a writer that was killed left it")
        else:
            problems.append(f"{file} was left by a writer that was killed (or is still writing)")
    count = 0
    for digest in kept.digests():
        count += 1
        try:
            kept.verified(digest)
        except CorruptArtifactError as error:
            problems.append(str(error))
    return Health(
        root=str(workspace.root),
        store=str(store.path),
        why=workspace.why,
        exists=store.exists(),
        durability=DURABILITY[store.durability],
        journal=store.journal_mode(),
        runs=len(listed),
        artifacts=count,
        problems=tuple(problems),
        repaired=tuple(repaired),
    )


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
            where = f"{path}, cell {item.cell_index}"
            if not embedded.check(item.payload):
                lost.append(f"{where}: its record was altered")
                continue
            try:
                record = embedded.record_from(item.payload)
            except NbopsError as error:
                lost.append(f"{where}: {error}")
                continue
            kept = records.text(workspace.store, record.run, record.seq)
            if kept is not None:
                already += 1
                if digest_text(kept) != digest_text(dump_encoded(item.payload["record"])) and not _shortened(record):
                    lost.append(f"{where}: the store has another record of this execution")
                continue
            _restore(workspace, path, record)
            restored += 1
            if _shortened(record):
                lost.append(f"{where}: restored without the detail that only the store had")
    return Rebuilt(notebooks=notebooks, records=restored, already=already, lost=tuple(lost))


def _restore(workspace: Workspace, path: Path, record: CellRecord) -> None:
    with workspace.store.transaction() as tx:
        if not runs.exists(tx, record.run):
            began = record.started_at or workspace.clock.now()
            name = path.name
            run = Run(
                id=record.run,
                kind=RunKind.SESSION,
                name=name,
                experiment=relative(workspace, path),
                status=RunStatus.COMPLETED,
                started_at=began,
                ended_at=began,
                notebook=relative(workspace, path),
                detail={"restored": "from the notebook's own record"},
            )
            runs.save(tx, run)
        records.add(tx, record)


def _shortened(record: CellRecord) -> bool:
    return any(note.startswith(embedded.LEFT_OUT_NOTE) for note in record.notes)


def _notebooks(workspace: Workspace, folder: Path | None) -> Iterator[Path]:
    skipped = {".ipynb_checkpoints", ".venv", "node_modules", ".git"}
    places = [folder] if folder else [workspace.root, workspace.home]
    seen = set()
    for place in places:
        for path in sorted(place.rglob("*.ipynb")):
            if path not in seen and not skipped & set(path.parts):
                seen.add(path)
                yield path
