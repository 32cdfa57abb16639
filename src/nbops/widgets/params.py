"""``nbops.params("train.ipynb")``: a notebook's typed parameters as a form that runs it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbops.core.errors import NbopsError, UsageError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.notebook.files import read
from nbops.notebook.parameters import Parameter, coerce, of_notebook
from nbops.pipeline.processes import Processes, notebook_words
from nbops.render.elements import Element, element
from nbops.store import records, runs
from nbops.widgets.view import View, problem
from nbops.widgets.where import workspace

LOOK_S = 0.5
_NONE = "It takes no parameters: tag a cell “parameters” to give it some."


class ParamsView(View):
    """The form; below it how the run that it started gets on."""

    def __init__(self, notebook: Path) -> None:
        self._ws, self._notebook = workspace(), notebook.absolute()
        self._parameters = [p for p in of_notebook(read(notebook)) if p.secret is None]
        self._given: dict[str, Any] = {}
        self._run: Run | None = None
        self._wrong: str | None = None
        self._processes = Processes()
        super().__init__()

    def draw(self) -> Element:
        running = self._run is not None and not self._run.status.ended
        return element(
            "form",
            element("h3", self._notebook.name),
            None if self._parameters else element("p", _NONE, class_="nbops-empty"),
            element("div", [_field(p, self._given.get(p.name)) for p in self._parameters], class_="nbops-fields"),
            element("p", _button("Run", type="submit", disabled=running), " ", self._stop(running)),
            problem(UsageError(self._wrong)) if self._wrong else None,
            self._told(),
            data_act="run",
        )

    def on_run(self, _value: str, form: dict[str, Any]) -> None:
        self._wrong, self._given = None, form
        self._run = None
        params = coerce(self._parameters, _params(self._parameters, form), self._notebook.name)
        threading.Thread(target=self._follow, args=(params,), name="nbops-params", daemon=True).start()

    def on_stop(self, _value: str, _form: dict[str, Any]) -> None:
        if self._run is not None and self._run.owner is not None:
            self._processes.stop(self._run.owner.pid)

    def _follow(self, params: dict[str, Any]) -> None:
        """In a thread: the kernel stays free. Start, then look at the run until it has ended."""
        try:
            words = notebook_words(self._notebook, params)
            run = self._processes.started_run(self._ws, RunKind.STEP, *words)
            while self._run is None or not self._run.status.ended:
                self._run = runs.get(self._ws.store, run)
                self.redraw()
                time.sleep(LOOK_S)
        except NbopsError as error:
            self._wrong = str(error)
            self.redraw()

    def _stop(self, running: bool) -> Element | None:
        return _button("Stop", type="button", data_act="stop") if running else None

    def _told(self) -> Element | None:
        run = self._run
        if run is None:
            return None
        cells = run.detail.get("cells")
        done = min(records.next_seq(self._ws.store, run.id), cells or 0)
        far = f", {done} of {cells} cells" if cells and not run.status.ended else ""
        metrics = records.latest_metrics(self._ws.store, [run.id])[run.id]
        listed = element("ul", [element("li", f"{n}: {v:.6g}") for n, v in metrics.items()])
        kind = "nbops-alert" if run.status in (RunStatus.FAILED, RunStatus.LOST) else None
        return element(
            "div",
            element("p", f"run {run.id[:6]}: {run.status.lower()}{far}", class_=kind),
            element("p", run.error, class_="nbops-alert") if run.error else None,
            listed if metrics else None,
            role="status",
        )

    def __repr__(self) -> str:
        said = ", ".join(f"{p.name}: {p.type} = {p.written}" for p in self._parameters)
        return f"nbops parameters of {self._notebook.name}: {said or 'none'}"


def params(notebook: str | Path) -> ParamsView:
    """A form of a notebook's typed parameters, that runs the notebook with them in a process of its own.

    Parameters
    ----------
    notebook : str or Path

    Raises
    ------
    NotebookError, ParameterError
        If it can't be read, or its parameters cell is no Python.
    """
    return ParamsView(Path(notebook))


def _button(name: str, **attributes: Any) -> Element:
    return element("button", name, data_key=name, **attributes)


def _field(parameter: Parameter, given: Any) -> Element:
    said = _text(parameter.default) if parameter.known else (parameter.written or "")
    label = element("label", parameter.name, for_=f"nbops-{parameter.name}")
    common: dict[str, Any] = {
        "id": f"nbops-{parameter.name}",
        "name": parameter.name,
        "data_key": f"field {parameter.name}",
    }
    if parameter.choices:
        chosen = said if given is None else str(given)
        options = [element("option", _text(c), value=_text(c), selected=_text(c) == chosen) for c in parameter.choices]
        field = element("select", options, **common)
    elif parameter.kind.base == "bool":
        checked = bool(parameter.default) if given is None else bool(given)
        field = element("input", type="checkbox", checked=checked, **common)
    else:
        value = said if given is None else str(given)
        empty = "required" if parameter.required else None
        field = element("input", type="text", value=value, placeholder=empty, **common)
    about = " · ".join(filter(None, (parameter.type, parameter.bounds, parameter.help)))
    return element("span", [label, field, element("small", about)], class_="nbops-field")


def _params(parameters: Sequence[Parameter], form: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: the rest is the notebook's own. An empty field is one that wasn't filled in."""
    given = {}
    for p in parameters:
        value = form.get(p.name)
        said = _text(p.default) if p.known else (p.written or "")
        if value is None or value == "" or (isinstance(value, str) and value == said) or value is p.default:
            continue
        given[p.name] = value
    return given


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
