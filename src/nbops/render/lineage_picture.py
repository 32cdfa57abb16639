"""A lineage graph as a picture: an SVG, from left to right, that needs no script and no style.

A node stands right of all it came from. Many nodes that come from the same and lead to the same (the hundred files that
one cell read) are one box that says how many. Runs and notebooks are named in the labels of their cells.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from nbops.core.lineage import Graph, Node, NodeKind
from nbops.render.lineage import named

_COLORS = {
    NodeKind.CELL: "#e3f2fd", NodeKind.DATA: "#e8f5e9", NodeKind.VARIABLE: "#f5f5f5", NodeKind.FILE: "#fff8e1",
    NodeKind.MODEL: "#f3e5f5", NodeKind.VERSION: "#ede7f6",
}  # fmt: skip
_ROUND = (NodeKind.DATA, NodeKind.MODEL)
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 220, 34, 56, 14, 8
_LETTERS = 29  # of a label of 12 pixels that fit into a box
_MOST_ALIKE = 4  # boxes for nodes that are joined alike; of more, one
_NAMED = 30  # of those one box stands for
_SWEEPS = 12


@dataclass(frozen=True, kw_only=True)
class _Box:
    """`nodes` are what it stands for, nearly always one."""

    id: str
    nodes: tuple[Node, ...]

    @property
    def label(self) -> str:
        more = len(self.nodes) - 1
        return self.nodes[0].label if not more else f"{_cut(self.nodes[0].label, _LETTERS - 11)} and {more} more"

    @property
    def title(self) -> str:
        said = [named(node) for node in self.nodes[:_NAMED]]
        return "\n".join([*said, f"… {len(self.nodes) - _NAMED} more"] if len(self.nodes) > _NAMED else said)


def lineage_svg(graph: Graph) -> str:
    """The picture, as the text of an SVG element."""
    boxes, edges = _boxes(graph)
    column = _columns([b.id for b in boxes], edges)
    row = _rows(boxes, edges, column)
    place = {
        b.id: (column[b.id] * (_WIDTH + _GAP_X) + _MARGIN, row[b.id] * (_HEIGHT + _GAP_Y) + _MARGIN) for b in boxes
    }
    width = (max(column.values(), default=0) + 1) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
    height = (max(row.values(), default=0) + 1) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12" role="img"><title>lineage</title>'
    ]
    parts += [_line(place[source], place[target], kind) for (source, target), kind in edges.items()]
    parts += [_drawn(box, *place[box.id], bold=any(n.id in graph.start for n in box.nodes)) for box in boxes]
    return "".join([*parts, "</svg>"])


def _boxes(graph: Graph) -> tuple[list[_Box], dict[tuple[str, str], str]]:
    """What is drawn: boxes, and lines between them with their kind."""
    shown = [n for n in graph.nodes if n.kind not in (NodeKind.RUN, NodeKind.NOTEBOOK)]
    alike: dict[object, list[Node]] = {}
    for node in shown:
        single = node.id in graph.start or node.kind is NodeKind.CELL
        joined = (node.kind, frozenset(graph.before(node.id)), frozenset(graph.after(node.id)))
        alike.setdefault(node.id if single else joined, []).append(node)
    groups: list[list[Node]] = []
    for nodes in alike.values():
        groups += [nodes] if len(nodes) > _MOST_ALIKE else [[node] for node in nodes]
    of = {node.id: group[0].id for group in groups for node in group}
    order = {node.id: i for i, node in enumerate(shown)}
    boxes = [_Box(id=g[0].id, nodes=tuple(g)) for g in sorted(groups, key=lambda g: order[g[0].id])]
    edges: dict[tuple[str, str], str] = {}
    for edge in graph.edges:
        ends = of.get(edge.source), of.get(edge.target)
        if edge.kind != "holds" and ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
            edges.setdefault((ends[0], ends[1]), edge.kind)
    return boxes, edges


def _columns(ids: Sequence[str], edges: Mapping[tuple[str, str], str]) -> dict[str, int]:
    """The longest path to each box. A cycle (a cell that wrote again the file it had read) is entered at the box that
    waits for the fewest others."""
    after: dict[str, list[str]] = {i: [] for i in ids}
    waits = dict.fromkeys(ids, 0)
    for source, target in edges:
        after[source].append(target)
        waits[target] += 1
    column = dict.fromkeys(ids, 0)
    order = {node: i for i, node in enumerate(ids)}
    ready = [(count, order[i], i) for i, count in waits.items()]
    heapq.heapify(ready)
    done: set[str] = set()
    while ready:
        count, _, node = heapq.heappop(ready)
        if node in done or count != waits[node]:
            continue
        done.add(node)
        for following in after[node]:
            if following not in done:
                waits[following] -= 1
                column[following] = max(column[following], column[node] + 1)
                heapq.heappush(ready, (waits[following], order[following], following))
    for node in sorted(ids, key=lambda i: -column[i]):  # a parameter stands by the cell that used it
        later = [column[a] for a in after[node] if column[a] > column[node]]
        if later:
            column[node] = max(column[node], min(later) - 1)
    return column


def _rows(boxes: Sequence[_Box], edges: Mapping[tuple[str, str], str], column: Mapping[str, int]) -> dict[str, float]:
    """Each box beside what it is joined with, as far as there is room: a few sweeps of the barycentre method (Sugiyama,
    Tagawa and Toda, 1981), there and back."""
    beside: dict[str, list[str]] = {b.id: [] for b in boxes}
    for source, target in edges:
        beside[source].append(target)
        beside[target].append(source)
    columns: dict[int, list[str]] = {}
    for box in boxes:
        columns.setdefault(column[box.id], []).append(box.id)
    row: dict[str, float] = {i: float(k) for ids in columns.values() for k, i in enumerate(ids)}
    for sweep in range(_SWEEPS):
        for c in sorted(columns, reverse=bool(sweep % 2)):
            wanted = {i: _middle([row[b] for b in beside[i]], row[i]) for i in columns[c]}
            _spread(sorted(columns[c], key=lambda i: (wanted[i], row[i])), wanted, row)
    top = min(row.values(), default=0.0)
    return {i: r - top for i, r in row.items()}


def _spread(ids: list[str], wanted: Mapping[str, float], row: dict[str, float]) -> None:
    """Rows at least 1 apart, in this order, as near to where they are wanted as that allows: what overlaps is put
    together into a block about its middle."""
    blocks: list[tuple[float, list[str]]] = []  # (top, members)
    for each in ids:
        top, members = wanted[each], [each]
        while blocks and blocks[-1][0] + len(blocks[-1][1]) > top:
            members = blocks.pop()[1] + members
            top = sum(wanted[m] - k for k, m in enumerate(members)) / len(members)
        blocks.append((top, members))
    for top, members in blocks:
        row.update({member: top + k for k, member in enumerate(members)})


def _middle(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2
    x2, y2 = end[0] - 5, end[1] + _HEIGHT / 2
    bend = (x1 + x2) / 2
    return (
        f'<g stroke="#90a4ae" fill="#90a4ae"><title>{escape(kind)}</title>'
        f'<path d="M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}" fill="none"/>'
        f'<path d="M{x2 + 5:g} {y2:g}l-7 -3.5v7z" stroke="none"/></g>'
    )


def _drawn(box: _Box, x: float, y: float, *, bold: bool) -> str:
    node = box.nodes[0]
    stroke = ' stroke="#263238" stroke-width="2"' if bold else ' stroke="#90a4ae"'
    fill = quoteattr(_COLORS.get(node.kind, "#fff"))
    radius = _HEIGHT // 2 if node.kind in _ROUND else 3
    behind = "" if len(box.nodes) == 1 else (
        f'<rect x="{x + 4:g}" y="{y + 4:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" fill={fill}{stroke}/>'
    )  # fmt: skip
    return (
        f"<g data-value={quoteattr(node.id)}><title>{escape(box.title)}</title>{behind}"
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" fill={fill}{stroke}/>'
        f'<text x="{x + 12:g}" y="{y + 21:g}" fill="#212121">{escape(_cut(box.label, _LETTERS))}</text></g>'
    )


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
