"""Runs beside one another: what differs first, curves, parallel coordinates, and of two why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nbops.core.difference import Difference
from nbops.core.runs import Run
from nbops.render.card import number, value
from nbops.render.charts import line_chart, parallel_coordinates
from nbops.render.difference import difference_text
from nbops.render.elements import Element, element
from nbops.render.tables import cell, framed

Curves = Mapping[str, Mapping[str, Sequence[tuple[int | None, float]]]]
"""{metric: {run's name: its (step, value) pairs}}."""

_MOST_AXES = 7


def compare_view(
    runs: Sequence[Run],
    params: Mapping[str, Sequence[Any]],
    metrics: Mapping[str, Sequence[float | None]],
    differing: tuple[Sequence[str], Sequence[str]],
    curves: Curves,
    diff: Difference | None,
) -> Element:
    """The comparison. `params` and `metrics` have one value a run; `differing` names those that aren't the same."""
    names = named(runs)
    head: list[str | Element] = ["", *names]
    rows = [
        element("tr", element("th", "started", scope="row"), [cell(f"{r.started_at:%Y-%m-%d %H:%M}") for r in runs])
    ]
    for title, values, other in (("metrics", metrics, differing[1]), ("parameters", params, differing[0])):
        ordered = [*other, *(n for n in values if n not in other)]
        if ordered:
            rows.append(element("tr", element("th", title, colspan=len(head), scope="rowgroup")))
        rows += [_row(name, values[name], name in other) for name in ordered]
    axes = [*differing[0], *differing[1]][:_MOST_AXES]
    columns = {**params, **metrics}
    lines = [(name, {a: columns[a][i] for a in axes}) for i, name in enumerate(names)]
    charts = [
        line_chart({run: _points(points) for run, points in of.items()}, f"{metric} by step", points=False)
        for metric, of in curves.items()
    ]
    return element(
        "div",
        framed(head, rows, scroll="compare"),
        element("section", element("h4", "Curves"), charts) if charts else None,
        element("section", element("h4", "Across what differs"), parallel_coordinates(lines, axes, "runs"))
        if len(axes) > 1
        else None,
        element("section", element("h4", "Why they differ"), element("pre", difference_text(diff))) if diff else None,
    )


def named(runs: Sequence[Run]) -> list[str]:
    """A name a run, each different."""
    names = [f"{r.name} {r.id[:6]}" for r in runs]
    return names if len(set(names)) == len(names) else [f"{r.name} {r.id}" for r in runs]


def _row(name: str, values: Sequence[Any], differs: bool) -> Element:
    mark = "nbops-differs" if differs else None
    cells = [element("td", _said(v), class_=_kind(v, mark)) for v in values]
    return element("tr", element("th", name, scope="row", class_=mark), cells)


def _said(given: Any) -> str:
    if given is None:
        return "–"
    return number(given) if isinstance(given, float) else value(given)


def _kind(given: Any, mark: str | None) -> str | None:
    numeric = isinstance(given, (int, float)) and not isinstance(given, bool)
    return " ".join(filter(None, ("nbops-number" if numeric else None, mark))) or None


def _points(points: Sequence[tuple[int | None, float]]) -> list[tuple[float, float]]:
    return [(float(i if step is None else step), y) for i, (step, y) in enumerate(points) if math.isfinite(y)]
