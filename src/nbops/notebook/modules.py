"""Which files beside a notebook its code runs: local modules, and scripts started by magic or shell."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from nbops.core.errors import NotebookError
from nbops.notebook.files import Notebook, read
from nbops.notebook.scopes import dotted
from nbops.notebook.syntax import parsed

_SCRIPTS = (".py", ".ipy", ".ipynb", ".sh", ".bash", ".r", ".jl", ".sql")
_SEPARATORS = re.compile(r"[;&|\n]+")


def local_modules(code: Notebook | str, folder: Path, *roots: Path) -> tuple[Path, ...]:
    """The local files that some code runs, those that they run in turn included, sorted.

    Found are ``import`` and ``from … import`` at any depth, `importlib.import_module` and `__import__` of a
    literal, ``%run FILE``, ``!python FILE``, ``!python -m MODULE``, ``!./FILE`` and ``%load_ext MODULE``.
    Modules are looked for in `folder`, in each of `roots` and its ``src``, and in folders that the code adds to
    `sys.path` by a literal. Packages count with every ``__init__.py`` on the way. A name computed when the code
    runs isn't found.

    Parameters
    ----------
    code
        A notebook, or the text of one cell.
    folder
        Where the code runs: the notebook's folder.
    roots
        More places to import from, usually the project's root.
    """
    search = _Search(folder, roots)
    sources = [cell.source for cell in code.code_cells()] if isinstance(code, Notebook) else [code]
    search.follow(sources, None)
    start = code.path.resolve() if isinstance(code, Notebook) else None
    return tuple(sorted(search.found - {start}))


def imported_packages(notebook: Notebook, *roots: Path) -> frozenset[str]:
    """The packages that a notebook and its local modules import, as far as their text says it: the first part of each
    name that :func:`local_modules` finds no file for; matplotlib for ``%matplotlib`` too."""
    search = _Search(notebook.path.absolute().parent, roots)
    search.follow([cell.source for cell in notebook.code_cells()], None)
    return frozenset(search.elsewhere)


class _Search:
    def __init__(self, folder: Path, roots: Iterable[Path]) -> None:
        self.folder = folder
        self.elsewhere: set[str] = set()
        self.places = [folder, *(place for root in roots for place in (root, root / "src"))]
        self.found: set[Path] = set()

    def follow(self, sources: Iterable[str], at: Path | None) -> None:
        """Look through the code of the file `at` (None for the code asked about)."""
        trees = [tree for tree in map(parsed, sources) if tree is not None]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        for node in nodes:
            if isinstance(node, ast.Call):
                self.extend_path(node)
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.module(alias.name.split("."), self.places)
            elif isinstance(node, ast.ImportFrom):
                self.from_import(node, at)
            elif isinstance(node, ast.Call):
                self.call(node)

    def extend_path(self, node: ast.Call) -> None:
        if dotted(node.func) in ("sys.path.append", "sys.path.insert") and node.args:
            place = _text(node.args[-1])
            if place is not None:
                self.places.append(self.folder / place)

    def from_import(self, node: ast.ImportFrom, at: Path | None) -> None:
        parts = node.module.split(".") if node.module else []
        places = self.places
        if node.level:
            if at is None:
                return  # a notebook is in no package
            base = at.parent
            for _ in range(node.level - 1):
                base = base.parent
            places = [base]
        for alias in node.names:  # each name may be a module of the package
            self.module([*parts, *([] if alias.name == "*" else [alias.name])], places)

    def module(self, parts: list[str], places: Iterable[Path]) -> None:
        """Add the files of ``a.b.c`` from the first place that has ``a``."""
        for place in places:
            here, hit = place, False
            for part in parts:
                package, plain = here / part / "__init__.py", here / f"{part}.py"
                if package.is_file():
                    self.add(package)
                elif plain.is_file():
                    self.add(plain)
                elif not (here / part).is_dir() or not part:
                    break
                hit = hit or package.is_file() or plain.is_file()
                here = here / part
            if hit:
                return
        self.elsewhere.add(parts[0])

    def call(self, node: ast.Call) -> None:
        name = dotted(node.func) or ""
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("run_line_magic", "system", "getoutput"):
            texts = [_text(argument) for argument in node.args]
            if node.func.attr == "run_line_magic" and len(texts) == 2:
                self.magic(texts[0] or "", texts[1] or "")
            elif texts and texts[0]:
                self.shell(texts[0])
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "run_cell_magic":
            texts = [_text(argument) for argument in node.args]
            if len(texts) == 3 and texts[0] in ("bash", "sh", "script") and texts[2]:
                self.shell(texts[2])
        elif name in ("importlib.import_module", "import_module", "__import__") and node.args:
            if module := _text(node.args[0]):
                self.module(module.split("."), self.places)
        elif name in ("os.system", "subprocess.run", "subprocess.check_call", "subprocess.check_output") and node.args:
            first = node.args[0]
            parts = [_text(e) or "" for e in first.elts] if isinstance(first, ast.List) else []
            self.shell(shlex.join(parts) if parts else _text(first) or "")

    def magic(self, magic: str, line: str) -> None:
        if magic == "run":
            words = [word for word in _words(line) if not word.startswith("-")]
            for name in words[:1]:  # the rest are its arguments; IPython adds a missing .py
                self.script(name if (self.folder / name).is_file() else f"{name}.py")
        elif magic in ("load_ext", "reload_ext", "aimport"):
            self.module(line.strip().split("."), self.places)
        elif magic in ("matplotlib", "pylab"):
            self.elsewhere.add("matplotlib")
        elif magic in ("sx", "system"):
            self.shell(line)

    def shell(self, line: str) -> None:
        for command in _SEPARATORS.split(line):
            words = _words(command)
            if "-m" in words[1:-1]:
                module = words[words.index("-m") + 1]
                self.module(module.split("."), self.places)
                self.module([*module.split("."), "__main__"], self.places)
            for word in words:
                if word.startswith("./") or word.lower().endswith(_SCRIPTS):
                    self.script(word)

    def script(self, name: str) -> None:
        path = self.folder / name
        if path.is_file():
            self.add(path)

    def add(self, path: Path) -> None:
        path = path.resolve()
        if path in self.found:
            return
        self.found.add(path)
        if path.suffix in (".py", ".ipy", ".ipynb"):
            self.follow(_sources(path), path)


def _sources(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".ipynb":
            yield from (cell.source for cell in read(path).code_cells())
        else:
            yield path.read_text(encoding="utf-8")
    except (NotebookError, OSError, UnicodeDecodeError):
        return  # the file itself counts; what it runs can't be told


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
