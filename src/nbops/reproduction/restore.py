"""What a run needed, brought back by content: its input files, local modules, handed-on values.

A file is taken from where it was if it still has the digest it was read with, else from the artifact store if its
content was kept there. A file that has changed since and was not kept is taken as it is now, which the report says and
the verdict shows; one that is gone makes it impossible. Everything is copied: the originals are only read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from nbops.catalog import content
from nbops.core.errors import CorruptArtifactError, NbopsError, UnknownNameError
from nbops.core.reproduction import Restored
from nbops.core.runs import Artifact, CellRecord, FileUse
from nbops.fingerprints.fingerprint import fingerprint
from nbops.notebook import code
from nbops.notebook.files import Notebook
from nbops.pipeline.handover import KIND as HANDOVER
from nbops.reproduction.layout import Layout
from nbops.reproduction.original import Original
from nbops.store import records
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace

HERE = "from where it was, unchanged"
KEPT = "from the artifact store"
CHANGED = "as it is now: it has changed since, and its content was not kept"
UNKNOWN = "as it is now: what it was isn't known"

_ASKED = re.compile(r"\bnbops\.input\(\s*['\"]([^'\"]+)['\"]")


def inputs_of(found: Iterable[CellRecord]) -> list[FileUse]:
    """The files a run read that it had not written itself, each once."""
    written: set[str] = set()
    needed: dict[str, FileUse] = {}
    for record in found:
        for use in record.files:  # a cell that reads and writes a file has read it first
            if use.mode == "read" and use.path not in written:
                needed.setdefault(use.path, use)
        written |= {use.path for use in record.files if use.mode == "write"}
    return list(needed.values())


def restore_files(ws: Workspace, known: Original, where: Layout) -> tuple[list[Restored], list[str]]:
    """Copy the inputs into the scratch folder, and make the folders that were written to.

    Returns
    -------
    list of Restored, list of str
        What was brought back, and sentences on what could not be: if there are any, nothing can be executed.
    """
    done: list[Restored] = []
    missing: list[str] = []
    for use in inputs_of(known.cells.values()):
        if "://" in use.path:
            done.append(Restored(what="input", name=use.path, how="read again from its URL", exact=None))
            continue
        inside = where.below(use.path)
        target = where.scratch / inside if inside is not None else None
        restored = _file(ws, use, target)
        if isinstance(restored, str):
            missing.append(restored)
        else:
            done.append(restored)
    for record in known.cells.values():
        for use in record.files:
            if use.mode == "write" and "://" not in use.path:
                inside = where.below(use.path)
                if inside is None:
                    missing.append(f"it writes {use.path}, which lies outside of {where.base} and would be overwritten")
                else:
                    (where.scratch / inside).parent.mkdir(parents=True, exist_ok=True)
    return done, list(dict.fromkeys(missing))


def restore_modules(ws: Workspace, known: Original, where: Layout) -> tuple[list[Restored], list[str]]:
    """Copy the local modules the notebook runs: as kept, or as they are where that is the same."""
    done: list[Restored] = []
    missing: list[str] = []
    folder = (ws.root / known.place).parent if known.folder is None else ws.root / known.folder
    here = code.local_modules(Notebook(path=ws.root / known.place, data=known.data), folder, ws.root)
    now = {where.below(str(path)): path for path in here}
    then = {where.below(path): digest for path, digest in known.modules.items()}
    for inside, digest in then.items():
        if inside is None:
            continue  # outside of the workspace: it is imported from where it is
        path = where.base / inside
        if path.is_file() and digest_of(path) == digest:
            done.append(Restored(what="module", name=inside, how=HERE, exact=True))
            _copy(path, where.scratch / inside)
        elif (kept := _kept(ws, digest)) is not None:
            done.append(Restored(what="module", name=inside, how=KEPT, exact=True))
            _copy(kept, where.scratch / inside)
        else:
            state = "changed" if path.is_file() else "gone"
            missing.append(f"the local module {inside} is {state}, and its code was not kept")
    for inside, path in now.items():
        if inside is not None and inside not in then:
            done.append(Restored(what="module", name=inside, how=UNKNOWN, exact=None))
            _copy(path, where.scratch / inside)
    return done, missing


def handed_over(ws: Workspace, known: Original) -> tuple[list[Artifact], list[Restored], list[str]]:
    """The values that the notebook asks for by ``nbops.input``, by name in its text."""
    found: list[Artifact] = []
    done: list[Restored] = []
    missing: list[str] = []
    texts = [cell.source for cell in Notebook(path=Path(known.place), data=known.data).code_cells()]
    for name in dict.fromkeys(name for text in texts for name in _ASKED.findall(text)):
        told = known.handovers is not None
        if told:
            digest = (known.handovers or {}).get(name)
            artifact = records.artifact_by_digest(ws.store, HANDOVER, name, digest) if digest else None
        else:
            artifact = records.newest_artifact(ws.store, HANDOVER, name)
        if artifact is None or _kept(ws, artifact.digest) is None:
            missing.append(f"the handed-on value {name!r} is not kept any more")
            continue
        found.append(artifact)
        how = KEPT if told else "the newest of that name: which one it was then isn't recorded"
        done.append(Restored(what="handed-on value", name=name, how=how, exact=True if told else None))
    return found, done, missing


def _file(ws: Workspace, use: FileUse, target: Path | None) -> Restored | str:
    """One input, at its place in the scratch folder (None: it lies elsewhere and is read where it is)."""
    path = ws.root / use.path

    def restored(how: str, exact: bool | None) -> Restored:
        return Restored(what="input", name=use.path, how=how, exact=exact)

    if path.is_file():
        if target is not None:
            _copy(path, target)
        if use.digest is None:
            return restored(f"{UNKNOWN} ({use.reason})", None)
        if _digest(target or path) == use.digest:
            return restored(HERE, True)
    if target is not None and use.digest is not None and _from_store(ws, use, target):
        return restored(KEPT, True)
    if path.is_file():
        if target is not None:
            _copy(path, target)
        return restored(CHANGED, False)
    return f"the input {use.path} is gone, and its content was not kept"


def _from_store(ws: Workspace, use: FileUse, target: Path) -> bool:
    """Write what the file was, if that is kept anywhere: as an output, an input, a logged file."""
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        content.get(ws, use.digest or "", target)
    except NbopsError:
        return False
    return _digest(target) == use.digest


def _kept(ws: Workspace, digest: str) -> Path | None:
    try:
        return ws.artifacts.verified(digest)
    except (UnknownNameError, CorruptArtifactError):
        return None


def _digest(path: Path) -> str | None:
    try:
        return fingerprint(path).digest
    except NbopsError:
        return None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
