"""The lineage within one kernel: which cell made what which other cell used.

Data joins by digest: a cell that read a digest joins the last cell before it that wrote it. Names that hold no data
(numbers, functions, models not kept) join by the text of the cells, through the last cell before that bound them.
"""

from __future__ import annotations

from nbops.core.fingerprint import Fingerprint
from nbops.core.lineage import Edge, Node, NodeKind
from nbops.core.runs import DataUse, FileUse
from nbops.lineage.history import Execution, History

_LONG = 40


class KernelEdges:
    """Nodes and edges of one kernel. `cells` are the ids of its cells in the order they ran; `of` are the ids of what
    a record's cell made, by name, as they were last."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], Edge] = {}
        self.cells = [cell_id(e) for e in history.executions]
        self.last: dict[str, str] = {}
        self._models: dict[str, int] = {}
        self._copies: dict[tuple[str, str | None], str] = {}  # (path, digest) → the node of a file that is a copy
        self._imports: set[str] = set()
        self._to: dict[str, list[Edge]] = {}
        self._from: dict[str, list[Edge]] = {}
        self._counted = -1
        for index, execution in enumerate(history.executions):
            self._held(execution)
            self._inputs(index, execution)
            self._outputs(index, execution)
            self._imports |= set(execution.effects.imports)

    def _held(self, execution: Execution) -> None:
        cell, run = cell_id(execution), execution.run
        where = run.notebook or run.name
        self._node(cell, NodeKind.CELL, f"{execution.said} of {where}", {
            "run": run.id, "seq": execution.record.seq, "cell": execution.record.cell_id,
            "source": execution.record.source, "status": execution.record.status.value,
        })  # fmt: skip
        holder = self._run(execution)
        self._edge(holder, cell, "holds")
        if run.notebook:
            book = self._node(f"notebook:{run.notebook}", NodeKind.NOTEBOOK, run.notebook)
            self._edge(book, holder, "holds")

    def _run(self, execution: Execution) -> str:
        run = execution.run
        return self._node(
            f"run:{run.id}", NodeKind.RUN, f"{run.kind} {run.name} {run.id[:8]}", {"started_at": str(run.started_at)}
        )

    def _inputs(self, index: int, execution: Execution) -> None:
        cell, record = cell_id(execution), execution.record
        by_digest = set()
        for use in record.reads:
            if use.fingerprint.digest is not None:
                by_digest.add(use.name)
                self._read_data(index, use)
        for name in sorted(execution.effects.needs - by_digest - self._imports):
            if not name.startswith("<"):
                self._read_name(index, name)
        for file in record.files:
            if file.mode == "read":
                self._edge(self._file(execution, file), cell, "reads")
        for digest in dict.fromkeys([m.digest for m in record.models] + [m.model for m in record.metrics]):
            if digest is not None and digest in self._models:  # made by an earlier cell
                self._edge(f"model:{digest}", cell, "uses")

    def _read_data(self, index: int, use: DataUse) -> None:
        node = self._data(use.name, use.fingerprint, index)
        self._edge(node, self.cells[index], "reads")

    def _read_name(self, index: int, name: str) -> None:
        maker = self.history.maker(name, index)
        if maker is None:
            return
        made = self.history.executions[maker]
        if name in made.effects.imports:
            return
        node = self._made(maker, name)
        self._edge(self.cells[maker], node, self._how(node))
        self._edge(node, self.cells[index], "reads" if not node.startswith("model:") else "uses")

    def _made(self, maker: int, name: str) -> str:
        """The node of what a cell bound to a name."""
        made = self.history.executions[maker]
        written = next((u for u in made.record.writes if u.name == name and u.fingerprint.digest), None)
        if written is not None:
            return self._data(name, written.fingerprint, maker + 1)
        model = next((m for m in reversed(made.record.models) if m.name == name and m.digest), None)
        if model is not None:
            return self._model(model.digest or "", name, model.type)
        label = name
        if name in made.record.params:
            text = repr(made.record.params[name])
            label = f"{name} = {text if len(text) <= _LONG else text[: _LONG - 1] + '…'}"
        elif name in made.effects.functions:
            label = f"{name}()"
        return self._node(f"variable:{made.run.id}/{made.record.seq}/{name}", NodeKind.VARIABLE, label)

    def _outputs(self, index: int, execution: Execution) -> None:
        cell, record = self.cells[index], execution.record
        for use in record.writes:
            if use.fingerprint.digest is not None:
                node = self._data(use.name, use.fingerprint, index + 1)
                self._edge(cell, node, "writes")
                self.last[use.name] = node
        for model in record.models:
            if model.digest is not None:
                node = self._model(model.digest, model.name, model.type)
                if self._models.setdefault(model.digest, index) == index:
                    self._edge(cell, node, "fits")
                self.last[model.name] = node
                trained = self.data_id(model.trained_on or "", index + 1)
                if model.trained_on is not None and trained in self.nodes:
                    self._edge(trained, node, "fits")
        for name in sorted(execution.effects.makes - set(execution.effects.imports)):
            if not name.startswith("<") and self.last.get(name, "").partition(":")[0] not in ("data", "model"):
                self.last[name] = f"name:{index}/{name}"
        for file in record.files:
            if file.mode != "read":
                self._edge(cell, self._file(execution, file, self._again(execution, file)), "writes")

    def named(self, name: str) -> str | None:
        """The node of what a name held last."""
        node = self.last.get(name)
        if node is not None and node.startswith("name:"):
            index = int(node.removeprefix("name:").partition("/")[0])
            node = self._made(index, name)
            self._edge(self.cells[index], node, self._how(node))
        return node

    def data_id(self, digest: str, before: int | None = None) -> str:
        """The node of this content as execution `before` (by default: the end) finds it: it is known by the last cell
        that wrote it. The same content written again, or in another kernel, is another node: what was read before
        didn't come from there."""
        executions = self.history.executions
        writer = self.history.writer(digest, len(executions) if before is None else before)
        if writer is None:
            return f"data:{digest}@{self.history.kernel.id}"
        run, seq = executions[writer].key
        return f"data:{digest}@{run}/{seq}"

    def at(self, node: str, *, upward: bool) -> list[Edge]:
        """The edges that lead to a node (upward), or from it; what only holds it isn't meant."""
        if self._counted != len(self.edges):
            self._to, self._from = {}, {}
            for edge in self.edges.values():
                if edge.kind != "holds":
                    self._to.setdefault(edge.target, []).append(edge)
                    self._from.setdefault(edge.source, []).append(edge)
            self._counted = len(self.edges)
        return (self._to if upward else self._from).get(node, [])

    @staticmethod
    def _how(node: str) -> str:
        return "fits" if node.startswith("model:") else "writes"

    def _data(self, name: str, found: Fingerprint, before: int) -> str:
        node = self.data_id(found.digest or "", before)
        names = [name]
        if node in self.nodes:
            names = list(dict.fromkeys([*self.nodes[node].detail["names"], name]))
        shape = "×".join(f"{n:,}" for n in found.shape)
        label = f"{', '.join(names)}{f' {shape}' if shape else ''}"
        detail = {"digest": found.digest, "names": names, "shape": list(found.shape), "type": found.kind}
        self.nodes[node] = Node(id=node, kind=NodeKind.DATA, label=label, detail=detail)
        return node

    def _model(self, digest: str, name: str, kind: str) -> str:
        label = f"{name}: {kind.rpartition('.')[2]}"
        return self._node(f"model:{digest}", NodeKind.MODEL, label, {"digest": digest, "type": kind})

    def _again(self, execution: Execution, file: FileUse) -> bool:
        """Was this file made of one of the same content (a copy)? Then it is another node, or it came from itself."""
        cell, node = cell_id(execution), f"file:{file.digest}"
        if file.digest is None or node not in self.nodes:
            return False
        seen, waiting = {cell}, [cell]
        while waiting:
            for edge in self.at(waiting.pop(), upward=True):
                if edge.source not in seen:
                    seen.add(edge.source)
                    waiting.append(edge.source)
        return node in seen

    def _file(self, execution: Execution, file: FileUse, again: bool = False) -> str:
        # What was not hashed is joined with nothing: the same name may hold something else each time.
        here = f"file:{file.path}#{execution.run.id}/{execution.record.seq}"
        node = f"file:{file.digest}" if file.digest and not again else here
        if again:
            self._copies[file.path, file.digest] = node
        elif file.mode == "read":
            node = self._copies.get((file.path, file.digest), node)
        paths = [file.path]
        if node in self.nodes:
            paths = list(dict.fromkeys([*self.nodes[node].detail["paths"], file.path]))
        label = ", ".join(paths) + ("" if file.digest else f" ({file.reason or 'not fingerprinted'})")
        detail = {"digest": file.digest, "paths": paths, "bytes": file.size}
        self.nodes[node] = Node(id=node, kind=NodeKind.FILE, label=label, detail=detail)
        return node

    def _node(self, node: str, kind: NodeKind, label: str, detail: dict[str, object] | None = None) -> str:
        self.nodes.setdefault(node, Node(id=node, kind=kind, label=label, detail=detail or {}))
        return node

    def _edge(self, source: str, target: str, kind: str) -> None:
        self.edges.setdefault((source, target, kind), Edge(source=source, target=target, kind=kind))


def cell_id(execution: Execution) -> str:
    return f"cell:{execution.run.id}/{execution.record.seq}"
