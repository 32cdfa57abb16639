"""A table as elements: text to the left, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbops.render.card import number
from nbops.render.elements import Element, element


def table(head: Sequence[str | Element], rows: Sequence[Sequence[Any]], *, scroll: str | None = None) -> Element:
    """Cells are text, numbers or elements. `scroll` names the table, whose place is kept when it is drawn again."""
    body = [element("tr", [_cell(value) for value in row]) for row in rows]
    return framed(head, body, scroll=scroll)


def framed(head: Sequence[str | Element], body: Sequence[Element], *, scroll: str | None = None) -> Element:
    """A table of rows that are drawn already."""
    top = element("thead", element("tr", [element("th", h, scope="col") for h in head]))
    made = element("table", top, element("tbody", list(body)))
    return element("div", made, data_scroll=scroll) if scroll else made


def cell(value: Any) -> Element:
    return _cell(value)


def _cell(value: Any) -> Element:
    if isinstance(value, Element):
        return element("td", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return element("td", number(float(value)), class_="nbops-number")
    return element("td", "" if value is None else str(value))
