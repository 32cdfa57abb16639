"""How the steps of a pipeline get on, as a table that is drawn again and again, and read as well when all is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbops.render.elements import Element, element
from nbops.render.tables import table

_ALERTS = ("failed", "stopped")
_BAR = 80  # pixels


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """A step as it stands. It runs if it has `cells`: then `cell` of them has begun. `seconds` since its start (0: it
    hasn't run), `left_s` how long it will usually take yet (None: unknown)."""

    step: str
    state: str
    cell: int = 0
    cells: int = 0
    seconds: float = 0.0
    left_s: float | None = None
    why: str = ""


def progress_view(name: str, state: str, seconds: float, lines: Sequence[StepLine]) -> Element:
    """The table."""
    rows = [[line.step, _state(line), _took(line), _left(line), line.why] for line in lines]
    kind = "nbops-alert" if state in _ALERTS else None
    return element(
        "div",
        element("p", element("b", name), ": ", element("span", state, class_=kind), f", {duration(seconds)}"),
        table(["step", "", "took", "still about", "why"], rows, scroll="steps"),
    )


def progress_text(name: str, state: str, seconds: float, lines: Sequence[StepLine]) -> str:
    """The same as text."""
    from tabulate import tabulate

    rows = [[line.step, _said(line), _took(line), _left(line), line.why] for line in lines]
    head = f"{name}: {state}, {duration(seconds)}"
    return head + "\n" + tabulate(rows, ["step", "", "took", "still about", "why"], tablefmt="plain")


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _said(line: StepLine) -> str:
    return f"cell {line.cell} of {line.cells}" if line.cells else line.state


def _state(line: StepLine) -> Element | str:
    if not line.cells:
        kind = "nbops-alert" if line.state in _ALERTS else "nbops-ok" if line.state == "completed" else None
        return element("span", line.state, class_=kind)
    done = _BAR * (line.cell - 1) / line.cells
    bar = element(
        "svg",
        element("rect", class_="nbops-c0", x=0, y=0, width=done, height=8),
        element("rect", class_="nbops-axis", x=0.5, y=0.5, width=_BAR - 1, height=7, fill="none"),
        width=_BAR,
        height=8,
        role="img",
        aria_label=_said(line),
    )
    return element("span", _said(line), " ", bar)


def _took(line: StepLine) -> str:
    return duration(line.seconds) if line.seconds else ""


def _left(line: StepLine) -> str:
    if line.left_s is None:
        return ""
    return duration(line.left_s) if line.left_s > 0 else "longer than usual"
