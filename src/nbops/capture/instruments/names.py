"""What an object is called in a namespace: a variable, an item of a container, an attribute."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from nbops.capture.reach import key_text

_MOST_ITEMS = 10_000
_IPYTHON = {"In", "Out", "exit", "quit", "get_ipython"}


def names_of(wanted: set[int], namespace: Mapping[str, Any]) -> dict[int, str]:
    """The name of each object in `wanted` (by id) that can be reached: ``model``, ``models['ridge']``,
    ``search.best_estimator_``. A variable's name goes before a path."""
    found: dict[int, str] = {}
    if not wanted:
        return found
    public = {n: v for n, v in list(namespace.items()) if not n.startswith("_") and n not in _IPYTHON}
    level = list(public.items())
    for _ in range(3):
        for name, value in level:
            if id(value) in wanted:
                found.setdefault(id(value), name)
        if len(found) == len(wanted):
            break
        level = [inner for name, value in level for inner in _inside(name, value)][:_MOST_ITEMS]
    return found


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) in (list, tuple):
        yield from ((f"{name}[{i}]", item) for i, item in enumerate(value[:_MOST_ITEMS]))
    elif type(value) is dict and len(value) <= _MOST_ITEMS:
        yield from ((f"{name}[{key_text(key)}]", item) for key, item in list(value.items()))
    elif _has_attributes_of_interest(value):
        yield from ((f"{name}.{key}", item) for key, item in list(vars(value).items()) if not key.startswith("_"))


def _has_attributes_of_interest(value: Any) -> bool:
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    kind = type(value)  # asked instead of the value: its `__class__` may be a property of the user's
    if issubclass(kind, type) or getattr(kind, "__dictoffset__", 0) == 0:
        return False
    return kind.__module__ == "__main__" or (base is not None and issubclass(kind, base))
