"""What is drawn as a tree of elements: one drawing for a live widget (built node by node in the browser) and for the
picture that stays where there is none (HTML in GitHub, nbconvert, papermill).

Only the tags and attributes listed here can be made, whatever the data says: no script, no link, no event handler, no
style of its own. Text is text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from nbops.core.errors import UsageError

_HTML = """div span section h3 h4 p b code pre ul li table caption thead tbody tr th td details summary button input
select option label form fieldset legend small"""
_SVG = "svg g title path line polyline rect circle text"
_ATTRIBUTES = """class role tabindex title type name value placeholder for id scope colspan open selected checked
disabled min max step width height viewBox x y x1 y1 x2 y2 cx cy r rx d points fill stroke stroke-width stroke-dasharray
text-anchor transform opacity preserveAspectRatio"""
HTML_TAGS = frozenset(_HTML.split())
SVG_TAGS = frozenset(_SVG.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
PREFIXES = ("aria-", "data-")
_VOID = frozenset({"input"})


@dataclass(frozen=True)
class Element:
    """`attributes` whose value is None or False are left out; True stands alone (``disabled``)."""

    tag: str
    attributes: tuple[tuple[str, str | bool], ...]
    children: tuple[Element | str, ...]


Child = Element | str | None | Iterable["Child"]


def element(tag: str, *children: Child, **attributes: Any) -> Element:
    """An element. ``class_``, ``for_``, ``data_act`` are written as ``class``, ``for``, ``data-act``; children that are
    None are left out, lists of children are taken in.

    Raises
    ------
    UsageError
        For a tag or attribute that isn't on the list.
    """
    if tag not in HTML_TAGS and tag not in SVG_TAGS:
        raise UsageError(f"<{tag}> is no element that a view may have")
    kept: list[tuple[str, str | bool]] = []
    for key, value in attributes.items():
        name = key if key == "viewBox" or key == "preserveAspectRatio" else key.rstrip("_").replace("_", "-")
        if name not in ATTRIBUTES and not name.startswith(PREFIXES):
            raise UsageError(f"{name!r} is no attribute that a view may have")
        if value is not None and value is not False:
            kept.append((name, value if value is True else _text(value)))
    return Element(tag=tag, attributes=tuple(kept), children=tuple(_flat(children)))


def html(node: Element | str) -> str:
    """The tree as HTML."""
    if isinstance(node, str):
        return escape(node, quote=False)
    said = "".join(f" {n}" if v is True else f' {n}="{escape(str(v))}"' for n, v in node.attributes)
    namespace = ' xmlns="http://www.w3.org/2000/svg"' if node.tag == "svg" else ""
    inner = "".join(html(child) for child in node.children)
    return f"<{node.tag}{namespace}{said}>" + ("" if node.tag in _VOID else f"{inner}</{node.tag}>")


def plain(node: Element | str) -> list[Any] | str:
    """The tree as JSON: a string, or [tag, {attribute: value}, [children]]."""
    if isinstance(node, str):
        return node
    return [node.tag, dict(node.attributes), [plain(child) for child in node.children]]


def from_svg(text: str) -> Element:
    """An SVG that was drawn as text, as elements; what isn't on the lists is left out."""
    from xml.etree import ElementTree

    def taken(node: ElementTree.Element) -> Element | None:
        tag = node.tag.rpartition("}")[2]
        if tag not in SVG_TAGS:
            return None
        kept = tuple((k, v) for k, v in node.attrib.items() if k in ATTRIBUTES or k.startswith(PREFIXES))
        children: list[Element | str] = [node.text] if node.text else []
        for child in node:
            made = taken(child)
            children += [made] if made is not None else []
            children += [child.tail] if child.tail else []
        return Element(tag=tag, attributes=kept, children=tuple(children))

    made = taken(ElementTree.fromstring(text))
    if made is None:
        raise UsageError("that is no SVG")
    return made


def _flat(children: Iterable[Child]) -> Iterable[Element | str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, (Element, str)):
            yield child
        else:
            yield from _flat(child)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
