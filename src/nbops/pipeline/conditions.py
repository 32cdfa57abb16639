"""``when = "params.full and inputs.features.rows > 0"``: an expression over what is known before a step runs.

It is Python's syntax and nothing more of Python: names, comparisons, and, or, not, arithmetic, lists of values. What
can't be a condition is refused before anything runs; what turns out not to be there fails the step.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from nbops.core.errors import SettingsError, suggestion

ROOTS = ("params", "inputs", "metrics")
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b, ast.IsNot: lambda a, b: a is not b,
}  # fmt: skip
_COMPUTE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}  # fmt: skip

Look = Callable[[str, str], Any]
"""What ``params.NAME``, ``inputs.NAME`` and ``metrics.NAME`` are, asked by root and name when they are needed."""


def names(text: str) -> list[tuple[str, str]]:
    """Every ``root.name`` that a condition asks for.

    Raises
    ------
    SettingsError
        If the text is no condition.
    """
    tree = _tree(text)
    found: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        _known(node, text)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.append((node.value.id, node.attr))
    return found


def holds(text: str, look: Look) -> bool:
    """Whether a condition holds.

    Raises
    ------
    SettingsError
        If it can't be told: a name that isn't there, values that can't be compared.
    """
    try:
        return bool(_value(_tree(text).body, look, text))
    except (TypeError, ZeroDivisionError) as error:
        raise SettingsError(f"when = {text!r} can't be told: {error}") from None


def _tree(text: str) -> ast.Expression:
    try:
        return ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise SettingsError(f"when = {text!r} is no condition: {error.msg} at character {error.offset}") from None


def _known(node: ast.AST, text: str) -> None:
    """Refuse what a condition can't hold."""
    if isinstance(node, ast.Name) and node.id not in ROOTS:
        raise SettingsError(f"when = {text!r}: {node.id!r} is not known here{suggestion(node.id, ROOTS)}")
    allowed = (ast.Expression, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.BinOp, ast.Constant, ast.List, ast.Tuple)
    signs = (ast.boolop, ast.cmpop, ast.expr_context, ast.Not, ast.USub, *_COMPUTE)
    if not isinstance(node, (*allowed, *signs, ast.Attribute, ast.Name)):
        said = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
        raise SettingsError(f"when = {text!r}: {said!r} can't stand in a condition{_instead(node)}")


def _instead(node: ast.AST) -> str:
    """What to write, as far as one can guess."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        if isinstance(key, str) and key.isidentifier():
            return f"; write {ast.unparse(node.value)}.{key}"
    return (
        "; there can: params.NAME, metrics.NAME, inputs.NAME with .rows, .size or .value, numbers, texts, lists,"
        " comparisons, and, or, not, arithmetic"
    )


def _value(node: ast.expr, look: Look, text: str) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(each, look, text) for each in node.elts]
    if isinstance(node, ast.BoolOp):
        value: Any = None
        for each in node.values:
            value = _value(each, look, text)
            if bool(value) != isinstance(node.op, ast.And):
                break
        return value
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, look, text)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.BinOp):
        return _COMPUTE[type(node.op)](_value(node.left, look, text), _value(node.right, look, text))
    if isinstance(node, ast.Compare):
        left = _value(node.left, look, text)
        for sign, each in zip(node.ops, node.comparators, strict=True):
            right = _value(each, look, text)
            if not _COMPARE[type(sign)](left, right):
                return False
            left = right
        return True
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name):
            return look(node.value.id, node.attr)
        owner = _value(node.value, look, text)
        if isinstance(owner, Mapping):
            if node.attr not in owner:
                raise SettingsError(f"when = {text!r}: {ast.unparse(node)!r} isn't there{suggestion(node.attr, owner)}")
            found = owner[node.attr]
            return found() if callable(found) else found
    raise SettingsError(f"when = {text!r}: {ast.unparse(node)!r} has no value")
