"""The folder a scoring is handed over in: there whole, with its manifest, or not there at all.

Everything is written into a folder beside it, flushed to the disk, the manifest last; then that folder is renamed.
The folder is a copy: the predictions themselves are artifacts, so a folder that was deleted (or that a killed
process never got to rename) is made again by the same command.

The name is ``<period>__<model>-v<version>__<8 hex>``; the last part stands for the input's content, so a corrected
file of the same period gets a folder of its own.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.core import wire
from nbops.core.deployments import Scoring
from nbops.core.errors import UsageError
from nbops.core.full_disk import said_plainly
from nbops.monitor.predictions import id_prefix
from nbops.store import liveness
from nbops.store.artifacts import ArtifactStore

MANIFEST = "manifest.json"
PREDICTIONS = "predictions.parquet"


def folder_name(*, deployment: str, model: str, version: int, input: str, period: str) -> str:
    """The name of a scoring's folder: the same for the same scoring."""
    key = id_prefix(deployment=deployment, model=model, version=version, input=input)[:8]
    return f"{_plain(period)}__{_plain(model)}-v{version}__{key}"


def is_whole(folder: Path, scoring: Scoring) -> bool:
    """Is this scoring's output there, with every file its manifest names?

    Raises
    ------
    UsageError
        If something else, or less, is there.
    """
    if not folder.exists():
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        same = manifest["scoring"]["run"] == scoring.run
        whole = all((folder / f["name"]).stat().st_size == f["size"] for f in manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        same = whole = False
    if not (same and whole):
        raise UsageError(
            f"the folder {folder} is there but isn't the whole output of run {scoring.run};"
            " move it away and give the command again"
        )
    return True


def prepare(artifacts: ArtifactStore, scoring: Scoring, files: Mapping[str, str], folder: Path) -> Path:
    """Write the output beside its place; :func:`reveal` shows it.

    Parameters
    ----------
    files : mapping of file name to artifact digest

    Raises
    ------
    StoreFullError, StoreReadOnlyError
        If the folder can't be written. Nothing is left of it then.
    """
    with said_plainly(
        f"the output folder {folder}",
        if_full="free some space and give the command again, nothing already kept is lost",
        if_refused="check its permissions, or give another one with --output",
    ):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        partial = folder.parent / liveness.partial(folder.name)
        partial.mkdir()
        try:
            named = []
            for name, digest in files.items():
                shutil.copyfile(artifacts.verified(digest), partial / name)
                _flush(partial / name)
                named.append({"name": name, "digest": digest, "size": (partial / name).stat().st_size})
            text = json.dumps(_manifest(scoring, named), ensure_ascii=False, indent=1)
            (partial / MANIFEST).write_text(text + "\n", encoding="utf-8")
            _flush(partial / MANIFEST)
            _flush(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return partial


def reveal(partial: Path, folder: Path, scoring: Scoring) -> None:
    """Show a prepared output under its name. Another process may have shown the same one just before."""
    try:
        partial.rename(folder)
        _flush(folder.parent)
    except OSError as error:
        discard(partial)
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) or not is_whole(folder, scoring):
            raise


def discard(partial: Path) -> None:
    """Remove a prepared output."""
    shutil.rmtree(partial, ignore_errors=True)


def _manifest(scoring: Scoring, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {"format": 1, "scoring": wire.to_json(scoring), "files": files}


def _sweep(parent: Path) -> None:
    """Remove what processes of this machine left when they were killed."""
    for leftover in parent.glob(".*.partial"):
        if liveness.left_partial(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(text: str) -> str:
    """Text that is fit for a file name."""
    return re.sub(r"[^\w\-]+", "_", text) or "_"
