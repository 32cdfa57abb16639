"""The gates' report: which gate, what was asked, what was seen, as text and as HTML. Drawn once for every face."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nbops.core.models import GateResult, Outcome

_MARKS = {Outcome.PASSED: "✓", Outcome.PENDING: "…", Outcome.FAILED: "✗", Outcome.NOT_CHECKED: "–"}
_COLORS = {
    Outcome.PASSED: "#2e7d32",
    Outcome.PENDING: "#8a6d00",
    Outcome.FAILED: "#c62828",
    Outcome.NOT_CHECKED: "#777",
}
_CELL = "text-align:left;vertical-align:top;padding:1px 14px 1px 0"


def gates_text(results: Sequence[GateResult]) -> str:
    """One line a gate; where one failed, a second line says why if that isn't said already."""
    if not results:
        return "no gates were asked"
    width = max(len(r.gate) for r in results)
    outcome = max(len(r.outcome.value) for r in results)
    lines = []
    for r in results:
        head = f"{_MARKS[r.outcome]} {r.gate.ljust(width)}  {r.outcome.value.ljust(outcome)}"
        if r.outcome in (Outcome.NOT_CHECKED, Outcome.PENDING):
            lines.append(f"{head}  {r.why}")
            continue
        lines.append(f"{head}  seen: {r.seen} · asked: {r.asked}")
        if r.outcome is Outcome.FAILED and r.why not in (r.seen, ""):
            lines.append(f"  {''.ljust(width)}  {''.ljust(outcome)}  {r.why}")
    return "\n".join(lines)


def gates_html(results: Sequence[GateResult]) -> str:
    """A table that reads right without any style."""
    if not results:
        return "<p>no gates were asked</p>"
    head = "".join(f'<th style="{_CELL}">{name}</th>' for name in ("gate", "outcome", "asked", "seen", "why"))
    rows = "".join(
        f'<tr><td style="{_CELL}">{escape(r.gate)}</td>'
        f'<td style="{_CELL};color:{_COLORS[r.outcome]}">{_MARKS[r.outcome]} {escape(r.outcome.value)}</td>'
        f'<td style="{_CELL}">{escape(r.asked)}</td><td style="{_CELL}">{escape(r.seen)}</td>'
        f'<td style="{_CELL}">{escape(r.why) if r.why != r.seen else ""}</td></tr>'
        for r in results
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
