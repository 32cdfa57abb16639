"""Which notebook is this kernel's? Asked in this order, the first answer counts:

what the caller says · ``NBOPS_NOTEBOOK`` (our papermill engine) · ``__vsc_ipynb_file__`` in the namespace (VS Code) ·
``JPY_SESSION_NAME`` (Jupyter servers: JupyterLab, Notebook 7) · the one notebook in the kernel's folder that has the
cells that ran (plain papermill, nbconvert) · unknown.

A notebook that was renamed while its kernel ran is found again by its cells. Nothing is written into it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_MOST_FILES = 100
_MOST_BYTES = 20_000_000
_LEAST_TEXT = 20  # characters: `x = 1` tells no notebook from another


def notebook_path(
    explicit: str | Path | None = None,
    namespace: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path | None:
    """The notebook's path, absolute; None where nobody says it (a console, a terminal, a script)."""
    said = explicit or environ.get("NBOPS_NOTEBOOK") or (namespace or {}).get("__vsc_ipynb_file__")
    if not said:
        name = environ.get("JPY_SESSION_NAME", "")
        said = name if name.endswith(".ipynb") else None  # a console's session has a name too
    if not isinstance(said, (str, Path)):
        return None
    path = Path(said).expanduser()
    if path.is_absolute() or path.exists():
        return path.absolute()
    # a session that was opened without a name: the path is one below the server's root, the kernel's folder too
    return next((folder / path for folder in Path.cwd().parents if (folder / path).is_file()), path.absolute())


def by_cells(folder: Path, cell_id: str | None, sources: Sequence[str]) -> Path | None:
    """The one notebook in a folder that has the cell with this id, or else all of these texts; None if none or several
    have."""
    texts = {text.strip() for text in sources} - {""}
    telling = sum(map(len, texts)) >= _LEAST_TEXT
    by_id, by_text = [], []
    for path in sorted(folder.glob("*.ipynb"))[:_MOST_FILES]:
        try:
            if path.stat().st_size > _MOST_BYTES:
                continue
            read = json.loads(path.read_bytes())
            cells = [c for c in read["cells"] if c["cell_type"] == "code"]
            executed_copy = "papermill" in read.get("metadata", {})
            if cell_id is not None and any(c.get("id") == cell_id for c in cells):
                by_id.append((executed_copy, path))
            if telling and texts <= {"".join(c["source"]).strip() for c in cells}:
                by_text.append((executed_copy, path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no notebook, or one being written
            continue
    for found in (by_id, by_text):
        sources_only = [path for copy, path in found if not copy] or [path for _, path in found]
        if len(sources_only) == 1:
            return sources_only[0].absolute()
    return None
