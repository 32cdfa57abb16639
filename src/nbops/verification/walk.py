"""The user's own files below a folder: not what tools keep there, nor their environments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_SKIPPED = {".ipynb_checkpoints", ".venv", "venv", "node_modules", ".git", "__pycache__", "site-packages"}


def files_below(folder: Path, *, leave_out: Path | None = None) -> Iterator[Path]:
    """Files below `folder`, sorted; folders whose name ends with ``.partial`` are told too, not entered."""
    for at, folders, names in os.walk(folder):
        here = Path(at)
        yield from (here / name for name in sorted(folders) if name.endswith(".partial"))
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not name.endswith(".partial") and here / name != leave_out
        )
        yield from (here / name for name in sorted(names))
