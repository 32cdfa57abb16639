"""One scope being watched: whose calls count, what was found so far, how much time is left.

Only the thread and the process that began the scope are watched, only the outermost of nested calls, and nothing
that we do ourselves.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from nbops.capture.data import Fingerprinter
from nbops.capture.instruments.code_swap import Probe
from nbops.capture.observation import Scope
from nbops.capture.warned import still_warned
from nbops.core.fingerprint import Fingerprint
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact, Metric

T = TypeVar("T")
TOP_LEVEL = ("<module>", "<cell line")
"""How the names of code begin that is a cell's, or a script's, and no function's."""
_MOST_NOTES = 20


class Watch:
    """The state of a scope. `busy` is set while we work ourselves, `inside` while a recorded call runs."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.thread = threading.get_ident()
        self.pid = os.getpid()
        self.began_ns = time.time_ns()
        self.active = True
        self.inside = False
        self.busy = False
        self.overhead_s = 0.0
        self.prints = Fingerprinter(scope.workspace.settings.capture.budget_s)
        self.keep_bytes = int(scope.workspace.settings.store.keep_under_mb * 1e6)
        self.metrics: list[Metric] = []
        self.series: list[Metric] = []
        self.artifacts: list[Artifact] = []
        self.params: dict[str, Any] = {}
        self.notes: list[str] = []
        self.uncacheable: list[str] = []
        self.models: Any = None  # a ScopeModels
        self.files: Any = None  # a ScopeFiles
        self.queries: Any = None  # a ScopeQueries
        self.results: list[Any] = []  # of statsmodels' fits: see statistics
        self.figures = 0

    @property
    def mine(self) -> bool:
        """Does what happens now happen in the scope, and not by our own doing?"""
        return self.active and not self.busy and threading.get_ident() == self.thread and os.getpid() == self.pid

    def note(self, text: str) -> None:
        """Say in the record what could not be recorded; each sentence once."""
        text = redact_text(text)
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def failed(self, what: str, error: Exception) -> None:
        self.note(f"{what} was not recorded: {type(error).__name__}: {str(error)[:200]}")

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """The result of `work`; None and a note if it fails: one part that fails must not take the others along."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - it looks at objects of the user's, which may do anything
            self.failed(what, error)
            return None

    def unlike(self, cause: str) -> None:
        """Something that makes a step's result depend on more than its inputs."""
        if cause not in self.uncacheable:
            self.uncacheable.append(cause)

    def fingerprint(self, value: Any) -> Fingerprint:
        """What `value` is now, within what is left of the scope's budget."""
        return self.prints.of(value)

    def keep(self, content: bytes, *, name: str, kind: str, media: str, about: dict[str, Any] | None = None) -> str:
        """Keep content as an artifact of the scope; return its digest."""
        digest = self.scope.workspace.artifacts.put_bytes(content)
        self.add_artifact(
            Artifact(name=name, kind=kind, digest=digest, size=len(content), media=media, about=about or {})
        )
        return digest

    def add_artifact(self, artifact: Artifact) -> None:
        if all((a.digest, a.kind) != (artifact.digest, artifact.kind) for a in self.artifacts):
            self.artifacts.append(artifact)


class Current:
    """Holds the watch of the innermost open scope. Probes and the audit hook look here."""

    __slots__ = ("watch",)

    def __init__(self) -> None:
        self.watch: Watch | None = None


class CallProbe(Probe):
    """A probe that hears of outermost calls in the scope's thread. Subclasses say what they make of them."""

    what = "a call"

    def __init__(self, current: Current) -> None:
        self.current = current

    def before(self, _watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call begins. What is returned comes back in `after`; `IGNORE` if nested calls are of interest."""
        return args, kwargs

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        """The call returned."""

    def enter(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        watch = self.current.watch
        if watch is None or watch.inside or not watch.mine:
            return None
        seen = self._guarded(watch, lambda: self.before(watch, args, kwargs))
        if seen is IGNORE:
            return None
        watch.inside = True
        return watch, seen

    def leave(self, token: Any, result: Any) -> None:
        watch, seen = token
        watch.inside = False
        if watch.mine and seen is not None:
            self._guarded(watch, lambda: self.after(watch, seen, result))

    def fail(self, token: Any) -> None:
        token[0].inside = False

    def _guarded(self, watch: Watch, work: Any) -> Any:
        started = time.perf_counter()
        watch.busy = True
        try:
            with still_warned():
                return work()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's code
            watch.failed(self.what, error)
            return None
        finally:
            watch.busy = False
            watch.overhead_s += time.perf_counter() - started


IGNORE = object()


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, *names: str) -> Any:
    """An argument by its position or by one of its names; None if it wasn't given."""
    if len(args) > position:
        return args[position]
    return next((kwargs[name] for name in names if name in kwargs), None)


def cell_line() -> int | None:
    """The line of the cell (or script) that is being executed in this thread."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "__main__" and frame.f_code.co_name.startswith(TOP_LEVEL):
            return frame.f_lineno
        frame = frame.f_back
    return None
