"""``nbops.run_pipeline("train")`` and ``%nbops run train``: a pipeline run from a notebook, shown while it runs.

The notebooks run in worker processes, as with ``jobs`` above 1: nothing of theirs reaches the kernel it is asked from,
which only follows. What is shown is a display that is updated, so any front end shows it, and what stays in the
notebook is how it ended.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbops.capture.current import open_session
from nbops.core.errors import NbopsError
from nbops.pipeline.progress import Progress, Standing
from nbops.render.elements import html
from nbops.render.progress import StepLine, progress_text, progress_view

if TYPE_CHECKING:
    from nbops.workspace import Workspace

EVERY_S = 0.3


def run_pipeline(
    name: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    from_step: str | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    resume: str | None = None,
    repeat_effects: bool = False,
) -> str:
    """Run a pipeline of nbops.toml, and show in a notebook how it gets on: step, cell, time taken and usually left.

    Parameters
    ----------
    name : str, optional
        The pipeline; may be left out if there is only one.
    params, force, from_step, jobs, scheduler, resume, repeat_effects
        As ``nbops pipeline run`` takes them: parameters of steps; every step, or those from one on, whether anything
        changed or not; how many at once; a Dask cluster's scheduler; a run to go on with ("last": the newest).

    Returns
    -------
    str
        The id of the pipeline's run.

    Raises
    ------
    NbopsError
        As the command: nothing of that name, a wrong parameter, a step that failed.
    KeyboardInterrupt
        After its kernels were stopped.
    """
    from nbops.capture.instruments.instruments import unwatched
    from nbops.pipeline import graph, run
    from nbops.workspace import open_workspace

    session = open_session()
    ws = session.workspace if session is not None else open_workspace()
    chosen = graph.chosen(ws.settings, name)[0] if resume is None else name
    with unwatched(), _shown(ws, chosen) as progress:
        done = run.run_pipeline(
            ws,
            chosen,
            params=params,
            force=force,
            from_step=from_step,
            jobs=jobs,
            scheduler=scheduler,
            resume=resume,
            repeat_effects=repeat_effects,
            progress=progress,
            apart=True,
        )
    return done.id


class _Shown:
    """The display. Drawn at most every 0.3 s, and at the end."""

    def __init__(self, name: str, steps: list[str], handle: Any) -> None:
        self.name, self.state = name, "running"
        self.standing = Standing(steps)
        self._handle, self._began, self._drawn_at = handle, time.monotonic(), 0.0

    def heard(self, event: Any) -> None:
        self.standing.heard(event)
        if time.monotonic() - self._drawn_at >= EVERY_S:
            self.draw()

    def draw(self) -> None:
        self._drawn_at = time.monotonic()
        lines = [
            StepLine(
                step=e.step, state=e.state, cell=e.cell, cells=e.cells, seconds=e.seconds, left_s=e.left_s, why=e.why
            )
            for e in self.standing.now()
        ]
        what = self.name, self.state, self._drawn_at - self._began, lines
        self._handle.update({"text/html": html(progress_view(*what)), "text/plain": progress_text(*what)}, raw=True)


@contextlib.contextmanager
def _shown(ws: Workspace, name: str | None) -> Iterator[Progress | None]:
    """A listener that shows what it hears; None where there is nobody to show it to."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    from nbops.pipeline import graph

    if get_ipython() is None:  # a script
        yield None
        return
    steps: tuple[str, ...] = ()
    with contextlib.suppress(NbopsError):  # what is wrong with it is said by the run itself
        name, pipeline = graph.chosen(ws.settings, name)
        steps = graph.graph(pipeline, name).order
    handle = display({"text/plain": f"{name or 'pipeline'}: begins"}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    shown = _Shown(name or "pipeline", list(steps), handle)
    try:
        yield shown.heard
        shown.state = "completed"
    except KeyboardInterrupt:
        shown.state = "stopped"
        raise
    except BaseException:
        shown.state = "failed"
        raise
    finally:
        shown.draw()
