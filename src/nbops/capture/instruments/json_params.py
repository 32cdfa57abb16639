"""Parameters of an estimator as JSON: what can be written is, the rest is named; secrets are redacted; bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nbops.core.canonical import canonical
from nbops.core.redaction import redact

_MOST_ITEMS = 50
_MOST_CHARACTERS = 8000
_MOST_DEPTH = 4


def params_of(estimator: Any) -> dict[str, Any]:
    """``get_params(deep=True)`` made of JSON types. Nested estimators are their class's name, as their own
    parameters stand beside them (``model__alpha``)."""
    found = estimator.get_params(deep=True)
    kept: dict[str, Any] = {}
    room = _MOST_CHARACTERS
    for name in sorted(found, key=lambda n: (str(n).count("__"), str(n))):
        value = redact(plain(found[name]), str(name))
        room -= len(str(name)) + len(canonical(value))
        if room < 0:
            kept["…"] = f"{len(found) - len(kept)} more"
            break
        kept[str(name)] = value
    return kept


def plain(value: Any, depth: int = 0) -> Any:
    """`value` in JSON types; what has none is said by type, and what is too long is cut."""
    if value is None or type(value) in (bool, int, str):
        return value if not isinstance(value, str) or len(value) <= 500 else value[:500] + "…"
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, type):  # before what instances are known by: numpy.float64 has a shape too, of no value
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        return plain(value.item(), depth)
    if depth >= _MOST_DEPTH:
        return type(value).__name__
    if isinstance(value, Mapping):
        return {str(k)[:100]: plain(v, depth + 1) for k, v in list(value.items())[:_MOST_ITEMS]}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        items = list(value)[:_MOST_ITEMS] if not isinstance(value, (set, frozenset)) else sorted(map(str, value))
        said = [plain(v, depth + 1) for v in items[:_MOST_ITEMS]]
        return [*said, f"… {len(value)} in all"] if len(value) > _MOST_ITEMS else said
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} {tuple(value.shape)} {value.dtype}"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return type(value).__name__
