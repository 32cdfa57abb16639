"""Runs as a table to pick from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbops.core.runs import Run
from nbops.render.card import number, value
from nbops.render.elements import Element, element
from nbops.render.tables import cell, framed

_MOST_COLUMNS = 6


def run_table(
    rows: Sequence[tuple[Run, Mapping[str, Any], Mapping[str, float]]],
    chosen: frozenset[str],
    sort: str,
    descending: bool,
) -> Element:
    """A line a run, with a box to choose it by; heads sort. The metrics and parameters that most of them have."""
    metrics = _common([m for _, _, m in rows])
    params = _common([p for _, p, _ in rows])
    columns = [("started_at", "started (UTC)"), ("name", "name"), ("status", "status")]
    columns += [(f"metrics.{n}", n) for n in metrics] + [(f"params.{n}", n) for n in params]
    head: list[str | Element] = [""]
    for key, title in columns:
        arrow = (" ↓" if descending else " ↑") if key == sort else ""
        head.append(
            element("span", title + arrow, role="button", tabindex=0, data_act="sort", data_value=key, data_key=key)
        )
    body = [
        element(
            "tr",
            element(
                "td",
                element(
                    "input",
                    type="checkbox",
                    checked=run.id in chosen,
                    data_act="choose",
                    data_value=run.id,
                    data_key=f"choose {run.id}",
                    aria_label=f"choose {run.name} {run.id[:6]}",
                ),
            ),
            cell(f"{run.started_at:%Y-%m-%d %H:%M}"),
            element("td", run.name, " ", element("small", run.id[:6])),
            element("td", run.status.lower(), class_="nbops-alert" if run.status in ("FAILED", "LOST") else None),
            [element("td", number(has[n]) if n in has else "", class_="nbops-number") for n in metrics],
            [cell(value(given[n]) if n in given else "") for n in params],
            class_="nbops-chosen" if run.id in chosen else None,
        )
        for run, given, has in rows
    ]
    return framed(head, body, scroll="runs")


def _common(found: Sequence[Mapping[str, Any]]) -> list[str]:
    counted: dict[str, int] = {}
    for values in found:
        for name in values:
            counted[name] = counted.get(name, 0) + 1
    return sorted(counted, key=lambda n: -counted[n])[:_MOST_COLUMNS]
