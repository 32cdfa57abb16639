"""All instruments of a process: in place while a scope is open, gone when none is.

A cell that isn't tracked runs as if nbops weren't there: the code of watched functions is their own, and
``sys.meta_path`` is what it was. What a scope costs at its begin is a few hundred assignments of ``__code__``.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nbops.capture.data import Fingerprinter, Seen
from nbops.capture.instruments.code_swap import Swaps
from nbops.capture.instruments.estimators import Estimators
from nbops.capture.instruments.figures import OpenFigures, watch_figures
from nbops.capture.instruments.files import AUDIT, COMPILED_MODULES, ScopeFiles, watch_compiled
from nbops.capture.instruments.json_params import plain
from nbops.capture.instruments.late_imports import LateImports
from nbops.capture.instruments.metrics import watch_metrics
from nbops.capture.instruments.model_log import ModelLog
from nbops.capture.instruments.queries import QUERY_MODULES, ScopeQueries, watch_queries
from nbops.capture.instruments.scope_models import ScopeModels
from nbops.capture.instruments.statistics import RESULT_MODULES, Results
from nbops.capture.instruments.watch import Current, Watch
from nbops.capture.observation import Observations, Scope
from nbops.core.redaction import redact
from nbops.core.runs import Artifact, Metric

_GROWING = ("sklearn.base", "statsmodels.base.model")  # new classes come under theirs all the time


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """What happens meanwhile is our own doing, not that of the cell it happens in."""
    watch = AUDIT.current.watch if AUDIT.current is not None else None
    if watch is None:
        yield
        return
    busy, watch.busy = watch.busy, True
    try:
        yield
    finally:
        watch.busy = busy


class Instruments:
    """Scopes may be nested; what happens is recorded in the innermost. No method raises an Exception."""

    def __init__(self) -> None:
        self._current = Current()
        self._swaps = Swaps()
        self._log = ModelLog()
        self._figures = OpenFigures()
        self._outer: list[Watch] = []
        self._estimators = Estimators(self._current, self._swaps, self._log)
        self._results = Results(self._current, self._swaps)
        self._installed = False
        watchers = {
            "sklearn.base": self._estimators.watch_classes,
            "sklearn.model_selection": self._estimators.watch_functions,
            "sklearn.metrics": lambda: watch_metrics(self._current, self._swaps, self._log),
            **{name: lambda: watch_compiled(self._current, self._swaps) for name in COMPILED_MODULES},
            **{name: lambda: watch_queries(self._current, self._swaps) for name in QUERY_MODULES},
            **dict.fromkeys(RESULT_MODULES, self._results.watch_classes),
            "IPython.core.pylabtools": lambda: watch_figures(self._current, self._swaps),
        }
        self._watchers = {name: self._guarded(name, watcher) for name, watcher in watchers.items()}
        self._watched: set[str] = set()
        self._late = LateImports(self._watchers)

    @property
    def watch(self) -> Watch | None:
        """The innermost open scope's watch."""
        return self._current.watch

    def install(self) -> None:
        """From now on :meth:`begin` does something, and :func:`current` is this."""
        global _current
        _current = self
        self._installed = True

    def uninstall(self) -> None:
        """Everything as it was before; open scopes are dropped."""
        global _current
        self._outer.clear()
        self._leave()
        self._installed = False
        if _current is self:
            _current = None

    def begin(self, scope: Scope) -> None:
        """A tracked cell or block starts, in this thread."""
        if not self._installed:
            return
        watch = Watch(scope)
        watch.models, watch.files = ScopeModels(watch, self._log), ScopeFiles(watch)
        watch.queries = ScopeQueries(watch)
        if self._current.watch is not None:
            self._outer.append(self._current.watch)
        self._current.watch = watch
        if len(self._outer) == 0:
            AUDIT.report_to(self._current)
            self._swaps.again()
            for name, watcher in self._watchers.items():
                if name in sys.modules and (name not in self._watched or name in _GROWING):
                    self._watched.add(name)
                    watcher()
            self._late.install()

    def end(self, namespace: Mapping[str, Any]) -> Observations:
        """The innermost scope has ended, by an exception or not; `namespace` is what its names are bound to now."""
        watch = self._current.watch
        if watch is None:
            return Observations()
        watch.active = False
        if self._outer:
            self._current.watch = self._outer.pop()
        else:
            self._leave()
        seen: Seen = {}  # nothing of the cell's changes them any more
        watch.prints = Fingerprinter(watch.scope.workspace.settings.capture.budget_s, seen)  # the end has its own
        uses: dict[str, Any] = {"models": (), "statistics": (), "files": ()}
        for name, finish in (
            ("models", lambda: watch.models.finish(namespace)),
            ("statistics", lambda: self._results.finish(watch, namespace)),
            ("files", watch.files.finish),
            ("queries", lambda: watch.queries.finish(namespace)),
            ("figures", lambda: self._figures.finish(watch)),
        ):
            try:
                uses[name] = finish()
            except Exception as error:  # noqa: BLE001 - a record with a gap that says so is better than none
                watch.failed(f"the cell's {name}", error)
        return Observations(
            metrics=tuple(watch.metrics),
            series=tuple(watch.series),
            models=(*uses["models"], *uses["statistics"]),
            files=uses["files"],
            artifacts=tuple(watch.artifacts),
            params=dict(watch.params),
            notes=tuple(watch.notes),
            uncacheable=tuple(watch.uncacheable),
            overhead_s=watch.overhead_s,
            seen=seen,
        )

    def note_metric(self, metric: Metric) -> None:
        """A metric somebody logged; with a step it belongs to a series."""
        watch = self._current.watch
        if watch is not None:
            (watch.metrics if metric.step is None else watch.series).append(metric)

    def note_param(self, name: str, value: Any) -> None:
        """A parameter somebody logged; redacted, made JSON."""
        watch = self._current.watch
        if watch is not None:
            watch.params[name] = redact(plain(value), name)

    def note_artifact(self, artifact: Artifact) -> None:
        watch = self._current.watch
        if watch is not None:
            watch.add_artifact(artifact)

    def note_model(self, estimator: Any, name: str) -> None:
        """A model somebody logged: it is saved now, as it is."""
        watch = self._current.watch
        if watch is None:
            return
        started, watch.busy = time.perf_counter(), True
        try:
            watch.models.log_model(estimator, name)
        except Exception as error:  # noqa: BLE001 - logging must not break the cell
            watch.failed(f"the model {name!r}", error)
        finally:
            watch.busy = False
            watch.overhead_s += time.perf_counter() - started

    def _leave(self) -> None:
        self._current.watch = None
        if AUDIT.current is self._current:
            AUDIT.report_to(None)
        self._late.uninstall()
        self._swaps.restore()

    def _guarded(self, name: str, watcher: Any) -> Any:
        def guarded() -> None:
            watch = self._current.watch
            if watch is None:
                return
            try:
                watcher()
            except Exception as error:  # noqa: BLE001 - a package that has changed must not break the user's import
                watch.failed(f"what {name} does", error)

        return guarded


_current: Instruments | None = None


def current() -> Instruments:
    """The process's instruments; without any, ones that record nothing."""
    return _current or Instruments()
