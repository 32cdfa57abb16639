"""One execution of one cell, while it runs: what is known at its start, and what was logged in it since.

The values that may be kept as a parameter are decided here too: plain ones, redacted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbops.core.errors import UsageError
from nbops.core.redaction import REDACTED, redact, redact_text
from nbops.core.runs import Artifact, CellStatus, DataUse, Metric, ModelUse, Run, RunStatus

TEXT_LIMIT = 1000
"""Characters of a parameter's text that are kept; what is longer is data, not a setting."""
ITEM_LIMIT = 100
"""Values in a container parameter, nested ones included; what is larger is data, not a setting."""


@dataclass(frozen=True, kw_only=True)
class CellStart:
    """A cell about to run. `source` is its text as the notebook has it; `code` is the text whose names are
    looked at (empty for a script, whose text as a whole says nothing of one block); `name` is that of
    ``%%track NAME``; `parameters`: it is the notebook's parameters cell."""

    source: str
    code: str = ""
    cell_id: str | None = None
    execution_count: int | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    parameters: bool = False


@dataclass(kw_only=True)
class OpenCell:
    """A cell that is running. The lists are buffers, filled from any thread (an append is atomic) and read once,
    at the cell's end."""

    start: CellStart
    run: Run | None  # None: it could not be opened; `notes` say why
    namespace: Mapping[str, Any]
    started_at: datetime
    clock_started_s: float = 0.0  # perf_counter at the moment the cell's own code began
    overhead_s: float = 0.0
    budget_s: float = 0.0  # left for fingerprints
    reads: list[DataUse] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)  # path → id() of the data that was there before
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # path → where its values lie in memory
    beneath: list[tuple[int, int]] = field(default_factory=list)  # what it may write to that it doesn't name
    read_names: tuple[str, ...] = ()
    write_names: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    models: list[ModelUse] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    observing: bool = False
    ran: bool = True  # False: it failed before its first statement (a syntax error, an unknown magic)


def parameter(name: str, value: Any, secrets: Collection[str] = ()) -> Any:
    """A value as it is kept as a parameter: plain (JSON types), short, and without secrets; `secrets` are texts that
    the cell has under another, telling name."""
    plain = _plain(value)
    if isinstance(plain, (Mapping, list)) and _count(plain) > ITEM_LIMIT:
        return f"<{type(value).__name__} of {len(value):,} values>"
    return redact(_without(plain, secrets) if secrets else plain, name)


def _without(plain: Any, secrets: Collection[str]) -> Any:
    if isinstance(plain, Mapping):
        return {key: _without(value, secrets) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_without(value, secrets) for value in plain]
    return REDACTED if isinstance(plain, str) and plain in secrets else plain


def number(name: str, value: Any) -> float:
    """A metric's value as a float.

    Raises
    ------
    UsageError
        If it is not a number (or an array of one).
    """
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(
            f"the metric {name!r} must be a number, got {value!r:.100} of type {type(value).__name__};"
            " log text with log_param"
        ) from None


def series_and_last(logged: Iterable[Metric]) -> tuple[tuple[Metric, ...], tuple[Metric, ...]]:
    """(every logged value that the record itself doesn't hold, the last value of each name).

    The store writes a record's metrics without a step itself; those with a step it expects in the series."""
    everything = list(logged)
    last = {m.name: i for i, m in enumerate(everything)}
    kept = set(last.values())
    series = tuple(m for i, m in enumerate(everything) if m.step is not None or i not in kept)
    return series, tuple(everything[i] for i in last.values())


def outcome(error: BaseException | None) -> tuple[CellStatus, RunStatus, str | None]:
    """How a cell ended, from the exception that ended it: cell status, run status, "ErrorName: message"."""
    if error is None:
        return CellStatus.OK, RunStatus.COMPLETED, None
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return CellStatus.INTERRUPTED, RunStatus.STOPPED, "KeyboardInterrupt"
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  (a user's exception whose __str__ fails)
        message = "(its message can't be shown)"
    first = message.strip().splitlines()[0] if message.strip() else ""
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return CellStatus.ERROR, RunStatus.FAILED, redact_text(text[:TEXT_LIMIT])


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        text = str(value)
        return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"
    if depth < 4:
        if isinstance(value, Mapping):
            return {str(k): _plain(v, depth + 1) for k, v in list(value.items())[: ITEM_LIMIT + 1]}
        if isinstance(value, (list, tuple, set, frozenset)):
            items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
            return [_plain(v, depth + 1) for v in items[: ITEM_LIMIT + 1]]
    if isinstance(value, float):  # a subclass, numpy.float64 among them
        return float(value) if math.isfinite(value) else float(repr(float(value)))
    if isinstance(value, int):
        return int(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:  # a numpy scalar
        scalar = item()
        if type(scalar) in (bool, int, float, str):
            return scalar
    if isinstance(value, type) or callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    try:
        text = str(value)
    except Exception:  # noqa: BLE001  (a user's object whose __str__ fails)
        text = object.__repr__(value)
    return _plain(text)


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_count(v) for v in value.values())
    if isinstance(value, list):
        return sum(_count(v) for v in value)
    return 1
