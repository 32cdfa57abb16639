"""A lineage graph as a text tree, as Graphviz's dot, as SVG. Values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

from nbops.core.lineage import Graph, Node, NodeKind

_MARKS = {
    NodeKind.CELL: "cell", NodeKind.DATA: "data", NodeKind.VARIABLE: "name", NodeKind.FILE: "file",
    NodeKind.MODEL: "model", NodeKind.VERSION: "version", NodeKind.RUN: "run", NodeKind.NOTEBOOK: "notebook",
}  # fmt: skip
_SHAPES = {
    NodeKind.CELL: "box", NodeKind.DATA: "ellipse", NodeKind.VARIABLE: "plaintext", NodeKind.FILE: "note",
    NodeKind.MODEL: "component", NodeKind.VERSION: "octagon", NodeKind.RUN: "folder", NodeKind.NOTEBOOK: "tab",
}  # fmt: skip
_COLORS = {
    NodeKind.CELL: "#e3f2fd", NodeKind.DATA: "#e8f5e9", NodeKind.VARIABLE: "#f5f5f5", NodeKind.FILE: "#fff8e1",
    NodeKind.MODEL: "#f3e5f5", NodeKind.VERSION: "#ede7f6",
}  # fmt: skip
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _LETTERS = 210, 34, 60, 14, 30
_MOST_LINES = 400


def lineage_text(graph: Graph) -> str:
    """Two trees: what it came from, and what came of it. A part that was shown already is named once more, with …"""
    names = {node.id: node for node in graph.nodes}
    start = [names[s] for s in graph.start if s in names]
    parts = []
    for title, step in (("came from", graph.before), ("became", graph.after)):
        lines: list[str] = []
        seen: set[str] = set()
        starts = start if len(start) == 1 else _ends(start, step)
        for node in starts:
            if step(node.id):
                lines.append(_named(node))
                seen.add(node.id)
                _branch(node.id, step, names, lines, seen, "")
        if lines:
            parts.append("\n".join([title, *("  " + line for line in lines)]))
    if not parts:
        parts = [
            "\n".join(_named(node) for node in start) or "nothing is recorded of it",
            "no other lineage is recorded",
        ]
    if graph.cut:
        parts.append("… and more: the graph is too large to be shown whole")
    return "\n\n".join(parts)


def lineage_dot(graph: Graph) -> str:
    """The graph for Graphviz: ``nbops lineage X --dot | dot -Tsvg``."""
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="sans-serif", fontsize=11];']
    for node in graph.nodes:
        bold = ', style="bold"' if node.id in graph.start else ""
        lines.append(f"  {_quoted(node.id)} [label={_quoted(node.label)}, shape={_SHAPES[node.kind]}{bold}];")
    for edge in graph.edges:
        style = ", style=dotted" if edge.kind == "holds" else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(edge.kind)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def lineage_svg(graph: Graph) -> str:
    """The graph as a picture, from left to right: a node stands right of all it came from. Runs and notebooks are
    named in the labels of their cells."""
    shown = [n for n in graph.nodes if n.kind not in (NodeKind.RUN, NodeKind.NOTEBOOK)]
    column = _columns(graph, [n.id for n in shown])
    place: dict[str, tuple[int, int]] = {}
    rows: dict[int, int] = {}
    for node in sorted(shown, key=lambda n: column[n.id]):
        # beside what it came from, as far as there is room
        wanted = [place[b][1] for b in graph.before(node.id) if b in place and column[b] < column[node.id]]
        row = max(rows.get(column[node.id], 0), min(wanted, default=0))
        place[node.id] = (column[node.id], row)
        rows[column[node.id]] = row + 1
    width = (max(column.values(), default=0) + 1) * (_WIDTH + _GAP_X)
    height = (max((row for _, row in place.values()), default=0) + 1) * (_HEIGHT + _GAP_Y) + _GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12" role="img"><title>lineage</title>'
    ]
    for edge in graph.edges:
        if edge.source in place and edge.target in place:
            (x1, y1), (x2, y2) = (_at(place[edge.source]), _at(place[edge.target]))
            x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
            bend = (x1 + x2) // 2
            parts.append(
                f'<path d="M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}" fill="none" stroke="#90a4ae">'
                f"<title>{escape(edge.kind)}</title></path>"
            )
    parts += [_box(node, *_at(place[node.id]), bold=node.id in graph.start) for node in shown]
    return "".join([*parts, "</svg>"])


def stale_text(findings: Sequence[tuple[str, str, str]], seen: str) -> str:
    """Findings of the state guard, a line each (cell, kind, why), under what was looked at."""
    if not findings:
        return f"nothing stale is known, by {seen}"
    width = max(len(f"{cell}: {kind}") for cell, kind, _ in findings)
    return "\n".join(
        [f"stale, by {seen}", *(f"  {f'{cell}: {kind}'.ljust(width)}  {why}" for cell, kind, why in findings)]
    )


def _ends(start: list[Node], step: Callable[[str], tuple[str, ...]]) -> list[Node]:
    """Of several nodes asked for (a run's cells), those from which no other one leads here."""
    reached: set[str] = set()
    for node in start:
        left = list(step(node.id))
        inner: set[str] = set()
        while left:
            each = left.pop()
            if each not in inner and each != node.id:
                inner.add(each)
                left += step(each)
        reached |= inner
    return [node for node in start if node.id not in reached]


def _branch(
    node: str,
    step: Callable[[str], tuple[str, ...]],
    names: dict[str, Node],
    lines: list[str],
    seen: set[str],
    indent: str,
) -> None:
    """Iterative: a notebook may have a chain of a thousand cells."""
    stack = [(child, indent) for child in reversed(step(node))]
    last: dict[str, int] = {}
    while stack:
        child, indent = stack.pop()
        ends = not stack or stack[-1][1] != indent
        last[indent] = int(ends)
        if len(lines) >= _MOST_LINES:
            lines.append(f"{indent}… and more")
            return
        known, below = child in seen, step(child)
        again = " …" if known and below else ""
        lines.append(f"{indent}{'└─' if ends else '├─'} {_named(names[child])}{again}")
        if not known:
            seen.add(child)
            stack += [(each, indent + ("   " if ends else "│  ")) for each in reversed(below)]


def _named(node: Node) -> str:
    return f"{_MARKS[node.kind]} {node.label}"


def _columns(graph: Graph, shown: list[str]) -> dict[str, int]:
    """The longest path to each node; a cycle (a cell that wrote again what it came from) is entered once."""
    within = set(shown)
    column = dict.fromkeys(shown, 0)
    for _ in range(len(shown)):
        moved = False
        for edge in graph.edges:
            if edge.source in within and edge.target in within and edge.source != edge.target:
                wanted = column[edge.source] + 1
                if column[edge.target] < wanted < len(shown):
                    column[edge.target] = wanted
                    moved = True
        if not moved:
            return _beside_what_follows(graph, column)
    return _columns_by_breadth(graph, shown)


def _beside_what_follows(graph: Graph, column: dict[str, int]) -> dict[str, int]:
    """Each node as far right as what came of it allows: a parameter stands by the cell that used it."""
    for node in sorted(column, key=lambda n: -column[n]):
        after = [column[a] for a in graph.after(node) if a in column and a != node]
        if after:
            column[node] = max(column[node], min(after) - 1)
    return column


def _columns_by_breadth(graph: Graph, shown: list[str]) -> dict[str, int]:
    column: dict[str, int] = {}
    left = [n for n in shown if not any(b in shown for b in graph.before(n))] or shown[:1]
    depth = 0
    while left:
        column.update((n, depth) for n in left if n not in column)
        left = [a for n in left for a in graph.after(n) if a in shown and a not in column]
        depth += 1
    return {n: column.get(n, 0) for n in shown}


def _at(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] * (_WIDTH + _GAP_X) + 4, place[1] * (_HEIGHT + _GAP_Y) + _GAP_Y


def _box(node: Node, x: int, y: int, *, bold: bool) -> str:
    text = node.label if len(node.label) <= _LETTERS else node.label[: _LETTERS - 1] + "…"
    stroke = ' stroke="#263238" stroke-width="2"' if bold else ' stroke="#90a4ae"'
    fill = quoteattr(_COLORS.get(node.kind, "#fff"))
    radius = 17 if node.kind in (NodeKind.DATA, NodeKind.MODEL) else 3
    return (
        f"<g><title>{escape(_named(node))}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" fill={fill}{stroke}/>'
        f'<text x="{x + 10}" y="{y + 21}" fill="#212121">{escape(text)}</text></g>'
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
