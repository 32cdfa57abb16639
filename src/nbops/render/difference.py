"""How two runs differ, as text: a line a change, then the code's differences."""

from __future__ import annotations

from typing import Any

from nbops.core.difference import Change, Difference

_WIDE = 60  # characters of a value
_LINES = 40  # of one cell's or module's difference


def difference_text(result: Difference) -> str:
    """A difference as text."""
    from tabulate import tabulate

    notes = [f"note: {note}" for note in result.notes]
    if not result.changes:
        same = f"{result.a[:8]} and {result.b[:8]}: no difference in parameters, metrics, data, code or environment"
        return "\n".join([same, *notes])
    rows = [[c.what, c.name, "" if c.why else _short(c.a), "" if c.why else _short(c.b), c.why] for c in result.changes]
    head = ["", "name", result.a[:8], result.b[:8], ""]
    parts = [tabulate(rows, head, tablefmt="plain", disable_numparse=True)]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join([*parts, *(_code(c) for c in result.changes if c.detail)])


def _code(change: Change) -> str:
    lines = change.detail.splitlines()
    more = [f"… {len(lines) - _LINES} more lines (--json has all)"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more])


def _short(value: Any) -> str:
    text = "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
