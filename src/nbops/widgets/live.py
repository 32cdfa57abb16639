"""``nbops.live("loss")``: a chart of what ``log_metric`` is given, while the cell runs.

It is a display that is updated, as any front end can show it; the last picture stays in the notebook. Nothing is waited
for, so papermill and nbconvert show it like any other output.
"""

from __future__ import annotations

import time
from typing import Any

from nbops.capture.current import current_session
from nbops.core.runs import Metric
from nbops.render.charts import line_chart
from nbops.render.elements import element
from nbops.widgets.view import static

EVERY_S = 0.3
MOST_POINTS = 500
"""Of each curve; of more every second one is dropped, again and again."""


class LiveChart:
    """Takes metrics as they are logged, and draws at most every 0.3 s. `names` empty: all."""

    def __init__(self, names: tuple[str, ...], handle: Any) -> None:
        self._names, self._handle = names, handle
        self._points: dict[str, list[tuple[float, float]]] = {}
        self._every: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._last: dict[str, tuple[float, float]] = {}
        self._drawn_at = 0.0

    def heard(self, metric: Metric) -> None:
        if self._names and metric.name not in self._names:
            return
        name, seen = metric.name, self._seen.get(metric.name, 0)
        self._seen[name] = seen + 1
        points, every = self._points.setdefault(name, []), self._every.setdefault(name, 1)
        point = (float(seen if metric.step is None else metric.step), metric.value)
        self._last[name] = point
        if seen % every == 0:
            points.append(point)
            if len(points) > MOST_POINTS:
                del points[1::2]
                self._every[name] = every * 2
        if time.monotonic() - self._drawn_at >= EVERY_S:
            self.draw()

    def draw(self) -> None:
        self._drawn_at = time.monotonic()
        charts = [
            line_chart({name: [*points, self._last[name]]}, name, points=False) for name, points in self._points.items()
        ]
        waiting = element("p", "waiting for log_metric", class_="nbops-empty")
        last = ", ".join(f"{n} {y:.6g}" for n, (_, y) in self._last.items())
        shown = static(element("div", charts or waiting))
        self._handle.update({"text/html": shown, "text/plain": last or "waiting for log_metric"}, raw=True)


def live(*names: str) -> None:
    """Show metrics as a chart while they are logged, until the cell ends. Outside of IPython it does nothing.

    Parameters
    ----------
    names : str
        The metrics; by default every one that is logged.

    Examples
    --------
    >>> nbops.live("loss", "val_loss")
    >>> for epoch in range(100):
    ...     nbops.log_metric("loss", train_one(epoch), step=epoch)
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell, session = get_ipython(), current_session()
    if shell is None or session is None:
        return
    text = {"text/html": "<p>waiting for log_metric</p>", "text/plain": "waiting for log_metric"}
    handle = display(text, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    chart = LiveChart(names, handle)
    session.listeners.append(chart.heard)

    def ended(*_: Any) -> None:
        shell.events.unregister("post_run_cell", ended)
        if chart.heard in session.listeners:
            session.listeners.remove(chart.heard)
        chart.draw()

    shell.events.register("post_run_cell", ended)
