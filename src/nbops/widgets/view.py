"""`View`: what every widget is. It draws a tree of elements, is told what was done with it, and draws anew.

The drawing is sent as a message, not kept as the widget's state: a notebook that is saved with its widgets' state
holds the first drawing only. Beside the live view stands the same drawing as HTML: it is what papermill, nbconvert, a
code host or a mail show, where nothing answers; nothing here waits for an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from nbops.core.errors import NbopsError
from nbops.render.elements import Element, element, html, plain

_HERE = Path(__file__).parent
_STYLE = (_HERE / "view.css").read_text(encoding="utf-8")


class View(anywidget.AnyWidget):
    """A widget that shows what `draw()` returns.

    A part of the drawing with ``data_act="name"`` (and ``data_value``) calls the method ``on_name(value, form)`` when
    it is clicked, chosen or typed in; `form` holds the fields of the form it stands in. Then it is drawn again."""

    _esm = _HERE / "view.js"
    _css = _HERE / "view.css"
    tree = traitlets.Any().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(tree=plain(self.draw()))
        self.on_msg(self._heard)

    def draw(self) -> Element:
        raise NotImplementedError

    def redraw(self) -> None:
        """Show the present state, in every front end that shows this widget."""
        self.send({"tree": plain(self._drawn())})

    def _drawn(self) -> Element:
        try:
            return self.draw()
        except NbopsError as error:
            return problem(error)

    def _heard(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        act: Callable[[str, dict[str, Any]], None] | None = getattr(self, f"on_{message.get('act')}", None)
        if act is None:
            return
        try:
            act(str(message.get("value", "")), dict(message.get("form") or {}))
        except NbopsError as error:
            self.send({"tree": plain(element("div", problem(error), self._drawn()))})
            return
        self.redraw()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        drawn = self._drawn()
        self.tree = plain(drawn)
        shown, metadata = super()._repr_mimebundle_() or ({}, {})
        return {**shown, "text/html": static(drawn), "text/plain": repr(self)}, metadata


def static(drawn: Element) -> str:
    """The drawing as HTML that stands by itself; without its style (untrusted, or on a code host) it reads right."""
    return f'<style>{_STYLE}</style><div class="nbops-view">{html(drawn)}</div>'


def problem(error: Exception) -> Element:
    """What went wrong, where it was asked for."""
    return element("p", str(error), class_="nbops-alert", role="alert")
