"""What a plain observer sees of a notebook: fits, scores, metrics of scikit-learn, fits of statsmodels, files.

Loaded into a kernel as an IPython extension (``--IPKernelApp.extra_extensions=plain_trace``). It shares no code and no
method with nbops, which it is there to check: `sys.setprofile` tells of every call while a cell runs, an audit hook of
every open. A call counts when control enters one of the two from elsewhere, and not what that then calls itself.

Written as JSON lines to the file named by ``PLAIN_TRACE``, one a cell:
``{"count": 3, "calls": [["fit", "sklearn.svm._classes.SVC", true], …], "files": [["read", "/path"], …]}``;
the last word of a call is whether it returned.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from types import FrameType
from typing import Any

FITS = ("fit", "fit_transform", "fit_predict", "partial_fit")
_WRAPPED = {"wrapper": ("fit_method", "func"), "wrapped": ("f",)}  # scikit-learn's decorators: where they keep whom


class PlainTrace:
    """One for the kernel; notes are taken between the events of a cell's begin and end."""

    def __init__(self, shell: Any, path: str) -> None:
        self.shell, self.path = shell, path
        self.thread = threading.get_ident()
        self.cell: Any = None  # IPython's info of the cell that runs
        self.message = ""
        self.count = 0
        self.entry: FrameType | None = None  # the call by which scikit-learn was entered
        self.calls: list[list[Any]] = []
        self.opened: list[tuple[str, bool]] = []

    def begin(self, info: Any) -> None:
        message = str(self.shell.parent_header.get("header", {}).get("msg_id"))
        if self.cell is not None and message == self.message:
            return  # a cell run by a cell
        self.calls, self.opened, self.entry, self.cell, self.message = [], [], None, info, message
        self.count = self.shell.execution_count - 1
        sys.setprofile(self.profile)

    def end(self, result: Any) -> None:
        if self.cell is None or (result is not None and result.info.raw_cell != self.cell.raw_cell):
            return
        sys.setprofile(None)
        self.cell = None
        files = {("write" if wrote else "read", path) for path, wrote in self.opened if os.path.isfile(path)}
        cell = {"count": self.count, "calls": self.calls, "files": sorted(files)}
        with open(self.path, "a") as out:
            out.write(json.dumps(cell) + "\n")

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and frame is self.entry:
            self.entry = None
            if self.calls and self.calls[-1][2] is None:
                self.calls[-1][2] = arg is not None
        elif event == "call" and self.entry is None:
            found = _call(frame)
            if found is not None:
                self.entry = frame
                if found:
                    self.calls.append([*found, None])

    def opening(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and self.cell is not None and threading.get_ident() == self.thread:
            name, _, flags = args
            if isinstance(name, (str, bytes)) and isinstance(flags, int):
                wrote = bool(flags & (os.O_WRONLY | os.O_RDWR))
                path = os.path.abspath(os.fsdecode(name))
                if wrote or os.path.exists(path):
                    self.opened.append((path, wrote))


def _call(frame: FrameType) -> tuple[()] | tuple[str, str] | None:
    """None: of neither. Empty: of one, and of no interest. Else what is called, and on which class."""
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    if isinstance(module, str) and module.startswith("statsmodels."):
        return _statsmodels(frame)
    theirs = isinstance(module, str) and (module == "sklearn" or module.startswith("sklearn."))
    if not theirs and code.co_name not in FITS:
        return None
    base = sys.modules.get("sklearn.base")
    estimator_class = getattr(base, "BaseEstimator", ())
    name, inside = code.co_name, frame.f_locals
    for place in _WRAPPED.get(name, ()) if theirs else ():
        function = inside.get(place)
        if function is not None:
            name, module = getattr(function, "__name__", name), getattr(function, "__module__", module)
            inside = {**inside, **dict(zip(("self",), inside.get("args") or (), strict=False)), **inside}
            break
    on = inside.get("estimator") if code.co_name == "wrapper" else inside.get("self")
    if name in (*FITS, "score") and estimator_class and isinstance(on, estimator_class):
        return "fit" if name in FITS else "score", f"{type(on).__module__}.{type(on).__qualname__}"
    if not theirs:
        return None
    metrics = sys.modules.get("sklearn.metrics")
    if module.startswith("sklearn.metrics") and name in getattr(metrics, "__all__", ()):
        return "metric", name
    if module.startswith("sklearn.model_selection") and name in ("cross_val_score", "cross_validate"):
        return "cv", name
    return ()


def _statsmodels(frame: FrameType) -> tuple[()] | tuple[str, str]:
    model_class = getattr(sys.modules.get("statsmodels.base.model"), "Model", ())
    on = frame.f_locals.get("self")
    fits = frame.f_code.co_name in ("fit", "fit_regularized", "fit_constrained")
    if not fits or not model_class or not isinstance(on, model_class):
        return ()
    return "fit", f"{type(on).__module__}.{type(on).__qualname__}"


def load_ipython_extension(shell: Any) -> None:
    trace = PlainTrace(shell, os.environ["PLAIN_TRACE"])
    shell.events.register("pre_run_cell", trace.begin)
    shell.events.register("post_run_cell", trace.end)
    sys.addaudithook(trace.opening)
