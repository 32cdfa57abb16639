"""A lineage graph as a text tree and as Graphviz's dot; findings of the state guard. Values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nbops.core.lineage import Graph, Node, NodeKind

_MARKS = {
    NodeKind.CELL: "cell", NodeKind.DATA: "data", NodeKind.VARIABLE: "name", NodeKind.FILE: "file",
    NodeKind.MODEL: "model", NodeKind.VERSION: "version", NodeKind.RUN: "run", NodeKind.NOTEBOOK: "notebook",
}  # fmt: skip
_SHAPES = {
    NodeKind.CELL: "box", NodeKind.DATA: "ellipse", NodeKind.VARIABLE: "plaintext", NodeKind.FILE: "note",
    NodeKind.MODEL: "component", NodeKind.VERSION: "octagon", NodeKind.RUN: "folder", NodeKind.NOTEBOOK: "tab",
}  # fmt: skip
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
                lines.append(named(node))
                seen.add(node.id)
                _branch(node.id, step, names, lines, seen, "")
        if lines:
            parts.append("\n".join([title, *("  " + line for line in lines)]))
    if not parts:
        parts = [
            "\n".join(named(node) for node in start) or "nothing is recorded of it",
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


def stale_text(findings: Sequence[tuple[str, str, str]], seen: str) -> str:
    """Findings of the state guard, a line each (cell, kind, why), under what was looked at."""
    if not findings:
        return f"nothing stale is known, by {seen}"
    width = max(len(f"{cell}: {kind}") for cell, kind, _ in findings)
    return "\n".join(
        [f"stale, by {seen}", *(f"  {f'{cell}: {kind}'.ljust(width)}  {why}" for cell, kind, why in findings)]
    )


def leakage_text(findings: Sequence[tuple[str, str, str, Sequence[str], str]]) -> str:
    """Findings of the leakage check (model, kind, "certain", "possible" or "", cells, why)."""
    if not findings:
        return "no model of this kernel was judged on rows that it wasn't fitted on"
    lines = []
    for model, kind, doubt, cells, why in findings:
        where = f" ({', '.join(cells)})" if cells else ""
        lines.append(f"{model}: {kind}{', ' if doubt else ''}{doubt}{where}")
        lines.append(f"  {why}")
    return "\n".join(lines)


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
        lines.append(f"{indent}{'└─' if ends else '├─'} {named(names[child])}{again}")
        if not known:
            seen.add(child)
            stack += [(each, indent + ("   " if ends else "│  ")) for each in reversed(below)]


def named(node: Node) -> str:
    """What it is and its label: ``cell In [3] of train.ipynb``."""
    return f"{_MARKS[node.kind]} {node.label}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
