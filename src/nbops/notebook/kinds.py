"""The types a notebook's parameter can have: read from an annotation or a default, and values brought to them.

Only what papermill can inject and JSON can carry comes out: None, booleans, numbers, texts, lists, dicts.
"""

from __future__ import annotations

import ast
import json
import math
import numbers
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from nbops.core.hushed import hushed
from nbops.notebook.values import NotLiteralError, literal

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"none", "null", ""})
_LISTS = frozenset({"list", "tuple", "set", "frozenset", "Sequence", "Iterable", "Collection"})
_DICTS = frozenset({"dict", "Mapping", "MutableMapping"})
_BASES = {
    **dict.fromkeys(("int", "float", "bool", "str", "date", "datetime"), None),
    **{"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "FrozenSet": "frozenset"},
    **{"Timestamp": "datetime", "Path": "str", "PathLike": "str", "Number": "float", "Text": "str"},
}
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": ("≥", operator.ge),
    "gt": (">", operator.gt),
    "le": ("≤", operator.le),
    "lt": ("<", operator.lt),
}
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "date": "a date (2011-12-31)",
    "datetime": "a date and time (2011-12-31T13:00)",
    "None": "None",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type. `base` is int, float, bool, str, list, dict, date, datetime, None, union or Any; `text` is how the
    cell writes it; `parts` are the element type of a list, the value type of a dict, the members of a union; where
    `fixed`, a list has exactly these elements (``tuple[int, str]``).
    """

    base: str
    text: str
    parts: tuple[Kind, ...] = ()
    choices: tuple[Any, ...] = ()
    bounds: tuple[tuple[str, Any], ...] = field(default=())  # ("ge", 0)
    help: str = ""
    fixed: bool = False

    @property
    def bounds_text(self) -> str:
        return ", ".join(f"{_BOUNDS[name][0]} {limit}" for name, limit in self.bounds)


ANY = Kind(base="Any", text="Any")


class Mismatch(Exception):  # noqa: N818 - becomes a ParameterError before it leaves the package
    """A value that isn't of the kind `asked` for, in words; `retypable` if declaring a type could help."""

    def __init__(self, asked: str, *, retypable: bool = False) -> None:
        self.asked, self.retypable = asked, retypable
        super().__init__(asked)


def inferred(default: Any) -> Kind:
    """The kind of a parameter that has only a default: its type; any, if that is None."""
    if default is None:
        return ANY
    base = "list" if isinstance(default, tuple) else type(default).__name__
    return Kind(base=base, text=type(default).__name__)


def convert(kind: Kind, value: Any) -> Any:
    """The value as its kind wants it.

    Raises
    ------
    Mismatch
        If it can't be brought there.
    """
    result = _union(kind, value) if kind.base == "union" else _plain(kind, value)
    if kind.choices and not any(type(c) is type(result) and c == result for c in kind.choices):
        raise Mismatch("one of " + ", ".join(repr(c) for c in kind.choices))
    for name, limit in kind.bounds:
        sign, holds = _BOUNDS[name]
        for each in result if isinstance(result, list) else [result]:
            if isinstance(each, str) == isinstance(limit, str) and each is not None and not holds(each, limit):
                raise Mismatch(f"{sign} {limit}")
    return result


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return text


def declared(node: ast.expr) -> Kind:
    """The kind an annotation declares; what isn't understood is "Any" under its own text."""
    text = _text(node)
    if isinstance(node, ast.Constant) and node.value is None:
        return Kind(base="None", text="None")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # a quoted annotation
        try:
            return declared(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return Kind(base="Any", text=text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _either([node.left, node.right], text)
    if isinstance(node, ast.Subscript):
        arguments = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _subscripted(_last_name(node.value), arguments, text)
    return Kind(base=_base(_last_name(node)), text=text)


def _subscripted(name: str, arguments: list[ast.expr], text: str) -> Kind:
    if name == "Literal":
        return _chosen(arguments, text)
    if name == "Annotated" and arguments:
        return _annotated(declared(arguments[0]), arguments[1:])
    if name == "Optional" and arguments:
        return _either([arguments[0], ast.Constant(value=None)], text)
    if name == "Union":
        return _either(arguments, text)
    base = _base(name)
    if name in ("tuple", "Tuple") and not _same(arguments):
        return Kind(base=base, text=text, parts=tuple(declared(one) for one in arguments), fixed=True)
    if base == "list":
        return Kind(base=base, text=text, parts=(declared(arguments[0]),) if _same(arguments) else ())
    if base == "dict":
        return Kind(base=base, text=text, parts=(declared(arguments[1]),) if len(arguments) == 2 else ())
    return Kind(base=base, text=text)


def _same(arguments: list[ast.expr]) -> bool:
    """``list[int]``, ``tuple[int, ...]``; not ``tuple[int, str]``."""
    if len(arguments) == 2 and isinstance(arguments[1], ast.Constant):
        return arguments[1].value is Ellipsis
    return len(arguments) == 1


def _base(name: str) -> str:
    name = _BASES.get(name) or name
    if name in _LISTS:
        return "list"
    if name in _DICTS:
        return "dict"
    return name if name in _BASES else "Any"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _either(nodes: list[ast.expr], text: str) -> Kind:
    return Kind(base="union", text=text, parts=tuple(declared(node) for node in nodes))


def _chosen(nodes: list[ast.expr], text: str) -> Kind:
    try:
        choices = tuple(literal(node) for node in nodes)
    except NotLiteralError:
        return Kind(base="Any", text=text)
    types = dict.fromkeys(inferred(c) if c is not None else Kind(base="None", text="None") for c in choices)
    if len(types) == 1:
        return Kind(base=next(iter(types)).base, text=text, choices=choices)
    return Kind(base="union", text=text, parts=tuple(types), choices=choices)


def _annotated(kind: Kind, extras: list[ast.expr]) -> Kind:
    """Bounds as `annotated_types` and pydantic write them (``Ge(0)``, ``Interval(gt=0, le=1)``,
    ``Field(ge=0, description="…")``), and a plain string as help. Anything else is passed over."""
    bounds, help_text = list(kind.bounds), kind.help
    for extra in extras:
        if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
            help_text = help_text or extra.value
        if not isinstance(extra, ast.Call):
            continue
        said = {k.arg: k.value for k in extra.keywords if k.arg}
        name = _last_name(extra.func).lower()
        if name in _BOUNDS and extra.args:
            said[name] = extra.args[0]
        for key, node in said.items():
            try:
                value = literal(node)
            except NotLiteralError:
                continue
            if key in _BOUNDS and isinstance(value, (int, float, str)):
                bounds.append((key, value))
            elif key == "description" and isinstance(value, str):
                help_text = help_text or value
    numeric = kind.base in ("int", "float") or (
        kind.base in ("list", "union") and all(p.base in ("int", "float", "None") for p in kind.parts)
    )
    fitting = [b for b in bounds if isinstance(b[1], str) != numeric]
    return replace(kind, bounds=tuple(fitting) if kind.base in _BOUNDED else (), help=help_text)


_BOUNDED = frozenset({"int", "float", "str", "date", "datetime", "list", "union"})


def _union(kind: Kind, value: Any) -> Any:
    # None first, text last: "5" for `int | str` is 5, "none" for `str | None` is None
    order = sorted(kind.parts, key=lambda part: (part.base != "None", part.base in ("str", "Any")))
    for part in order:
        try:
            return convert(part, value)
        except Mismatch:
            continue
    raise Mismatch(" or ".join(_WORDS.get(part.base, f"a {part.base}") for part in kind.parts))


def _plain(kind: Kind, value: Any) -> Any:
    if kind.base == "Any":
        return _lenient(value) if isinstance(value, str) else carried(value)
    if kind.base in ("list", "dict"):
        return _container(kind, value)
    asked = _WORDS[kind.base]
    if isinstance(value, os.PathLike) and kind.base == "str":
        value = os.fspath(value)
    if kind.base in ("date", "datetime") and isinstance(value, date):
        value = value.isoformat()
    try:
        if isinstance(value, str):
            return _read(kind.base, value.strip() if kind.base != "str" else value)
        return _checked(kind.base, value)
    except (ValueError, TypeError, OverflowError):
        raise Mismatch(asked, retypable=True) from None


def _read(base: str, text: str) -> Any:
    """A text as a value of a base type; ValueError if it is none."""
    if base == "str":
        return str(text)
    if base == "int":
        return int(text)
    if base == "float":
        return float(text)
    if base == "date":
        return date.fromisoformat(text).isoformat()
    if base == "datetime":
        datetime.fromisoformat(text)
        return text
    if base == "None" and text.lower() in _NONE:
        return None
    if base == "bool" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)


def _checked(base: str, value: Any) -> Any:
    """A value that is no text, if it is of the base type; numpy's scalars come back as Python's."""
    truth = isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
    if base == "bool" and truth:
        return bool(value)
    if base == "int" and isinstance(value, numbers.Integral) and not truth:
        return int(value)
    if base == "float" and isinstance(value, numbers.Real) and not truth:
        return float(value)
    if base == "None" and value is None:
        return None
    raise TypeError(base)


def _container(kind: Kind, value: Any) -> Any:
    wanted = "a list ([1, 2])" if kind.base == "list" else 'an object ({"a": 1})'
    if isinstance(value, str):
        value = _lenient(value)
    if kind.base == "list" and isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
        if kind.fixed and len(items) != len(kind.parts):
            raise Mismatch(f"{kind.text}: {len(kind.parts)} values, it has {len(items)}")
        parts = kind.parts if kind.fixed else kind.parts * len(items) or (ANY,) * len(items)
        return [
            _element(kind, part, item, f"element {i} of the list")
            for i, (part, item) in enumerate(zip(parts, items, strict=True))
        ]
    if kind.base == "dict" and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        part = kind.parts[0] if kind.parts else ANY
        return {key: _element(kind, part, item, f"{key!r} of the object") for key, item in value.items()}
    raise Mismatch(wanted)


def _element(kind: Kind, part: Kind, item: Any, where: str) -> Any:
    if part is ANY:
        return carried(item)
    if isinstance(item, str) and part.base not in ("str", "Any", "date", "datetime", "union"):
        raise Mismatch(f"{kind.text}: {where} is {item!r}")  # ["1"] is no list of integers
    try:
        return convert(part, item)
    except Mismatch as mismatch:
        raise Mismatch(f"{kind.text}: {where} must be {mismatch.asked}, it is {item!r}") from None


def _lenient(text: str) -> Any:
    """A text for a parameter of no known type: what it looks like, in JSON or Python, else itself."""
    stripped = text.strip()
    if stripped in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[stripped]
    for reader in (json.loads, _python):
        try:
            value = reader(stripped)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            return text  # "NaN" and "inf" are left as they are: only a declared float reads them as numbers
        return value
    return text


def _python(text: str) -> Any:
    try:
        with hushed(Warning):  # "\\d" in a text is no invalid escape of ours
            return carried(ast.literal_eval(text))
    except (SyntaxError, TypeError, MemoryError, Mismatch):
        raise ValueError(text) from None


def carried(value: Any) -> Any:
    """A value of any type that papermill can inject.

    Raises
    ------
    Mismatch
        If it has none.
    """
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [carried(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [carried(item) for item in sorted(value, key=repr)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: carried(item) for key, item in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    for base in ("bool", "int", "float"):
        try:
            return _checked(base, value)
        except TypeError:
            continue
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise Mismatch("a number, text, list or object")
