"""``nbops doctor``: which store is used and why, what can be relied on, what is wrong, and the mending of it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbops.core.errors import CorruptArtifactError, StoreError
from nbops.core.runs import Run, RunStatus
from nbops.store import records, runs
from nbops.store.liveness import left_partial
from nbops.verification.walk import files_below
from nbops.workspace import Workspace

_DRAFT = re.compile(r"\..+\.ipynb\.[0-9a-f]{8}\.tmp")  # of nbops.notebook.files.write
_DRAFT_TAKES_S = 60

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


def examine(workspace: Workspace, *, repair: bool = False) -> Health:
    """Look at the store; with `repair`, close the runs of processes that are gone and remove what killed writers left.

    Damaged artifacts are set aside, so that they can be made again; nothing that was kept is deleted.
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
        if not repair:
            problems.append(sentence)
        elif _close(workspace, run):
            repaired.append(f"{sentence}: closed as LOST")
    for leftover in _leftovers(workspace):
        if repair:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
            repaired.append(f"{leftover}: removed, a writer that was killed left it")
        else:
            problems.append(f"{leftover} was left by a writer that was killed")
    count = 0
    for digest in kept.digests():
        count += 1
        try:
            kept.check(digest)
        except CorruptArtifactError as error:
            problems.append(str(error))
            if repair:
                repaired.append(f"{digest}: set aside as {kept.set_aside(digest)}, its run can make it again")
    if listed:
        problems += _missing(workspace)
    return Health(
        root=str(workspace.root),
        store=store.name,
        why=workspace.why,
        exists=store.exists(),
        durability=DURABILITY[store.durability],
        journal=store.journal_mode(),
        runs=len(listed),
        artifacts=count,
        problems=tuple(problems),
        repaired=tuple(repaired),
    )


def _close(workspace: Workspace, run: Run) -> bool:
    """Write that a run is LOST, unless somebody has closed it meanwhile."""
    with workspace.store.transaction() as tx:
        known = runs.as_stored(tx, run.id)
        if known.status.ended:
            return False
        now = workspace.clock.now()
        error = known.error or "its process died"
        runs.save(tx, dataclasses.replace(known, status=RunStatus.LOST, ended_at=now, error=error))
    return True


def _leftovers(workspace: Workspace) -> Iterator[Path]:
    """What killed writers of artifacts, notebooks and scorings left."""
    yield from workspace.artifacts.abandoned()
    for path in files_below(workspace.root, leave_out=workspace.artifacts.root):
        draft = _DRAFT.fullmatch(path.name) and time.time() - path.stat().st_mtime > _DRAFT_TAKES_S
        if draft or left_partial(path.name):
            yield path


def _missing(workspace: Workspace) -> Iterator[str]:
    """Runs whose artifacts aren't there, or only in part."""
    gone: dict[str, int] = {}
    for run, digest in records.every_artifact(workspace.store):
        if not workspace.artifacts.has(digest):
            gone[run] = gone.get(run, 0) + 1
    for run, number in gone.items():
        yield (
            f"{number} artifacts of run {run} are missing below {workspace.artifacts.root};"
            " restore them from a backup, or run it again"
        )
