"""The example notebooks: in the wheel they travel inside this package, in a checkout they are at the top."""

from __future__ import annotations

import shutil
from pathlib import Path

from nbops.core.errors import NotebookError


def folder(name: str) -> Path:
    """The folder of one example.

    Raises
    ------
    NotebookError
        If this installation came without them.
    """
    here = Path(__file__).parent
    for place in (here / "example_notebooks" / name, here.parents[2] / "example_notebooks" / name):
        if place.is_dir():
            return place
    raise NotebookError(f"the example notebooks {name!r} are not in this installation; reinstall nbops")


def copy(name: str, target: Path) -> None:
    """Copy an example's files into a folder; files that are there already stay as they are."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder(name).iterdir()):
        if file.is_file() and not (target / file.name).exists():
            shutil.copyfile(file, target / file.name)
