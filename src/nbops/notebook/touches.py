"""Which files a notebook says it reads and writes, and which values it hands on (``nbops.output``, ``nbops.input``).

Told from the text: a path that is written out, or put together from texts, ``Path(…) / "x"``, names bound to such, and
f-strings. What a part of it depends on something else is ``*``. Calls are known by their last name, as pandas, numpy,
joblib, polars and pathlib have them; what a library does inside isn't seen.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from nbops.notebook.files import Notebook
from nbops.notebook.parameters import INJECTED, TAG
from nbops.notebook.scopes import dotted
from nbops.notebook.syntax import parsed

_READS = frozenset(
    {
        f"read_{kind}"
        for kind in ("csv", "table", "parquet", "json", "excel", "feather", "pickle", "hdf", "orc", "stata")
    }
    | {"read_fwf", "read_sas", "read_spss", "read_xml", "read_file", "read_ipc", "read_avro", "read_ndjson"}
    | {"scan_csv", "scan_parquet", "scan_ipc", "scan_ndjson", "ParquetFile", "imread", "loadtxt", "genfromtxt"}
)
_WRITES = frozenset(
    {f"to_{kind}" for kind in ("csv", "parquet", "json", "excel", "feather", "pickle", "hdf", "orc", "stata", "file")}
    | {f"write_{kind}" for kind in ("csv", "parquet", "json", "excel", "ipc", "avro", "ndjson", "table", "image")}
    | {"savefig", "imsave", "savetxt"}
)
_LOADS = ("numpy.load", "np.load", "joblib.load", "torch.load", "cloudpickle.load", "skops.io.load", "sio.load")
_SAVES = ("numpy.save", "np.save", "np.savez", "numpy.savez", "np.savez_compressed")
_DATABASES = ("sqlite3.connect", "duckdb.connect")
_DUMPS = ("joblib.dump", "torch.save", "sio.dump", "skops.io.dump")  # the path is the second argument


@dataclass(frozen=True, kw_only=True)
class Touches:
    """Paths as the notebook writes them, seen from its folder; names of handed-on values. Each once, in order. Of
    `databases` it isn't told whether they are read or written."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


def touches(notebook: Notebook) -> Touches:
    """What a notebook touches, as far as its text tells."""
    look = _Look()
    for cell in notebook.code_cells():
        tree = None if INJECTED in cell.tags else parsed(cell.source)
        if tree is not None:
            look.cell(tree, parameters=TAG in cell.tags)
    written = look.found["writes"]
    return Touches(
        reads=tuple(path for path in look.found["reads"] if path not in written),
        writes=tuple(written),
        databases=tuple(look.found["databases"]),
        takes=tuple(look.found["takes"]),
        gives=tuple(look.found["gives"]),
    )


class _Look:
    def __init__(self) -> None:
        self.known: dict[str, str] = {}  # names bound to a text or path
        self.found: dict[str, dict[str, None]] = {
            kind: {} for kind in ("reads", "writes", "databases", "takes", "gives")
        }

    def cell(self, tree: ast.Module, *, parameters: bool) -> None:
        for statement in tree.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call):
                    self.call(node)
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self.bind(statement.targets[0], statement.value, parameters)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self.bind(statement.target, statement.value, parameters)

    def bind(self, target: ast.expr, value: ast.expr, parameter: bool) -> None:
        if isinstance(target, ast.Name):
            path = self.path(value)
            whole = path is not None and ("/" in path or "." in path)
            if path is not None and (whole or not parameter):  # "2011-01" alone is what may be another
                self.known[target.id] = path
            else:
                self.known.pop(target.id, None)

    def call(self, node: ast.Call) -> None:
        name = dotted(node.func) or ""
        last = node.func.attr if isinstance(node.func, ast.Attribute) else name
        first = node.args[0] if node.args else None
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in ("nbops.output", "nbops.input"):
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self.found["gives" if name == "nbops.output" else "takes"][first.value] = None
        elif last in _READS or name in _LOADS:
            self.add("reads", first or _keyword(node, "path", "filepath_or_buffer", "io", "source", "fname", "file"))
        elif name in _DATABASES:
            self.add("databases", first or _keyword(node, "database"))
        elif name in _DUMPS:
            self.add("writes", node.args[1] if len(node.args) > 1 else _keyword(node, "filename", "file", "f"))
        elif last in _WRITES or name in _SAVES:
            named = _keyword(node, "path_or_buf", "path", "excel_writer", "fname", "file", "where")
            self.add("writes", (node.args[1] if last == "write_table" and len(node.args) > 1 else first) or named)
        elif name == "open" or (last == "open" and owner is not None):
            place = first if name == "open" else owner
            mode = node.args[1] if name == "open" and len(node.args) > 1 else _keyword(node, "mode")
            if last == "open" and name != "open":
                mode = first
            said = mode.value if isinstance(mode, ast.Constant) and isinstance(mode.value, str) else "r"
            self.add("writes" if set(said) & set("wax") else "reads", place)
        elif last in ("glob", "rglob", "iglob") and first is not None:
            below = ast.BinOp(left=owner, op=ast.Div(), right=first) if owner is not None else first
            self.add("reads", first if name in ("glob.glob", "glob.iglob") else below)
        elif last in ("read_text", "read_bytes") and owner is not None:
            self.add("reads", owner)
        elif last in ("write_text", "write_bytes") and owner is not None:
            self.add("writes", owner)

    def add(self, how: str, node: ast.expr | None) -> None:
        path = self.path(node) if node is not None else None
        if path and re.search(r"[^*./]", path) and "://" not in path and "\n" not in path:
            self.found[how][path.removeprefix("./")] = None

    def path(self, node: ast.expr) -> str | None:
        """The text of a path, ``*`` for what isn't known; None where nothing of it is."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.JoinedStr):
            parts = [self.path(v.value if isinstance(v, ast.FormattedValue) else v) or "*" for v in node.values]
            return re.sub(r"\*+", "*", "".join(parts))
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            left, right = self.path(node.left), self.path(node.right)
            if left is None and right is None:
                return None
            sign = "/" if isinstance(node.op, ast.Div) else ""
            before = (left or "*").rstrip("/") if sign else (left or "*")
            return f"{before}{sign}{right or '*'}"
        if isinstance(node, ast.Call):
            last = (dotted(node.func) or "").rpartition(".")[2]
            if last in ("Path", "PurePath", "PosixPath", "join") and node.args:
                given = [self.path(arg) or "*" for arg in node.args]
                return "/".join(part.rstrip("/") or "/" for part in given)
            if last in ("str", "fspath") and len(node.args) == 1:
                return self.path(node.args[0])
        return None


def _keyword(node: ast.Call, *names: str) -> ast.expr | None:
    return next((k.value for k in node.keywords if k.arg in names), None)
