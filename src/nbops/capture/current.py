"""The session of this process. There is one, as there is one namespace that matters and one exit; it is opened when
something is first tracked or logged, by whoever said how (the IPython extension), else as a script's."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loading the extension must cost nothing; a session is built when something is tracked
    from nbops.capture.session import Session

DISABLED = "NBOPS_DISABLED"


class _Process:
    session: Session | None = None
    opener: Callable[[], Session] | None = None
    lock = threading.RLock()


def current_session() -> Session | None:
    """The session, opened if need be; None where ``NBOPS_DISABLED=1`` says so."""
    if _Process.session is None and os.environ.get(DISABLED) != "1":
        with _Process.lock:
            if _Process.session is None:
                _Process.session = (_Process.opener or _script_session)()
                atexit.register(_Process.session.close)
    return _Process.session


def open_session() -> Session | None:
    """The session, if there is one already."""
    return _Process.session


def open_by(opener: Callable[[], Session] | None) -> None:
    """Say how a session is to be opened, when one is needed; None for a script's."""
    _Process.opener = opener


def close_session() -> None:
    """Close the session, if there is one; the next call that needs one opens another."""
    session, _Process.session = _Process.session, None
    if session is not None:
        atexit.unregister(session.close)
        session.close()


def script_text(file: str | None = None) -> str:
    """The text of a script file, by default the one being run: outside of notebooks, a record's source."""
    path = Path(file or getattr(sys.modules["__main__"], "__file__", None) or "<none>")
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _script_session() -> Session:
    from nbops.capture.cells import CellStart
    from nbops.capture.session import Session
    from nbops.workspace import open_workspace

    file = getattr(sys.modules["__main__"], "__file__", None)
    session = Session(
        open_workspace(), notebook=Path(file).absolute() if file else None, run_id=os.environ.get("NBOPS_RUN_ID")
    )
    session.untracked = CellStart(source=script_text())
    return session
