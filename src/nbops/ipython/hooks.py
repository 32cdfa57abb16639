"""What happens around each cell: IPython's events tell when, the session records, a card says what was recorded.

Nothing here may reach the user's cell: whatever goes wrong is said in the card, once, and in the log.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from nbops.capture.cells import CellStart, OpenCell
from nbops.capture.current import current_session, open_session
from nbops.capture.identity import notebook_path
from nbops.capture.session import Outcome, Session, log
from nbops.core.redaction import redact_text
from nbops.core.runs import RunKind
from nbops.ipython.display import PendingClear, publish
from nbops.ipython.track_line import TrackLine, track_line
from nbops.notebook.embedded import MIME, payload_for
from nbops.render.card import card_html, card_text, notice_html, notice_text
from nbops.workspace import open_workspace

TAG = "nbops-track"
_LOST_CLEAR = "no card: it would have carried out the cell's pending clear_output(wait=True)"


class CellHooks:
    """IPython's callbacks. One tracked cell at a time: cells run by a cell (``%run nb.ipynb``) are part of it.

    `card` is "full", "line", "off", or None for the workspace's setting."""

    def __init__(self, shell: Any, *, auto: bool = False) -> None:
        self.shell = shell
        self.auto = auto
        self.off = False
        self.card: str | None = None
        self.start = CellStart(source="")  # of the cell that runs, tracked or not
        self._folder = Path.cwd()  # where the kernel was started: later cells may go elsewhere
        self._cell: OpenCell | None = None
        self._info: Any = None
        self._parent: tuple[str, int] = ("", 0)
        self._clear: PendingClear | None = None
        self._problem: str | None = None

    def open_session(self) -> Session:
        """The session of this kernel: told to :mod:`nbops.capture.current`, which asks when one is needed."""
        notebook = notebook_path(namespace=self.shell.user_ns)
        session = Session(open_workspace(self.start_folder()), notebook=notebook, run_id=os.environ.get("NBOPS_RUN_ID"))
        session.untracked = self.start
        return session

    def pre_run_cell(self, info: Any) -> None:
        try:
            parent = self._message(), threading.get_ident()
            if self._info is not None and parent[0] != self._parent[0] and parent[1] == self._parent[1]:
                self._drop()  # the end of an earlier cell was never told
            if self._info is None and info.store_history and not self.off:
                self._info, self._parent = info, parent
                self._begin(info)
        except KeyboardInterrupt:
            self._drop()
        except Exception as error:  # noqa: BLE001  (a failure of ours must not show up as the cell's)
            log.warning("before a cell: %s", error, exc_info=error)
            self._problem = f"not recorded: {redact_text(str(error)) or type(error).__name__}"

    def post_run_cell(self, result: Any) -> None:
        info = self._info
        if info is None or (result is not None and not _same(result.info, info)):
            return
        try:
            self._end(result)
        except KeyboardInterrupt:
            pass
        except Exception as error:  # noqa: BLE001
            log.warning("after a cell: %s", error, exc_info=error)
        finally:
            self._drop()

    def start_folder(self) -> Path:
        """The folder whose workspace is this kernel's."""
        notebook = notebook_path(namespace=self.shell.user_ns)
        return notebook.parent if notebook is not None and notebook.parent.is_dir() else self._folder

    def stop(self) -> None:
        """Let go of a cell that is running (the one that unloads us)."""
        self._drop()

    def _begin(self, info: Any) -> None:
        marked = track_line(info.raw_cell)
        self.start = self._start(info, marked or TrackLine())
        if marked is None and not self._wanted(info):
            session = open_session()
            if session is not None:
                session.untracked = self.start
            return
        session = current_session()
        if session is None or session.off:
            return
        self._clear = PendingClear(self.shell)
        self._cell = session.begin(self.start, self.shell.user_ns)

    def _start(self, info: Any, line: TrackLine) -> CellStart:
        return CellStart(
            source=info.raw_cell,
            code=info.raw_cell,
            cell_id=info.cell_id,
            execution_count=self.shell.execution_count - 1,  # it has been raised for this cell already
            name=line.name,
            tags=line.tags,
        )

    def _wanted(self, info: Any) -> bool:
        """Is a cell without ``%%track`` to be tracked?"""
        tags = (getattr(info, "cell_meta", None) or {}).get("tags") or ()
        if TAG in tags:
            return True
        ours = all(not line.strip() or line.lstrip().startswith("%nbops") for line in info.raw_cell.splitlines())
        return self.auto and not ours

    def _message(self) -> str:
        """The id of the message that this cell came with; empty where there are no messages (a terminal)."""
        parent = getattr(self.shell, "parent_header", None) or {}
        return str((parent.get("header") or parent).get("msg_id", ""))

    def _end(self, result: Any) -> None:
        clear_waits = self._clear.stop() if self._clear is not None else False
        self._clear = None
        problem, self._problem = self._problem, None
        if problem is not None and not clear_waits:
            self._say(problem)
        session = open_session()
        if session is None:
            return
        if self._cell is None:
            if session.loose is not None:
                session.flush()
            return
        cell, self._cell = self._cell, None
        if clear_waits:
            cell.notes.append(_LOST_CLEAR)
        done = session.end(cell, _error(result))
        if not clear_waits:
            self._show(done, cell.start)

    def _show(self, done: Outcome, start: CellStart) -> None:
        if done.problem is not None:
            self._say(done.problem)
            return
        record, session = done.record, open_session()
        form = self.card or (session.workspace.settings.capture.card if session else "full")
        if record is None or form == "off":
            return
        asked = track_line(start.source) is not None
        if not asked and not done.captured:
            return
        full = asked and form == "full"
        name = done.run.name if done.run is not None and done.run.kind is RunKind.BLOCK else None
        publish(
            self.shell,
            {
                MIME: payload_for(record),
                "text/html": card_html(record, name=name, full=full),
                "text/plain": card_text(record, name=name, full=full),
            },
        )

    def _say(self, problem: str) -> None:
        publish(self.shell, {"text/html": notice_html(problem), "text/plain": notice_text(problem)})

    def _drop(self) -> None:
        if self._clear is not None:
            self._clear.stop()
        self._clear = self._cell = self._info = self._problem = None


def _same(one: Any, other: Any) -> bool:
    return one is other or (one.raw_cell == other.raw_cell and one.cell_id == other.cell_id)


def _error(result: Any) -> BaseException | None:
    """What ended the cell. Without a result it was cancelled while it awaited something."""
    if result is None:
        return KeyboardInterrupt()
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error
