"""The local modules that a step's notebook runs, kept as they are when it starts, so that it can be done again.

What looks like a secret may not be stored, and code with a hole in it is no code: of such a file the digest alone is
kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbops.core.errors import NotebookError
from nbops.core.runs import Artifact
from nbops.notebook import code, files
from nbops.notebook.code_secrets import redact_code
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace, relative

KIND = "module"


def kept_modules(ws: Workspace, notebook: Path) -> tuple[dict[str, Any], list[Artifact]]:
    """``{"modules": {path: digest}}`` for the run's detail (empty where there are none), and what is kept of them."""
    try:
        read = files.read(notebook)
    except NotebookError:  # papermill can read from places we can't
        return {}, []
    if read.language not in (None, "python"):
        return {}, []
    digests, kept = {}, []
    for path in code.local_modules(read, notebook.absolute().parent, ws.root):
        name, content = relative(ws, path), path.read_bytes()
        text = content.decode("utf-8", "replace")
        if redact_code(text) == text:
            digests[name] = ws.artifacts.put_bytes(content)
            kept.append(Artifact(name=name, kind=KIND, digest=digests[name], size=len(content), media="text/x-python"))
        else:
            digests[name] = digest_of(path)
    return ({"modules": digests} if digests else {}), kept
