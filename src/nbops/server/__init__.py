"""The Jupyter server extension: what nbops knows and can do, as REST for the side panel and for programs."""

from __future__ import annotations

from typing import Any


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Called by jupyter_server at its start."""
    from nbops.server.extension import load

    load(serverapp)
