"""Where things lie in the folder that a run is done again in: as they lay in the workspace.

Text that names the workspace's own absolute path is pointed to that folder, so that what is written goes there; when
the two are compared it is read as the original.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.notebook.files import joined
from nbops.reproduction.original import Original
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`base` is the folder that `scratch` stands for: the workspace's root, or the notebook's folder outside of it.
    `root` is what recorded paths are relative to."""

    root: Path
    base: Path
    scratch: Path

    def below(self, recorded: str) -> str | None:
        """A recorded path relative to the base; None if it lies elsewhere."""
        path = self.root / recorded
        return path.relative_to(self.base).as_posix() if path.is_relative_to(self.base) else None

    def there(self, value: Any) -> Any:
        """Text, or what holds it, with the base's path replaced by the scratch folder's."""
        return _moved(value, str(self.base), str(self.scratch))

    def back(self, value: Any) -> Any:
        """The inverse of :meth:`there`."""
        return _moved(value, str(self.scratch), str(self.base))


def layout(ws: Workspace, known: Original, scratch: Path) -> Layout:
    """The layout of a run's scratch folder."""
    notebook = ws.root / known.place
    base = ws.root if notebook.is_relative_to(ws.root) else notebook.parent
    return Layout(root=ws.root, base=base, scratch=scratch)


def placed(where: Layout, known: Original) -> tuple[Path, dict[str, Any], tuple[str, ...]]:
    """(path of the notebook to execute, its content, what to say of it): in the folder that it ran in."""
    notebook = where.root / known.place
    folder = notebook.parent if known.folder is None else where.root / known.folder
    inside = where.below(str(folder))
    notes: list[str] = []
    if inside is None:
        inside = "."
        notes.append(f"it ran in {folder}, outside of the workspace; done again in the workspace's root")
    cells = []
    for number, cell in enumerate(known.data["cells"], 1):
        text = joined(cell.get("source", ""))
        new = where.there(text) if cell["cell_type"] == "code" else text
        if new != text:
            notes.append(f"cell {number} of the notebook names the absolute path {where.base}: pointed to the copy")
        cells.append({**cell, "source": new})
    return where.scratch / inside / notebook.name, {**known.data, "cells": cells}, tuple(notes)


def _moved(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        if len(Path(old).parts) < 2 or old not in value:
            return value
        return re.sub(re.escape(old) + r"(?=[/\\\"'\s,:;)\]}]|$)", lambda _: new, value)
    if isinstance(value, Mapping):
        return {k: _moved(v, old, new) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_moved(v, old, new) for v in value]
    return value
