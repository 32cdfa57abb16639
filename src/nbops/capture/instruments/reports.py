"""What was computed and is no single number: a matrix, a curve, a value for each class, a text. Kept as an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbops.capture.instruments.watch import Watch, cell_line
from nbops.core.canonical import canonical

_MOST_CHARACTERS = 250_000
_MOST_NUMBERS = 20_000


def keep_report(watch: Watch, name: str, result: Any, data: str | None, on: str | None) -> None:
    """Keep what the function `name` returned; `data` is the digest of what it was computed on, `on` what the cell's
    text calls that."""
    text_like = isinstance(result, str)
    if not text_like and _numbers(result) > _MOST_NUMBERS:
        text = None
    else:
        text = result if text_like else canonical(_whole(result))
    if text is None or len(text) > _MOST_CHARACTERS:
        watch.note(f"{name}: what it returned is not kept, it is too long")
        return
    watch.keep(
        text.encode(),
        name=f"{name}.{'txt' if text_like else 'json'}",
        kind="detail",
        media="text/plain" if text_like else "application/json",
        about={"line": cell_line(), "data": data, "on": on},
    )


def _numbers(result: Any) -> int:
    """How many numbers there are in a result."""
    if isinstance(result, (tuple, list)):
        return sum(map(_numbers, result))
    return int(getattr(result, "size", 1))


def _whole(value: Any) -> Any:
    """`value` in JSON types, uncut: arrays are what their ``tolist()`` says."""
    if isinstance(value, Mapping):
        return {str(k): _whole(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_whole(v) for v in value]
    if hasattr(value, "tolist"):
        return _whole(value.tolist())
    return value if type(value) in (bool, int, float, str, type(None)) else type(value).__name__
