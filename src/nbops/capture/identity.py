"""Which notebook is this kernel's? Asked in this order, the first answer counts:

what the caller says · ``NBOPS_NOTEBOOK`` (our papermill engine) · ``__vsc_ipynb_file__`` in the namespace (VS Code) ·
``JPY_SESSION_NAME`` (Jupyter servers) · unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
    return Path(said).expanduser().absolute()
