"""``nbops lineage X``: walk from X to what it came from and to what came of it, across cells, files and notebooks.

Kernels are loaded when the walk reaches them: from a file to the cell that wrote the same content, wherever that ran,
and to the cells that read it; from a model to its versions. Variables never join kernels, only files and models do.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from nbops.core.lineage import Edge, Graph, Node, NodeKind
from nbops.core.models import ModelVersion
from nbops.core.runs import RunKind
from nbops.lineage.history import history, kernel_of
from nbops.lineage.kernel_edges import KernelEdges
from nbops.lineage.targets import Target, resolve
from nbops.store import lineage as uses
from nbops.store import runs
from nbops.workspace import Workspace

MOST_NODES = 2000
_SHARED = ("file:", "model:", "version:")  # content that one kernel leaves and another finds
_MOST_READERS = 50


def lineage(ws: Workspace, asked: str, *, up: bool = True, down: bool = True, kernel: str | None = None) -> Graph:
    """The graph around X.

    Parameters
    ----------
    asked : str
        A run's id, a file, a variable (the newest), a digest, ``models:/NAME/VERSION``, a model's name, a notebook.
    up, down : bool
        What X came from; what came of it.
    kernel : str, optional
        The run of a kernel whose variables are meant before all others.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    if kernel is not None and asked in names_of(ws, kernel):
        target = Target(kind="variable", name=asked, kernel=kernel)
    else:
        target = resolve(ws, asked)
    return _Walk(ws).around(target, up=up, down=down)


def names_of(ws: Workspace, kernel: str) -> frozenset[str]:
    """The variables that a kernel's tracked cells made or read as data."""
    past = history(ws, kernel)
    made = {n for e in past.executions for n in e.effects.makes - set(e.effects.imports)}
    return past.data | made


def around(ws: Workspace, target: Target, *, up: bool = True, down: bool = True) -> Graph:
    """The graph around a target that is known already."""
    return _Walk(ws).around(target, up=up, down=down)


class _Walk:
    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self.kernels: dict[str, KernelEdges] = {}
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], Edge] = {}
        self.onwards: defaultdict[str, set[str]] = defaultdict(set)  # of the edges, source → targets
        self.cut = False

    def around(self, target: Target, *, up: bool, down: bool) -> Graph:
        if target.past is not None:
            self.kernels[target.past.kernel.id] = KernelEdges(target.past)
        start = self._start(target)
        for node, kernel in start:
            self._keep(node, kernel)
        for wanted, upward in ((up, True), (down, False)):
            if wanted:
                self._walk(start, upward=upward)
        self._holders()
        return Graph(
            nodes=tuple(self.nodes.values()),
            edges=tuple(self.edges.values()),
            start=tuple(dict.fromkeys(node for node, _ in start)),
            cut=self.cut,
        )

    def _start(self, target: Target) -> list[tuple[str, str | None]]:
        kernel = target.kernel
        if target.kind == "version" and target.version is not None:
            return [(self._version(target.version), None)]
        if target.kind in ("model", "file"):
            if kernel is not None:
                self._kernel(kernel)
            return [(f"{target.kind}:{target.name}", kernel)]
        assert kernel is not None
        if target.kind == "data":
            return [(self._kernel(kernel).data_id(target.name), kernel)]
        if target.kind == "variable":
            edges = self._kernel(kernel)
            return [(edges.named(target.name) or self._only_read(edges, target.name), kernel)]
        found: list[tuple[str, str | None]] = []
        members = runs.family(self.ws.store, target.name) if target.kind == "run" else [runs.get(self.ws.store, kernel)]
        for run in members:
            if run.kind in (RunKind.PIPELINE, RunKind.SCORE, RunKind.CHECK):
                continue
            edges = self._kernel(kernel_of(self.ws, run).id)
            found += [
                (cell, edges.history.kernel.id)
                for cell in edges.cells
                if target.kind == "notebook" or cell.startswith(f"cell:{run.id}/")
            ]
        return found

    @staticmethod
    def _only_read(edges: KernelEdges, name: str) -> str:
        """The node of data that came from a cell that was not tracked."""
        for execution in reversed(edges.history.executions):
            digest = execution.read(name)
            if digest is not None:
                return edges.data_id(digest)
        return edges.cells[-1]

    def _walk(self, start: list[tuple[str, str | None]], *, upward: bool) -> None:
        queue = deque(start)
        seen = set(start)
        while queue:
            node, kernel = queue.popleft()
            for edge, other in self._steps(node, kernel, upward=upward):
                following = edge.source if upward else edge.target
                if following not in self.nodes and len(self.nodes) >= MOST_NODES:
                    self.cut = True
                    return
                if following in self.nodes and self._closes(edge):
                    continue  # two kernels that each read what the other wrote
                self._keep(following, other)
                self.edges.setdefault((edge.source, edge.target, edge.kind), edge)
                self.onwards[edge.source].add(edge.target)
                state = (following, other)
                if state not in seen:
                    seen.add(state)
                    queue.append(state)

    def _closes(self, edge: Edge) -> bool:
        """Would a file, with this edge, come from itself?"""
        if "file:" not in (edge.source[:5], edge.target[:5]) or (edge.source, edge.target, edge.kind) in self.edges:
            return False
        seen, waiting = {edge.target}, [edge.target]
        while waiting:
            following = [node for node in self.onwards[waiting.pop()] if node not in seen]
            seen.update(following)
            waiting += following
        return edge.source in seen

    def _steps(self, node: str, kernel: str | None, *, upward: bool) -> Iterator[tuple[Edge, str | None]]:
        for other in self._reached(node, kernel, upward=upward):
            for edge in self._kernel(other).at(node, upward=upward):
                yield edge, other
        if node.startswith("model:") and not upward:
            for version in uses.versions_of(self.ws.store, node.removeprefix("model:")):
                target = self._version(version)
                yield Edge(source=node, target=target, kind="registers"), None
        if node.startswith("version:") and upward:
            artifact = str(self.nodes[node].detail["artifact"])
            yield Edge(source=f"model:{artifact}", target=node, kind="registers"), self._version_kernel(node)

    def _reached(self, node: str, kernel: str | None, *, upward: bool) -> list[str]:
        """The kernels in which the walk goes on from a node."""
        if not node.startswith(_SHARED):
            return [kernel] if kernel else []
        digest = node.partition(":")[2]
        if node.startswith("model:"):
            if upward and kernel:
                return [kernel]
            ids = [run for run, _ in uses.artifact_uses(self.ws.store, digest)]
            ids += [run for run, _ in uses.metric_uses(self.ws.store, digest)]
            found = [self._kernel_id(run) for run in dict.fromkeys(ids)]
            return list(dict.fromkeys(found))[-1:] if upward else list(dict.fromkeys(found))[-_MOST_READERS:]
        if not node.startswith("file:") or "#" in node:
            return [kernel] if kernel else []
        known = uses.by_digest(self.ws.store, digest)
        if upward:
            return self._writer(node, kernel, [u for u in known if u.direction != "read"])
        readers = dict.fromkeys(self._kernel_id(u.run) for u in known if u.direction == "read")
        if len(readers) > _MOST_READERS:
            self.cut = True
        return list(readers)[-_MOST_READERS:]

    def _writer(self, node: str, kernel: str | None, writes: list[uses.Use]) -> list[str]:
        """The kernel that wrote a file's content last before it was read in `kernel`."""
        reader = next(
            (e for e in (self._kernel(kernel).history.executions if kernel else ())
             if any(f.mode == "read" and f"file:{f.digest}" == node for f in e.record.files)),
            None,
        )  # fmt: skip
        for use in reversed(writes):
            run = runs.as_stored(self.ws.store, use.run)
            moment = reader.record.started_at if reader else None
            if moment is None or run.started_at <= moment:
                return [self._kernel_id(use.run)]
        return []

    def _kernel(self, run_id: str) -> KernelEdges:
        if run_id not in self.kernels:
            self.kernels[run_id] = KernelEdges(history(self.ws, run_id))
        return self.kernels[run_id]

    def _kernel_id(self, run_id: str) -> str:
        return kernel_of(self.ws, runs.as_stored(self.ws.store, run_id)).id

    def _version(self, version: ModelVersion) -> str:
        node = f"version:{version.name}/{version.number}"
        detail = {"artifact": version.artifact, "run": version.run, "type": version.type}
        label = f"{version.name} version {version.number}"
        self.nodes.setdefault(node, Node(id=node, kind=NodeKind.VERSION, label=label, detail=detail))
        return node

    def _version_kernel(self, node: str) -> str | None:
        run = str(self.nodes[node].detail["run"])
        return self._kernel_id(run) if runs.exists(self.ws.store, run) else None

    def _keep(self, node: str, kernel: str | None) -> None:
        known = self._kernel(kernel).nodes.get(node) if kernel else None
        if known is None:
            kind = NodeKind(node.partition(":")[0])
            known = Node(id=node, kind=kind, label=node.partition(":")[2], detail={"digest": node.partition(":")[2]})
        if node not in self.nodes:
            self.nodes[node] = known

    def _holders(self) -> None:
        """The runs and notebooks of the cells that are shown."""
        for edges in self.kernels.values():
            for edge in edges.edges.values():
                if edge.kind == "holds" and edge.target in self.nodes and edge.target.startswith("cell:"):
                    self._keep(edge.source, edges.history.kernel.id)
                    self.edges.setdefault((edge.source, edge.target, edge.kind), edge)
            for edge in edges.edges.values():
                if edge.kind == "holds" and edge.target.startswith("run:") and edge.target in self.nodes:
                    self._keep(edge.source, edges.history.kernel.id)
                    self.edges.setdefault((edge.source, edge.target, edge.kind), edge)
