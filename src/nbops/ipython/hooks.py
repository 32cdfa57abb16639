"""What happens around each cell: IPython's events tell when, the session records, a card says what was recorded.

Nothing here may reach the user's cell: whatever goes wrong is said in the card, and in the log. What records and
draws is imported with the first tracked cell, so that loading the extension costs a notebook nothing.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.capture.current import current_session, open_session
from nbops.capture.warned import still_warned
from nbops.ipython.pending_clear import PendingClear
from nbops.ipython.track_line import TrackLine, track_line

if TYPE_CHECKING:
    from nbops.capture.cells import CellStart, OpenCell
    from nbops.capture.session import Session
    from nbops.lineage.ledger import Ledger

TAG = "nbops-track"
PARAMETERS = "parameters"  # the tag of the cell that papermill injects after
PATIENCE_S = 2.0
"""How long a person's cell waits for a locked store, before and after it runs; a papermill step waits longer."""

log = logging.getLogger("nbops")
log.addHandler(logging.NullHandler())  # without one, a warning would go to the user's cell as stderr output


class CellHooks:
    """IPython's callbacks. One tracked cell at a time: cells run by a cell (``%run nb.ipynb``) are part of it.

    `card` is "full", "line", "off", or None for the workspace's setting."""

    def __init__(self, shell: Any, *, auto: bool = False) -> None:
        self.shell = shell
        self.auto = auto
        self.off = False
        self.card: str | None = None
        self._folder = Path.cwd()  # where the kernel was started: later cells may go elsewhere
        self._info: Any = None  # of the cell that runs, tracked or not
        self._cell: OpenCell | None = None
        self._parent: tuple[str, int] = ("", 0)
        self._clear: PendingClear | None = None
        self._problem: str | None = None
        self._ledger: Ledger | None = None
        self._found: Path | None = None  # the notebook, by its cells
        self._tracked = 0  # cells

    def pre_run_cell(self, info: Any) -> None:
        parent = self._message(), threading.get_ident()
        try:
            if self._info is not None and parent[0] != self._parent[0] and parent[1] == self._parent[1]:
                self.stop()  # the end of an earlier cell was never told
            if self._info is None and info.store_history and not self.off:
                self._info, self._parent = info, parent
                with still_warned():
                    self._begin(info)
        except KeyboardInterrupt:  # IPython would not stop the cell for it either: it runs, and is said to be untracked
            self.stop()
            self._info, self._parent = info, parent
            self._problem = (
                "not recorded: you interrupted the look at its data; interrupt again to stop the cell itself"
            )
        except Exception as error:  # a failure of ours must not show up as the cell's
            log.warning("before a cell: %s", error, exc_info=error)
            self._problem = _not_recorded(error)

    def post_run_cell(self, result: Any) -> None:
        info = self._info
        if info is None or (result is not None and not _same(result.info, info)):
            return
        try:
            with still_warned():
                self._end(info, result)
        except KeyboardInterrupt:
            pass
        except Exception as error:
            log.warning("after a cell: %s", error, exc_info=error)
        finally:
            self.stop()

    @property
    def running(self) -> bool:
        """Whether a cell runs, tracked or not."""
        return self._info is not None

    def stop(self) -> None:
        """Let go of the cell that is running."""
        if self._clear is not None:
            self._clear.stop()
        session = open_session()
        if session is not None and self._cell is not None:
            session.let_go(self._cell)
        self._clear = self._cell = self._info = self._problem = None

    def start_folder(self) -> Path:
        """The folder whose workspace is this kernel's."""
        notebook = self._notebook()
        return notebook.parent if notebook is not None and notebook.parent.is_dir() else self._folder

    def open_session(self) -> Session:
        """The session of this kernel: told to :mod:`nbops.capture.current`, which asks when one is needed."""
        from nbops.capture.session import Session
        from nbops.workspace import open_workspace

        run_id = os.environ.get("NBOPS_RUN_ID")
        patience = None if run_id else PATIENCE_S
        workspace = open_workspace(self.start_folder(), lock_timeout_s=patience)
        session = Session(workspace, notebook=self._notebook(), run_id=run_id)
        if self._info is not None:
            session.untracked = self._start(self._info, TrackLine())
        return session

    def _begin(self, info: Any) -> None:
        marked = track_line(info.raw_cell)
        if marked is None and not self._wanted(info):
            session = open_session()
            if session is not None:
                session.untracked = self._start(info, TrackLine())
            return
        session = current_session()
        if session is not None and not session.off:
            self._tracked += 1
            if session.notebook is None and self._tracked & (self._tracked - 1) == 0 and self._tracked > 1:
                session.notebook = self._notebook()  # the more cells have run, the better they tell
            self._clear = PendingClear(self.shell)
            self._cell = session.begin(self._start(info, marked or TrackLine()), self.shell.user_ns)

    def _wanted(self, info: Any) -> bool:
        """Is a cell without ``%%track`` to be tracked?"""
        ours = all(not line.strip() or line.lstrip().startswith("%nbops") for line in info.raw_cell.splitlines())
        return TAG in _tags(info) or (self.auto and not ours)

    def _start(self, info: Any, line: TrackLine) -> CellStart:
        from nbops.capture.cells import CellStart

        return CellStart(
            source=info.raw_cell,
            code=info.raw_cell,
            cell_id=info.cell_id,
            execution_count=self.shell.execution_count - 1,  # it has been raised for this cell already
            name=line.name,
            tags=line.tags,
            parameters=PARAMETERS in _tags(info),
        )

    def _end(self, info: Any, result: Any) -> None:
        from nbops.ipython.cards import LOST_CLEAR, say, show

        session, cell = open_session(), self._cell
        error = _error(result)
        clear_waits = self._clear is not None and self._clear.stop() and error is None  # an error is an output too
        self._clear = None
        if self._problem is not None:
            say(self.shell, self._problem)
        if session is None:
            return
        if cell is None:
            done = session.flush()
            if done is not None and done.problem is not None:
                say(self.shell, done.problem)
            return
        if clear_waits:
            cell.notes.append(LOST_CLEAR)
        cell.ran = result is None or result.error_before_exec is None
        done = session.end(cell, error)
        if self._ledger is None:
            from nbops.lineage.ledger import Ledger

            self._ledger = Ledger()
        state = self._ledger.after(done.record) if done.record is not None else ()
        if not clear_waits:
            settings = session.workspace.settings.capture
            marked = track_line(info.raw_cell) is not None
            show(
                self.shell,
                done,
                self.card or settings.card,
                marked=marked,
                opened=marked or self.card == "full",
                state=state,
                budget_s=settings.budget_s,
            )

    def _notebook(self) -> Path | None:
        from nbops.capture.identity import by_cells, notebook_path

        said = notebook_path(namespace=self.shell.user_ns)
        if said is not None or getattr(self.shell, "kernel", None) is None:
            return said
        if self._found is None and self._info is not None:  # nobody says it: by what has run so far
            texts = [*self.shell.history_manager.input_hist_raw[1:-1], self._info.raw_cell]
            self._found = by_cells(self._folder, self._info.cell_id, texts)
        return self._found

    def _message(self) -> str:
        """The id of the message that this cell came with; empty where there are no messages (a terminal)."""
        parent = getattr(self.shell, "parent_header", None) or {}
        return str((parent.get("header") or parent).get("msg_id", ""))


def _same(one: Any, other: Any) -> bool:
    return one is other or (one.raw_cell == other.raw_cell and one.cell_id == other.cell_id)


def _tags(info: Any) -> Any:
    """The cell's tags in the notebook, as far as its front end sends them."""
    return (getattr(info, "cell_meta", None) or {}).get("tags") or ()


def _error(result: Any) -> BaseException | None:
    """What ended the cell. Without a result it was cancelled while it awaited something."""
    if result is None:
        return KeyboardInterrupt()
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _not_recorded(error: Exception) -> str:
    from nbops.core.redaction import redact_text

    return f"not recorded: {redact_text(str(error)) or type(error).__name__}"
