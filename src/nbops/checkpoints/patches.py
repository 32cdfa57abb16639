"""What cells change inside of imported modules: a patched function, an entry of a module's table. No state has it, for
modules are imported anew; the cells that did it can do it once more.

Told from the text: what a notebook's own function changes when it is called isn't seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from nbops.notebook.names import names
from nbops.notebook.scopes import CHANGING
from nbops.notebook.syntax import parsed

KEPT = ("os.environ", "sys.path", "matplotlib.rcParams", "matplotlib.pyplot.rcParams", "pandas.options")
"""What of modules a state does have."""


def imported(sources: Sequence[str]) -> dict[str, str]:
    """The names that stand for what was imported, and nothing else: {name: dotted}."""
    found: dict[str, str] = {}
    for source in sources:
        found |= names(source).imports
    bound = {
        node.id
        for source in sources
        for node in ast.walk(parsed(source) or ast.Module([], []))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return {name: dotted for name, dotted in found.items() if name not in bound}


def patches(source: str, imports: Mapping[str, str]) -> tuple[str, ...]:
    """The dotted names of what a cell changes inside of what was imported, such as ``pandas.DataFrame.shout``."""
    tree = parsed(source)
    found = {
        name: None
        for target in (_targets(tree) if tree is not None else ())
        if (name := _inside(target, imports)) is not None and not name.startswith(KEPT)
    }
    return tuple(found)


def _targets(tree: ast.Module) -> Iterator[ast.expr]:
    """What is assigned to, deleted or changed by a method called for its effect alone, when the cell runs."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        todo = [*ast.iter_child_nodes(node), *todo]
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            match node.args:
                case [owner, ast.Constant(value=str(attribute)), *_]:
                    yield ast.Attribute(owner, attribute, ast.Store())
                case [owner, *_]:
                    yield ast.Subscript(owner, ast.Constant(None), ast.Store())
        elif (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(method := node.value.func, ast.Attribute)
            and method.attr in CHANGING
        ):
            yield ast.Subscript(method.value, ast.Constant(None), ast.Store())


def _inside(target: ast.expr, imports: Mapping[str, str]) -> str | None:
    """The dotted name of a target, up to where it is indexed; None where that is no part of something imported."""
    parts: list[str] = []
    while isinstance(target, (ast.Attribute, ast.Subscript)):
        parts = [target.attr, *parts] if isinstance(target, ast.Attribute) else []
        target = target.value
    if not isinstance(target, ast.Name) or target.id not in imports:
        return None
    whole = ".".join([imports[target.id], *parts])
    return whole if "." in whole else None  # a module itself has no entries: os.remove(…) removes none
