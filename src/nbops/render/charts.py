"""Small charts as SVG elements: lines, paired bars, parallel coordinates. Colours are classes and the text's
own colour, so that a chart fits a light and a dark theme; each has a title and a description for who can't see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nbops.render.card import number
from nbops.render.elements import Element, element

WIDTH, HEIGHT = 560, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 22, 34
_MOST_LABELS = 10
COLOURS = 6
"""Classes nbops-c0 … nbops-c5 of the style."""

Point = tuple[float, float]


def line_chart(
    series: Mapping[str, Sequence[Point]],
    title: str,
    *,
    labels: Sequence[str] = (),
    marks: Sequence[float] = (),
    zero: bool = False,
    points: bool = True,
) -> Element:
    """Lines over a common axis.

    Parameters
    ----------
    series : {name: [(x, y), …]}
        A y that isn't finite leaves a gap.
    labels : sequence of str
        What stands at x = 0, 1, …; by default the numbers themselves.
    marks : sequence of float
        Where a dashed vertical line stands (a promotion).
    zero : bool
        Let the y axis begin at 0.
    points : bool
        A dot at each value.
    """
    shown = [(x, y) for line in series.values() for x, y in line if math.isfinite(y)]
    if not shown:
        return element("p", f"{title}: nothing to draw yet", class_="nbops-empty")
    x_at = _scale(min(x for x, _ in shown), max(x for x, _ in shown), _LEFT, WIDTH - _RIGHT)
    low, high = min(y for _, y in shown), max(y for _, y in shown)
    low = min(low, 0.0) if zero else low
    if low == high:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    y_at = _scale(low, high, HEIGHT - _BOTTOM, _TOP)
    drawn: list[Element] = [*_y_axis(low, high, y_at), *_x_axis([x for x, _ in shown], labels, x_at)]
    drawn += [element("line", x1=x_at(m), x2=x_at(m), y1=_TOP, y2=HEIGHT - _BOTTOM, class_="nbops-mark") for m in marks]
    for i, (name, line) in enumerate(series.items()):
        colour = f"nbops-c{i % COLOURS}"
        for part in _parts(line):
            drawn.append(
                element("polyline", points=" ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in part), class_=colour)
            )
            if points and len(part) <= 60:
                drawn += [
                    element(
                        "circle",
                        element("title", f"{name}, {_at(labels, x)}: {number(y)}"),
                        cx=x_at(x),
                        cy=y_at(y),
                        r=3,
                        class_=colour,
                    )
                    for x, y in part
                ]
    last = {n: next((y for _, y in reversed(line) if math.isfinite(y)), math.nan) for n, line in series.items()}
    told = "; ".join(f"{n}: {len(line)} values, last {number(last[n])}" for n, line in series.items())
    return _figure(title, told, list(series), drawn)


def paired_bars(
    labels: Sequence[str], pairs: Sequence[tuple[float, float]], names: tuple[str, str], title: str
) -> Element:
    """For each label two shares side by side (a reference's and the present one's)."""
    high = max((v for pair in pairs for v in pair), default=0.0) or 1.0
    y_at = _scale(0.0, high, HEIGHT - _BOTTOM, _TOP)
    room = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    drawn: list[Element] = [*_y_axis(0.0, high, y_at)]
    every = math.ceil(len(labels) / _MOST_LABELS) if labels else 1
    for i, (label, pair) in enumerate(zip(labels, pairs, strict=True)):
        for j, value in enumerate(pair):
            x = _LEFT + room * (i + 0.12 + 0.4 * j)
            drawn.append(
                element(
                    "rect",
                    element("title", f"{names[j]}, {label}: {value:.1%}"),
                    x=x,
                    y=y_at(value),
                    width=room * 0.36,
                    height=max(HEIGHT - _BOTTOM - y_at(value), 0.0),
                    class_=f"nbops-c{j}",
                )
            )
        if i % every == 0:
            drawn.append(_label(_LEFT + room * (i + 0.5), HEIGHT - _BOTTOM + 14, label, "middle", room * every))
    told = "; ".join(f"{la}: {a:.1%} and {b:.1%}" for la, (a, b) in zip(labels, pairs, strict=True))
    return _figure(title, told, list(names), drawn)


def parallel_coordinates(rows: Sequence[tuple[str, Mapping[str, Any]]], axes: Sequence[str], title: str) -> Element:
    """A line a run across one axis for each parameter and metric; an axis of text has its values in order."""
    if len(axes) < 2 or not rows:
        return element("p", f"{title}: it takes two or more parameters or metrics that differ", class_="nbops-empty")
    places: dict[str, Any] = {}
    drawn: list[Element] = []
    for i, axis in enumerate(axes):
        x = _LEFT + (WIDTH - _LEFT - _RIGHT - 30) * i / (len(axes) - 1)
        values = [row[axis] for _, row in rows if _known(row.get(axis))]
        at, low, high = _axis(values)
        places[axis] = (x, at)
        drawn.append(element("line", x1=x, x2=x, y1=_TOP + 12, y2=HEIGHT - _BOTTOM, class_="nbops-axis"))
        place, anchor = x, "middle"
        if i in (0, len(axes) - 1):  # within the picture
            place, anchor = (2.0, "start") if i == 0 else (WIDTH - 2.0, "end")
        drawn.append(_label(place, _TOP + 4, axis, anchor, 110))
        drawn.append(_label(x, HEIGHT - _BOTTOM + 14, low, "middle", 90))
        drawn.append(
            _label(x, HEIGHT - _BOTTOM + 27, f"to {high}", "middle", 90)
            if high != low
            else _label(x, 0, "", "middle", 0)
        )
    for i, (name, row) in enumerate(rows):
        line = [(places[a][0], places[a][1](row[a])) for a in axes if _known(row.get(a))]
        told = ", ".join(f"{a} {_said(row[a])}" for a in axes if _known(row.get(a)))
        drawn.append(
            element(
                "polyline",
                element("title", f"{name}: {told}"),
                points=" ".join(f"{x:.1f},{y:.1f}" for x, y in line),
                class_=f"nbops-c{i % COLOURS}",
            )
        )
    return _figure(title, f"{len(rows)} runs across {', '.join(axes)}", [], drawn)


def _axis(values: list[Any]) -> tuple[Any, str, str]:
    bottom, top = HEIGHT - _BOTTOM, _TOP + 12
    if values and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        low, high = float(min(values)), float(max(values))
        return _scale(*((low, high) if low < high else (low - 1, low + 1)), bottom, top), number(low), number(high)
    words = sorted({str(v) for v in values})
    place = {w: i for i, w in enumerate(words)}
    at = _scale(-0.5, len(words) - 0.5, bottom, top)
    return (lambda v: at(place[str(v)])), (words[0] if words else ""), (words[-1] if words else "")


def _figure(title: str, told: str, names: Sequence[str], drawn: Sequence[Element]) -> Element:
    legend: list[Element] = []
    x = float(_LEFT)
    for i, name in enumerate(names if len(names) > 1 else ()):
        legend.append(element("rect", x=x, y=5, width=10, height=10, class_=f"nbops-c{i % COLOURS}"))
        legend.append(_label(x + 14, 14, name, "start", 150))
        x += 26 + 6.5 * min(len(name), 24)
    if len(names) <= 1:
        legend.append(_label(_LEFT, 13, title, "start", WIDTH - _LEFT))
    return element(
        "svg",
        element("title", f"{title}. {told}"[:2000]),
        legend,
        list(drawn),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        aria_label=title,
        class_="nbops-chart",
    )


def _y_axis(low: float, high: float, y_at: Any) -> list[Element]:
    drawn = []
    for value in _ticks(low, high):
        drawn.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y_at(value), y2=y_at(value), class_="nbops-grid"))
        drawn.append(_label(_LEFT - 6, y_at(value) + 4, number(value), "end", 50))
    return drawn


def _x_axis(values: Sequence[float], labels: Sequence[str], x_at: Any) -> list[Element]:
    places = sorted(set(values))
    every = math.ceil(len(places) / _MOST_LABELS)
    return [_label(x_at(x), HEIGHT - _BOTTOM + 16, _at(labels, x), "middle", 90) for x in places[::every]]


def _ticks(low: float, high: float) -> list[float]:
    """Four or so round values within the range (1, 2 or 5 times a power of ten apart)."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _parts(line: Sequence[Point]) -> list[list[Point]]:
    parts: list[list[Point]] = [[]]
    for x, y in line:
        if math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [p for p in parts if p]


def _scale(low: float, high: float, start: float, end: float) -> Any:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _at(labels: Sequence[str], x: float) -> str:
    return labels[int(x)] if labels and x == int(x) and 0 <= x < len(labels) else number(x)


def _label(x: float, y: float, text: str, anchor: str, room: float) -> Element:
    most = max(int(room / 6.2), 3)
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return element("text", cut, element("title", text) if cut != text else None, x=x, y=y, text_anchor=anchor)


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _said(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
