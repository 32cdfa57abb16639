"""Frozen dataclasses to JSON types and back, by their type hints, so that a wire shape is declared once:
in the dataclass. Unknown fields of a newer writer are dropped; missing ones take the field's default."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from nbops.core import clock
from nbops.core.canonical import encode

T = TypeVar("T")
_PLAIN = frozenset({str, int, float, bool})


def to_json(value: Any) -> Any:
    """JSON types (floats and integers untouched: :mod:`nbops.core.canonical` writes them safely)."""
    kind = type(value)
    if value is None or kind in _PLAIN:  # nearly everything: a record is written within a cell's millisecond
        return value
    if kind is tuple or kind is list:
        return [to_json(v) for v in value]
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(kind):
        return {name: to_json(getattr(value, name)) for name in _names(kind)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return clock.to_text(value)
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):  # a named tuple
        return [to_json(v) for v in value]
    return value


def json_safe(value: Any) -> Any:
    """JSON types for programs: NaN and infinities as the tagged strings of the canonical form; other floats and
    integers stay numbers."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return encode(value)
    plain = to_json(value)
    if isinstance(plain, dict):
        return {k: json_safe(v) for k, v in plain.items()}
    if isinstance(plain, list):
        return [json_safe(v) for v in plain]
    return plain


def from_json(cls: type[T], data: Any) -> T:
    """The value of type `cls` that :func:`to_json` wrote."""
    result: T = _read(cls, data)
    return result


@functools.cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(cls))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _read(hint: Any, data: Any) -> Any:
    if data is None or hint is Any:
        return data
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        real = [a for a in args if a is not type(None)]
        return _read(real[0], data) if len(real) == 1 else data
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_read(args[0], item) for item in data)
        return tuple(_read(a, item) for a, item in zip(args, data, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {k: _read(args[1], v) for k, v in data.items()}
    if isinstance(hint, type):
        if hasattr(hint, "from_json"):
            return hint.from_json(data)
        if dataclasses.is_dataclass(hint):
            hints = _hints(hint)
            names = _names(hint)
            return hint(**{k: _read(hints[k], v) for k, v in data.items() if k in names})
        if issubclass(hint, enum.Enum):
            return hint(data)
        if issubclass(hint, datetime):
            return clock.from_text(data)
    return data
