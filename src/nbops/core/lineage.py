"""`Graph`: what came from what. Its nodes are cells, data, files, models, model versions, notebooks and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any


class NodeKind(StrEnum):
    CELL = "cell"  # one execution of one cell
    DATA = "data"  # content that variables named, by digest
    VARIABLE = "variable"  # a name whose value isn't data (a number, a function): followed by the text of the cells
    FILE = "file"  # content of a file, by digest
    MODEL = "model"  # a kept fitted estimator, by digest
    VERSION = "version"  # of a registered model
    RUN = "run"
    NOTEBOOK = "notebook"


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    kind: NodeKind
    label: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """From what was there to what came of it. `kind`: reads, writes, fits, uses, registers, holds."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """`start` are the nodes asked for; `cut` says that the graph was too large to be shown whole."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    start: tuple[str, ...]
    cut: bool = False

    def before(self, node: str) -> tuple[str, ...]:
        """What a node came from, directly; what only holds it (its run, its notebook) isn't meant."""
        return tuple(self._joined[1].get(node, ()))

    def after(self, node: str) -> tuple[str, ...]:
        """What came of a node, directly."""
        return tuple(self._joined[0].get(node, ()))

    @cached_property
    def _joined(self) -> tuple[dict[str, dict[str, None]], dict[str, dict[str, None]]]:
        """For each node, those after it and those before it, in the order of the edges."""
        after: dict[str, dict[str, None]] = {}
        before: dict[str, dict[str, None]] = {}
        for edge in self.edges:
            if edge.kind != "holds":
                after.setdefault(edge.source, {})[edge.target] = None
                before.setdefault(edge.target, {})[edge.source] = None
        return after, before
