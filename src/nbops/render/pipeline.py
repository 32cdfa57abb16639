"""A pipeline's graph as text and as SVG. Values in (:func:`nbops.pipeline.description.described`), text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _LETTERS = 180, 44, 60, 16, 24
_COLORS = {
    "COMPLETED": "#c8e6c9", "CACHED": "#e0f2f1", "cached": "#e0f2f1", "FAILED": "#ffcdd2", "STOPPED": "#ffe0b2",
    "SKIPPED": "#f5f5f5", "skipped": "#f5f5f5", "IN_PROGRESS": "#bbdefb", "stale": "#fff9c4", "run": "#e3f2fd",
}  # fmt: skip


def graph_text(described: Mapping[str, Any], states: Mapping[str, str] | None = None) -> str:
    """One line a step, in the order they run, indented below what they need, with what it is given by whom."""
    depth = columns(described["order"], described["edges"])
    lines = []
    for step in described["steps"]:
        name = step["name"]
        given: dict[str, list[str]] = {}
        for source, target, what in described["edges"]:
            if target == name:
                given.setdefault(source, []).append(what)
        from_ = ", ".join(f"{source}" + (f" ({', '.join(w)})" if w != ["needs"] else "") for source, w in given.items())
        said = [
            f"← {from_}" if from_ else "",
            f"for each {', '.join(step['foreach'])}" if step["foreach"] else "",
            f"when {step['when']}" if step["when"] else "",
            "when a step has failed" if step["on_failure"] else "",
        ]
        state = f"  [{states[name]}]" if states and name in states else ""
        mark = "  " * depth.get(name, 0)
        lines.append(f"{mark}{name}  {step['notebook']}{state}" + "".join(f"  {each}" for each in said if each))
    return "\n".join(lines)


def graph_svg(described: Mapping[str, Any], states: Mapping[str, str] | None = None) -> str:
    """The graph from left to right: a step stands right of all it needs. `states` colour it."""
    column = columns(described["order"], described["edges"])
    names = [step["name"] for step in described["steps"]]
    place: dict[str, tuple[int, int]] = {}
    rows: dict[int, int] = {}
    for name in sorted(names, key=lambda n: column.get(n, 0)):
        at = column.get(name, 0)
        wanted = [place[source][1] for source, target, _ in described["edges"] if target == name]
        row = max(rows.get(at, 0), min(wanted, default=0))
        place[name], rows[at] = (at, row), row + 1
    width = (max((x for x, _ in place.values()), default=0) + 1) * (_WIDTH + _GAP_X)
    height = (max((y for _, y in place.values()), default=0) + 1) * (_HEIGHT + _GAP_Y) + _GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' font-family="sans-serif" font-size="12" role="img"><title>{escape(str(described["name"]))}</title>'
    ]
    for source, target, what in described["edges"]:
        (x1, y1), (x2, y2) = _corner(place[source]), _corner(place[target])
        x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
        bend = (x1 + x2) // 2
        parts.append(
            f'<path d="M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}" fill="none" stroke="#90a4ae">'
            f"<title>{escape(what)}</title></path>"
        )
    for step in described["steps"]:
        (x, y), state = _corner(place[step["name"]]), (states or {}).get(step["name"], "")
        below = state.lower() or step["notebook"]
        many = " ×n" if step["foreach"] else ""
        parts.append(
            f"<g><title>{escape(step['notebook'])}</title>"
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4"'
            f' fill="{_COLORS.get(state, "#ffffff")}" stroke="#546e7a"/>'
            f'<text x="{x + 10}" y="{y + 18}" font-weight="bold">{escape(_short(step["name"] + many))}</text>'
            f'<text x="{x + 10}" y="{y + 34}" fill="#546e7a">{escape(_short(below))}</text></g>'
        )
    return "".join([*parts, "</svg>\n"])


def columns(order: Sequence[str], edges: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many steps, at most, must have run one after the other before each."""
    before: dict[str, list[str]] = {}
    for source, target, _ in edges:
        before.setdefault(target, []).append(source)
    found: dict[str, int] = {}
    for step in order:
        found[step] = 1 + max((found[b] for b in before.get(step, ())), default=-1)
    return found


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return _GAP_X // 2 + place[0] * (_WIDTH + _GAP_X), _GAP_Y + place[1] * (_HEIGHT + _GAP_Y)


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
