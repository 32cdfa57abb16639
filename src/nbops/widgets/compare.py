"""``nbops.compare(runs)``."""

from __future__ import annotations

from collections.abc import Sequence

from nbops.core.errors import UsageError
from nbops.core.runs import Run
from nbops.render.compare import Curves, compare_view, named
from nbops.render.elements import Element
from nbops.reproduction.side_by_side import side_by_side
from nbops.store import records
from nbops.widgets.view import View
from nbops.widgets.where import workspace
from nbops.workspace import Workspace


class CompareView(View):
    """Runs beside one another."""

    def __init__(self, runs: Sequence[str]) -> None:
        self._ws, self._runs = workspace(), tuple(runs)
        super().__init__()

    def draw(self) -> Element:
        return comparison(self._ws, self._runs)

    def __repr__(self) -> str:
        return f"nbops compare of {', '.join(self._runs)}"


def comparison(ws: Workspace, runs: Sequence[str]) -> Element:
    """The drawing of a comparison."""
    found = side_by_side(ws, runs)
    rows = [row.run for row in found.runs]
    differing = (found.differing_params, found.differing_metrics)
    return compare_view(rows, found.params, found.metrics, differing, _curves(ws, rows), found.diff)


def compare(runs: Sequence[str]) -> CompareView:
    """Runs beside one another: parameters and metrics with what differs first, curves, parallel coordinates, and of
    two runs why they differ (data, code, environment).

    Parameters
    ----------
    runs : sequence of str
        Two or more ids, or beginnings of them.

    Raises
    ------
    UsageError
        For fewer than two.
    UnknownNameError, AmbiguousError
    """
    if isinstance(runs, str) or len(runs) < 2:
        raise UsageError(f"compare() takes two or more runs, got {runs!r}; '%nbops runs' lists them")
    return CompareView(runs)


def _curves(ws: Workspace, runs: Sequence[Run]) -> Curves:
    found: dict[str, dict[str, list[tuple[int | None, float]]]] = {}
    for run, name in zip(runs, named(runs), strict=True):
        for metric, points in records.curves(ws.store, run.id, most=300).items():
            found.setdefault(metric, {})[name] = points
    return found
