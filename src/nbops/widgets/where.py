"""Which workspace a widget shows: the kernel's session's, else that of the current folder."""

from __future__ import annotations

from nbops.capture.current import open_session
from nbops.workspace import Workspace, open_workspace


def workspace() -> Workspace:
    session = open_session()
    return session.workspace if session is not None else open_workspace()
