"""``nbops data get``: a version's content, from wherever content of its digest still is.

Content is looked for in what was kept of it (:mod:`nbops.capture.keeping`), in the file at the version's path, and in
what the artifact store keeps for other reasons: outputs of steps, handed-on values, logged files, evaluation rows,
labels. What is found counts only if it has the version's digest.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from nbops.catalog.versions import Catalogue
from nbops.core.data_versions import DataVersion
from nbops.core.errors import CorruptArtifactError, InputDataError, UnknownNameError, UsageError
from nbops.fingerprints.fingerprint import fingerprint
from nbops.store import data_contents
from nbops.workspace import Workspace

HERE = "from where it lies, unchanged"
KEPT = "from the artifact store"
_PARQUET, _NUMPY = b"PAR1", b"\x93NUMPY"
_SUFFIXES = {_PARQUET: ".parquet", _NUMPY: ".npy"}


def get(ws: Workspace, asked: str, target: Path) -> tuple[DataVersion, str]:
    """Write a version's content to a new file.

    Parameters
    ----------
    asked : str
        ``NAME@N``, ``data:/NAME@N``, ``NAME`` (its newest), or a digest.
    target : Path
        Tables are written as Parquet (``.parquet``), arrays as ``.npy``, files as they were.

    Returns
    -------
    DataVersion, str
        What was written, and where it came from.

    Raises
    ------
    UnknownNameError
        If there is no such version, or only its fingerprint is kept.
    UsageError
        If the target is there already, or its suffix is that of another format.
    """
    version = Catalogue(ws).find(asked)
    if target.exists():
        raise UsageError(f"{target} is there already; give another file with -o, or move it away")
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    look = _file if version.kind == "file" else _value
    try:
        how = look(ws, version, target, beside)
        if how is not None:
            beside.replace(target)
            return version, how
    finally:
        beside.unlink(missing_ok=True)
    raise UnknownNameError(
        "kept content of",
        version.ref,
        hint="only its fingerprint is kept, and no file or artifact here has that content (any more);"
        " 'nbops data show' says why",
    )


def _file(ws: Workspace, version: DataVersion, target: Path, beside: Path) -> str | None:  # noqa: ARG001 - as _value
    """Copy the file's content to `beside`; where it came from, None if it is nowhere."""
    here = ws.root / version.name
    lies_here = "://" not in version.name and here.is_file() and version.shape in ((), (here.stat().st_size,))
    if lies_here and _copied(lambda: shutil.copyfile(here, beside), beside, version.digest):
        return HERE
    for digest in _artifacts(ws, version):
        if version.shape in ((), (ws.artifacts.size(digest),)) and _copied(
            partial(ws.artifacts.copy, digest, beside), beside, version.digest
        ):
            return KEPT
    return None


def _artifacts(ws: Workspace, version: DataVersion) -> Iterator[str]:
    """What may hold its content: first what was kept of it, then everything."""
    kept = data_contents.find(ws.store, version.digest)
    if kept is not None and ws.artifacts.has(kept.artifact):
        yield kept.artifact
    yield from ws.artifacts.digests()


def _copied(copy: Callable[[], Any], beside: Path, digest: str) -> bool:
    """Copy; True if what arrived has that digest."""
    try:
        copy()
    except (CorruptArtifactError, UnknownNameError):  # doctor says so
        return False
    try:
        return fingerprint(beside).digest == digest
    except InputDataError:
        return False


def _value(ws: Workspace, version: DataVersion, target: Path, beside: Path) -> str | None:
    """Write a table or array to `beside`; where it came from, None if it is nowhere."""
    for digest in _artifacts(ws, version):
        path = ws.artifacts.path(digest)
        if not path.exists():  # kept as pieces: a large file, no table or array of ours
            continue
        magic = next((m for m in _SUFFIXES if _begins(path, m)), None)
        if magic is None:
            continue
        found = _tables(path, version) if magic == _PARQUET else _arrays(path)
        for what, value, write in found:
            if fingerprint(value).digest == version.digest:
                if target.suffix != _SUFFIXES[magic]:
                    raise UsageError(
                        f"{target}: {version.ref} is written as {_SUFFIXES[magic]}; give -o a name that ends so"
                    )
                write(beside)
                return f"{KEPT}{what}"
    return None


def _tables(path: Path, version: DataVersion) -> Iterator[tuple[str, Any, Callable[[Path], Any]]]:
    """What a Parquet file may be asked for: itself as an Arrow table or a frame, and, as evaluation rows are the inputs
    with the target behind them, these two."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if version.shape[:1] != (pq.read_metadata(path).num_rows,):
            return
        table = pq.read_table(path)
        frame = table.to_pandas()
    except (pa.ArrowException, OSError):  # damaged, or of a kind that this version doesn't read
        return

    def copy(target: Path) -> Any:
        return shutil.copyfile(path, target)

    yield "", frame, copy
    yield "", table, copy
    if frame.shape[1] > 1:
        inputs, last = frame.iloc[:, :-1], frame.iloc[:, -1]
        yield ": its inputs, of evaluation rows", inputs, lambda target: inputs.to_parquet(target)
        yield ": the last column of evaluation rows", last, lambda target: last.to_frame().to_parquet(target)
    elif frame.shape[1] == 1:
        yield ": its one column", frame.iloc[:, 0], copy
        yield ": its one column", frame.iloc[:, 0].rename(None), copy


def _arrays(path: Path) -> Iterator[tuple[str, Any, Callable[[Path], Any]]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (ValueError, OSError):
        return
    yield "", array, lambda target: shutil.copyfile(path, target)


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
