"""``nbops.show_lineage(x)``."""

from __future__ import annotations

import dataclasses
from typing import Any

from nbops.capture.current import open_session
from nbops.core.errors import UsageError
from nbops.core.lineage import Node
from nbops.lineage.graph import lineage
from nbops.render.elements import Element, element, from_svg
from nbops.render.lineage import named
from nbops.render.lineage_picture import lineage_svg
from nbops.widgets.view import View
from nbops.widgets.where import workspace


class LineageView(View):
    """What something came from and what came of it; a click on a box tells what is known of it."""

    def __init__(self, asked: str, *, up: bool, down: bool) -> None:
        session = open_session()
        kernel = session.run.id if session is not None and session.run is not None else None
        self._asked = asked
        self._graph = lineage(workspace(), asked, up=up, down=down, kernel=kernel)
        self._chosen: Node | None = None
        super().__init__()

    def draw(self) -> Element:
        picture = _clickable(from_svg(lineage_svg(self._graph)))
        cut = element("small", "The graph is too large to be shown whole.") if self._graph.cut else None
        return element("div", element("div", picture, data_scroll="lineage"), cut, self._told())

    def on_node(self, value: str, _form: dict[str, Any]) -> None:
        self._chosen = next((n for n in self._graph.nodes if n.id == value), None)

    def _told(self) -> Element:
        if self._chosen is None:
            return element("small", "Click a box to see what is known of it.")
        known = [f"{k}: {v}" for k, v in self._chosen.detail.items() if v not in (None, "", (), [])]
        listed = element("ul", [element("li", line) for line in known]) if known else None
        return element("div", element("b", named(self._chosen)), listed, aria_live="polite")

    def __repr__(self) -> str:
        return f"nbops lineage of {self._asked}"


def show_lineage(x: Any, *, up: bool = True, down: bool = True) -> LineageView:
    """The lineage of a thing, as a picture.

    Parameters
    ----------
    x : str or object
        What ``nbops lineage`` takes: a variable's name, a run's id, a file, ``models:/NAME/VERSION``, a notebook; or an
        object that a variable of the notebook is bound to.
    up, down : bool
        What it came from; what came of it.

    Raises
    ------
    UsageError
        For an object that no variable is bound to.
    UnknownNameError, AmbiguousError
    """
    return LineageView(x if isinstance(x, str) else _name_of(x), up=up, down=down)


def _name_of(x: Any) -> str:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    for name, value in list(shell.user_ns.items()) if shell is not None else ():
        if value is x and not name.startswith("_"):
            return str(name)
    raise UsageError(f"no variable of this notebook is bound to this {type(x).__name__}; give its name")


def _clickable(node: Element) -> Element:
    children = tuple(_clickable(c) if isinstance(c, Element) else c for c in node.children)
    extra: tuple[tuple[str, str | bool], ...] = ()
    if any(name == "data-value" for name, _ in node.attributes):
        extra = (("data-act", "node"), ("role", "button"), ("tabindex", "0"))
    return dataclasses.replace(node, children=children, attributes=node.attributes + extra)
