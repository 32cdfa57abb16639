"""Where a run's checkpoints lie, and which of them nobody needs any more.

They are deleted when their notebook has come to its end. Those of a run that failed, was stopped or was killed wait
for somebody to go on from them; after ``[pipeline] checkpoint_days`` nobody will.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from nbops.checkpoints import folder as folders
from nbops.core.data_versions import OldCheckpoints
from nbops.core.runs import RunKind, RunStatus
from nbops.store import runs
from nbops.store.database import Reader
from nbops.workspace import Workspace

FOLDER = "checkpoints"
_DAY_S = 86_400.0
_OPEN = (RunStatus.CREATED, RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.STOPPING)


def checkpoint_folder(ws: Workspace, run_id: str) -> Path:
    return ws.home / FOLDER / run_id


def leftovers(ws: Workspace, reader: Reader) -> list[OldCheckpoints]:
    """The checkpoints that nobody goes on from: of runs that came to their end, of runs that are no more, and of those
    that nobody has gone on with for too long. None of a run that is under way, or that one under way goes on from."""
    used = set(_used(reader))
    found = []
    for folder in sorted(_folders(ws)):
        with contextlib.suppress(FileNotFoundError):  # its notebook comes to its end at this moment
            why = "" if folder.name in used else _why(ws, reader, folder)
            if why:
                found.append(OldCheckpoints(run=folder.name, size=_size(folder), why=why))
    return found


def remove(ws: Workspace, old: OldCheckpoints) -> None:
    folders.remove(checkpoint_folder(ws, old.run))


def _folders(ws: Workspace) -> list[Path]:
    place = ws.home / FOLDER
    return [folder for folder in place.iterdir() if folder.is_dir()] if place.is_dir() else []


def _used(reader: Reader) -> Iterator[str]:
    """Runs that are under way, and those that they went on from."""
    for status in _OPEN:
        for run in runs.listed(reader, kinds=[RunKind.STEP], status=status, limit=1_000_000):
            if not run.status.ended:
                yield run.id
                yield str((run.detail.get("resumed") or {}).get("attempt", ""))


def _why(ws: Workspace, reader: Reader, folder: Path) -> str:
    if runs.exists(reader, folder.name):  # a deleted one may be restored
        status = runs.as_stored(reader, folder.name).status
        if status in (RunStatus.COMPLETED, RunStatus.SKIPPED):
            return f"its run is {status.lower()}"
    age = (time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir()))) / _DAY_S
    return f"nobody has gone on from it for {age:.0f} days" if age > ws.settings.pipeline.checkpoint_days else ""


def _size(folder: Path) -> int:
    """Bytes that its removal frees: what another attempt has too is there once."""
    stats = [path.stat() for path in folder.iterdir()]
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)
