"""Several runs beside one another: what is the same in all, what isn't; of two, also why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbops.core.difference import Difference
from nbops.reproduction.difference import difference
from nbops.store import run_search, runs
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """`params` and `metrics` have a value a run, None where it has none; `curves` those of metrics with steps."""

    runs: tuple[run_search.Row, ...]
    params: dict[str, list[Any]]
    metrics: dict[str, list[float | None]]
    differing_params: tuple[str, ...]
    differing_metrics: tuple[str, ...]
    diff: Difference | None


def side_by_side(ws: Workspace, names: Sequence[str]) -> SideBySide:
    """Compare runs.

    Parameters
    ----------
    names : sequence of str
        Their ids, or beginnings of them.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    found = [runs.get(ws.store, name) for name in names]
    rows = run_search.rows_of(ws.store, [run.id for run in found])
    params, metrics = _columns([row.params for row in rows]), _columns([row.metrics for row in rows])
    return SideBySide(
        runs=rows,
        params=params,
        metrics=metrics,
        differing_params=tuple(n for n, v in params.items() if _differ(v)),
        differing_metrics=tuple(n for n, v in metrics.items() if _differ(v)),
        diff=difference(ws, found[0].id, found[1].id) if len(found) == 2 else None,
    )


def _columns(rows: Sequence[Any]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _differ(values: Sequence[Any]) -> bool:
    first = values[0]
    return any(type(v) is not type(first) or (v != first and not (v != v and first != first)) for v in values)
