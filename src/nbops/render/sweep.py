"""A sweep as a table, and as parallel coordinates (SVG). Values in, text out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

Row = Mapping[str, Any]
"""One trial: ``{"id", "status", "point", "value", "metrics", "seconds"}``."""

_GAP, _TOP, _HEIGHT, _BELOW = 150, 50, 260, 30
_BAD, _GOOD = (176, 190, 197), (13, 71, 161)


def sweep_table(rows: Sequence[Row], varied: Sequence[str], metric: str | None) -> str:
    """A line a trial, as given; the value of the metric, or the metrics there are."""
    from tabulate import tabulate

    if not rows:
        return "no trials yet"
    lines = [
        [
            row["id"][:8],
            row["status"].lower(),
            *(_short(row["point"].get(name)) for name in varied),
            _said(row, metric),
            f"{row['seconds']:.1f}" if row["seconds"] is not None else "–",
        ]
        for row in rows
    ]
    return tabulate(
        lines, ["run", "state", *varied, metric or "metrics", "seconds"], tablefmt="plain", disable_numparse=True
    )


def parallel_coordinates(rows: Sequence[Row], varied: Sequence[str], metric: str | None, *, maximize: bool) -> str:
    """An axis a parameter and one for the metric, a line a trial: the better, the darker, the best on top. Trials
    without a value are dashed and end before the last axis."""
    axes = [*varied, *([metric] if metric else [])]
    width, height = _GAP * (len(axes) + 1), _TOP + _HEIGHT + _BELOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11" role="img"><title>trials</title>'
    ]
    places = {}
    for i, name in enumerate(axes):
        values = [r["value"] for r in rows] if metric and i == len(varied) else [r["point"].get(name) for r in rows]
        places[i], marks = _axis(values)
        x = _GAP * (i + 1)
        parts.append(f'<text x="{x}" y="20" text-anchor="middle" font-weight="bold">{escape(_short(name))}</text>')
        parts.append(f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{_TOP + _HEIGHT}" stroke="#546e7a"/>')
        for label, at in marks:
            y = _TOP + _HEIGHT * (1 - at)
            parts.append(f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#546e7a">{escape(label)}</text>')
    worth = _worth([row["value"] for row in rows], maximize)
    for row, good in sorted(zip(rows, worth, strict=True), key=lambda pair: -1.0 if pair[1] is None else pair[1]):
        points = []
        for i, name in enumerate(axes):
            value = row["value"] if metric and i == len(varied) else row["point"].get(name)
            at = places[i](value)
            if at is not None:
                points.append(f"{_GAP * (i + 1)},{_TOP + _HEIGHT * (1 - at):.1f}")
        style = 'stroke="#cfd8dc" stroke-dasharray="3 3"' if good is None else f'stroke="{_color(good)}"'
        said = f"{row['id'][:8]}: " + ", ".join(f"{name}={_short(row['point'].get(name))}" for name in varied)
        said += f" → {_said(row, metric)}"
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke-width="1.5" {style}>'
            f"<title>{escape(said)}</title></polyline>"
        )
    return "".join([*parts, "</svg>\n"])


def _axis(values: Sequence[Any]) -> tuple[Any, list[tuple[str, float]]]:
    """Where a value stands on an axis (0 to 1, None: nowhere), and the marks beside it. What isn't all numbers stands
    in order, at equal distances."""
    there = [v for v in values if v is not None]
    numbers = [v for v in there if _is_number(v)]
    if numbers and len(numbers) == len(there):
        low, high = min(numbers), max(numbers)
        span = high - low or 1.0

        def place(value: Any) -> float | None:
            return (value - low) / span if high > low else 0.5

        marks = [(_short(low), 0.0), (_short(high), 1.0)] if high > low else [(_short(low), 0.5)]
        return lambda value: place(value) if _is_number(value) else None, marks
    names = sorted({_short(v) for v in there if not (isinstance(v, float) and v != v)})
    at = {name: i / (len(names) - 1) if len(names) > 1 else 0.5 for i, name in enumerate(names)}
    return lambda value: at.get(_short(value)) if value is not None else None, list(at.items())


def _worth(values: Sequence[float | None], maximize: bool) -> list[float | None]:
    """How good each value is among the others, from 0 to 1."""
    numbers = [v for v in values if _is_number(v) and v is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    span = high - low or 1.0
    return [
        None if v is None or not _is_number(v) else (v - low) / span if maximize else (high - v) / span for v in values
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _color(good: float) -> str:
    red, green, blue = (round(b + (g - b) * good) for b, g in zip(_BAD, _GOOD, strict=True))
    return f"rgb({red},{green},{blue})"


def _said(row: Row, metric: str | None) -> str:
    if metric is not None:
        return "–" if row["value"] is None else f"{row['value']:.5g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in list(row["metrics"].items())[:3]) or "–"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"
