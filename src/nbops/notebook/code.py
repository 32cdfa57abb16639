"""What a notebook's code is, for the question whether it has changed, and what else it depends on.

A digest is taken of the syntax tree, so that comments, blank lines, formatting, ``%%time`` and ``%%track``
change nothing; docstrings and order do count. A cell that doesn't parse counts by its text.
"""

from __future__ import annotations

import ast
from typing import Any

from nbops.core import canonical
from nbops.notebook.files import Notebook
from nbops.notebook.modules import local_modules as local_modules  # part of what this module offers
from nbops.notebook.outside import Outside as Outside
from nbops.notebook.outside import reads_outside as reads_outside
from nbops.notebook.parameters import INJECTED, TAG
from nbops.notebook.syntax import parsed
from nbops.notebook.values import NotLiteralError, literal

FORM = "c1"
"""Bump it when the digest of the same code changes."""


def code_digest(source: str) -> str:
    """``c1:sha256:<64 hex>`` of a cell's or module's code."""
    tree = parsed(source)
    return _tagged(["text", source] if tree is None else ["tree", [_form(s) for s in tree.body]])


def notebook_code_digest(notebook: Notebook) -> str:
    """``c1:sha256:<64 hex>`` of a notebook's code cells in order; empty ones don't count.

    Parameters count by name only: their values are for the caller to add
    (:func:`nbops.notebook.parameters.values`). A default that isn't a literal (``date.today()``) is code and
    counts as such. The cell that papermill injects doesn't count.
    """
    parameters = notebook.tagged(TAG)
    parts: list[Any] = []
    for cell in notebook.code_cells():
        if INJECTED in cell.tags:
            continue
        tree = parsed(cell.source)
        if tree is None:
            parts.append(["text", cell.source])
        elif cell == parameters:
            parts.append(["parameters", [_without_default(s) for s in tree.body]])
        elif tree.body:
            parts.append(["tree", [_form(s) for s in tree.body]])
    return _tagged(parts)


def _tagged(form: Any) -> str:
    return FORM + canonical.digest(form).removeprefix(canonical.FORM)


def _without_default(statement: ast.stmt) -> Any:
    if isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets):
        value: ast.expr | None = statement.value
        names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        value, names = statement.value, [statement.target.id]
    else:
        return _form(statement)
    try:
        if value is not None:
            literal(value)
    except NotLiteralError:
        return _form(statement)
    return ["parameter", names]


def _form(tree: ast.AST) -> str:
    """A tree as text: each node's type, then its fields that say something. Unlike `ast.dump` it doesn't change
    when a newer Python adds an optional field, and long chains of calls don't exhaust the stack."""
    out: list[str] = []
    left: list[Any] = [tree]
    while left:
        item = left.pop()
        if isinstance(item, _Mark):
            out.append(item)
        elif isinstance(item, ast.Constant):  # 1, 1.0 and True are three
            out.append(f"({type(item.value).__name__} {item.value!r})")
        elif isinstance(item, ast.AST):
            out.append(f"({type(item).__name__}")
            left.append(_Mark(")"))
            for name, value in reversed(list(ast.iter_fields(item))):
                if value is not None and value != [] and name not in _SILENT:
                    left += [value, _Mark(f".{name}")]
        elif isinstance(item, list):
            out.append("[")
            left += [_Mark("]"), *reversed(item)]
        else:
            out.append(repr(item))
    return " ".join(out)


class _Mark(str):
    """A piece of the form itself, as against a name or value of the tree."""

    __slots__ = ()


_SILENT = frozenset({"ctx", "kind", "type_comment"})
