"""The values that a cell's text states outright: numbers, texts, lists … that need no execution to be known."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from nbops.notebook.scopes import walked
from nbops.notebook.syntax import parsed

_TEXT = 1000  # characters of a string that still counts as a value to be kept
_ITEMS = 100  # elements of a list, tuple or dict, nested ones included
_UNKNOWN = object()

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteralError(Exception):
    """The expression's value can't be told from its text. Never leaves this package."""


def literal(node: ast.expr) -> Any:
    """The value of an expression made of numbers, strings, booleans, None, and lists, tuples and
    string-keyed dicts of these; arithmetic of numbers (``60 * 60``, ``-1``, ``10**6``) is done.

    Raises
    ------
    NotLiteralError
        For anything else, or where the value is larger than a parameter is.
    """
    budget = [_ITEMS]
    return _value(node, budget)


def literals(source: str) -> dict[str, Any]:
    """The names a cell assigns a literal at top level, with the value each has at the cell's end.

    A name that the cell also binds in another way (a loop, ``+=``, a function's ``global``, ``del``) is left
    out: its value can't be told. So are names whose value is changed in place (``sizes[0] = 1``).
    """
    tree, walk = parsed(source), walked(source)
    if tree is None or walk is None:
        return {}
    found: dict[str, Any] = {}
    for place, statement in enumerate(tree.body):
        for name, value in dict(_stated(statement)).items():
            if value is not _UNKNOWN and walk.touched[name] == place:
                found[name] = value
    return found


def assignments(tree: ast.Module) -> list[tuple[str, ast.expr | None, ast.AnnAssign | ast.Assign]]:
    """Every ``name = expression`` at top level, in order; tuples of names are taken apart where the other side
    is a tuple of the same length, else the expression is None."""
    found: list[tuple[str, ast.expr | None, ast.AnnAssign | ast.Assign]] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                found += [(name, value, statement) for name, value in _pairs(target, statement.value)]
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.append((statement.target.id, statement.value, statement))
    return found


def _pairs(target: ast.expr, value: ast.expr | None) -> list[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if not isinstance(target, (ast.Tuple, ast.List)):
        return []
    parts: list[ast.expr | None] = [None] * len(target.elts)
    plain = not any(isinstance(e, ast.Starred) for e in target.elts)
    if plain and isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
        parts = list(value.elts)
    pairs = []
    for inner, part in zip(target.elts, parts, strict=True):
        pairs += _pairs(inner.value if isinstance(inner, ast.Starred) else inner, part)
    return pairs


def _stated(statement: ast.stmt) -> list[tuple[str, Any]]:
    stated = []
    for name, node, _ in assignments(ast.Module(body=[statement], type_ignores=[])):
        try:
            stated.append((name, _UNKNOWN if node is None else literal(node)))
        except NotLiteralError:
            stated.append((name, _UNKNOWN))
    return stated


def _value(node: ast.expr, budget: list[int]) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise NotLiteralError
    if isinstance(node, ast.Constant):
        value = node.value
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str) and len(value) <= _TEXT:
            return value
        raise NotLiteralError
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_value(item, budget) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items
    if isinstance(node, ast.Dict):
        return {_key(key): _value(item, budget) for key, item in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _number(node.operand, budget)
        return -number if isinstance(node.op, ast.USub) else +number
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _arithmetic(node, budget)
    raise NotLiteralError


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise NotLiteralError  # **other, or a key that JSON can't carry


def _number(node: ast.expr, budget: list[int]) -> int | float:
    value = _value(node, budget)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise NotLiteralError


def _arithmetic(node: ast.BinOp, budget: list[int]) -> int | float:
    left, right = _number(node.left, budget), _number(node.right, budget)
    if isinstance(node.op, ast.Pow) and (abs(left) > 10**6 or abs(right) > 64):
        raise NotLiteralError
    try:
        value = _ARITHMETIC[type(node.op)](left, right)
    except (ArithmeticError, ValueError):
        raise NotLiteralError from None
    if isinstance(value, int) or (isinstance(value, float) and not math.isnan(value)):
        return value
    raise NotLiteralError  # a complex root
