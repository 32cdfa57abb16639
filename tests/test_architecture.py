"""The house stands as docs/architecture.md says: floors, no cycles, small files, plain names, light import.

Each rule is also shown to fail on a planted violation: a check that can't fail is none."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

FLOORS = {
    0: ["core"],
    1: ["fingerprints", "profiles", "metrics", "datafiles", "modelfiles", "store", "notebook", "render", "kernels"],
    1.5: ["settings", "workspace"],
    1.8: ["checkpoints"],
    2: ["capture", "lineage", "catalog", "pipeline", "registry", "monitor"],
    3: ["scoring", "verification", "reproduction"],
    4: ["promotion"],
    5: ["automation"],
    6: ["demo", "exchange"],
    7: ["ipython", "widgets", "cli", "server", "labscheduler"],
    8: ["__init__"],  # re-exports, lazily
}
FLOOR = {package: floor for floor, packages in FLOORS.items() for package in packages}
BETWEEN = ["settings", "workspace"]  # these two stand one on the other
STANDARD_ONLY = {"core"}
FRAMEWORKS = {
    "IPython": {"ipython", "widgets", "notebook"},  # notebook.syntax asks IPython what its own magics mean
    "tornado": {"server"},
    "click": {"cli"},
    "jupyter_server": {"server"},
}
SQL = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
LINES = 400
HEAVY = [
    "pandas",
    "sklearn",
    "matplotlib",
    "papermill",
    "tornado",
    "sqlalchemy",
    "scipy",
    "pyarrow",
    "numpy",
    "nbformat",
]


def modules(root: Path) -> dict[str, Path]:
    """{dotted name: file} of a package tree."""
    found = {}
    for file in sorted((root / "nbops").rglob("*.py")):
        parts = list(file.relative_to(root).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 2:
            parts.pop()
        found[".".join(parts)] = file
    return found


def imported(tree: ast.AST, name: str, known: set[str]) -> Iterator[str]:
    """Every nbops module that a module names: by import (lazy and TYPE_CHECKING ones too), or as a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "nbops")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import in line {node.lineno}"
            if node.module and node.module.split(".")[0] == "nbops":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in known else node.module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.partition(":")[0]
            if text in known and text.count("."):
                yield text


def package(name: str) -> str:
    return name.split(".")[1] if name.count(".") else "__init__"


def violations(root: Path) -> list[str]:
    """Every breach of every rule in a package tree, as sentences."""
    files = modules(root)
    known = set(files)
    said = []
    edges: dict[str, set[str]] = {}
    for name, file in files.items():
        tree = ast.parse(file.read_text(), str(file))
        mine = package(name)
        if mine not in FLOOR:
            said.append(f"{name}: the package {mine!r} stands on no floor")
            continue
        targets = {t for t in imported(tree, name, known) if t != name}
        edges[name] = targets
        for target in sorted(targets):
            theirs = package(target)
            if theirs == mine or (mine in BETWEEN and theirs in BETWEEN):
                continue
            if theirs == "__init__":
                if not {"__version__", "import_for_tracking"} & set(re.findall(r"\w+", file.read_text())):
                    said.append(f"{name}: imports from nbops/__init__")
            elif FLOOR.get(theirs, 99) >= FLOOR[mine]:
                said.append(f"{name} (floor {FLOOR[mine]}) imports {target} (floor {FLOOR.get(theirs)})")
        for node in ast.walk(tree):
            roots = []
            if isinstance(node, ast.Import):
                roots = [a.name.split(".")[0] for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                roots = [node.module.split(".")[0]]
            for root_name in roots:
                if mine in STANDARD_ONLY and root_name not in sys.stdlib_module_names and root_name != "nbops":
                    said.append(f"{name}: imports {root_name}, and {mine} knows the standard library only")
                if root_name in FRAMEWORKS and mine not in FRAMEWORKS[root_name]:
                    said.append(f"{name}: imports {root_name} below the faces")
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.startswith(SQL)
                and mine != "store"
            ):
                said.append(f"{name}: SQL outside the store: {node.value[:40]!r}")
        count = len(file.read_text().splitlines())
        if count > LINES and "migrations" not in name:
            said.append(f"{name}: {count} lines, at most {LINES}")
        for part in name.split("."):
            if part in FORBIDDEN_NAMES:
                said.append(f"{name}: {part!r} says nothing about what is in it")
    said += cycles(edges)
    init = files["nbops.__init__"] if "nbops.__init__" in files else root / "nbops" / "__init__.py"
    public = public_names(init)
    for name in files:
        if name.count(".") == 1 and name.split(".")[1] in public:
            said.append(f"{name}: a module of the same name as the public function {name.split('.')[1]!r}")
    return said


def public_names(init: Path) -> set[str]:
    for node in ast.walk(ast.parse(init.read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            return set(ast.literal_eval(node.value))
    raise AssertionError("nbops/__init__.py has no _PUBLIC")


def cycles(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import one another, however far round."""
    done: set[str] = set()
    said: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            said.append("import cycle: " + " → ".join([*path[path.index(name) :], name]))
            return
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            visit(target, [*path, name])
        done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return said


def test_the_house_stands() -> None:
    assert len(modules(SOURCE)) > 40
    assert violations(SOURCE) == []


PLANTED = {
    "upward": ("store/planted.py", "from nbops.capture import api\n", "floor 1) imports nbops.capture.api"),
    "sideways": ("profiles/planted.py", "from nbops.store import runs\n", "floor 1) imports nbops.store.runs"),
    "lazy": ("core/planted.py", "def f():\n    import nbops.store.runs\n", "floor 0) imports nbops.store.runs"),
    "type checking": (
        "core/planted.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nbops.store import runs\n",
        "floor 0) imports nbops.store.runs",
    ),
    "by string": (
        "core/planted.py",
        "import importlib\nimportlib.import_module('nbops.store.runs')\n",
        "floor 0) imports nbops.store.runs",
    ),
    "no floor": ("attic/planted.py", "", "stands on no floor"),
    "cycle": ("store/planted.py", "from nbops.store import planted2\n", "import cycle"),
    "foreign": ("core/planted.py", "import numpy\n", "the standard library only"),
    "framework": ("capture/planted.py", "import IPython\n", "below the faces"),
    "sql": ("capture/planted.py", "x = 'SELECT 1'\n", "SQL outside the store"),
    "long": ("core/planted.py", "x = 1\n" * 401, "401 lines"),
    "name": ("core/helpers.py", "", "says nothing"),
    "clash": ("track.py", "", "same name as the public function"),
    "from init": ("capture/planted.py", "import nbops\n", "imports from nbops/__init__"),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_found(rule: str, tmp_path: Path) -> None:
    place, text, expected = PLANTED[rule]
    minimal = {
        "__init__.py": "_PUBLIC = {'track': ''}\n",
        "core/__init__.py": "",
        "store/__init__.py": "",
        "store/runs.py": "",
        "capture/__init__.py": "",
        "capture/api.py": "",
        "profiles/__init__.py": "",
    }
    if rule == "cycle":
        minimal["store/planted.py"] = ""
        minimal["store/planted2.py"] = "def f():\n    from nbops.store import planted\n"
    for name, content in minimal.items():
        file = tmp_path / "nbops" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert violations(tmp_path) == []
    planted = tmp_path / "nbops" / place
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(text)
    said = violations(tmp_path)
    assert any(expected in sentence for sentence in said), said


def test_importing_nbops_loads_nothing_heavy() -> None:
    script = f"import sys, nbops\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
