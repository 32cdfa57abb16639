"""One notebook on a worker of a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.core.errors import ExecutionError
from nbops.core.runs import Run
from nbops.pipeline.attempt import Attempt
from nbops.pipeline.crew import crew
from nbops.pipeline.dask_cluster import connected
from nbops.pipeline.execute import check_output, check_timeouts, checked_params
from nbops.pipeline.progress import Progress, StepEvent
from nbops.workspace import Workspace


def run_on_cluster(
    ws: Workspace,
    notebook: Path,
    output: Path | None = None,
    *,
    scheduler: str | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Run:
    """Execute a notebook as :func:`nbops.pipeline.execute.run_notebook` does, on whichever worker is free.

    Parameters
    ----------
    output : Path, optional
        Where the executed notebook goes: a path that the workers see.
    scheduler : str, optional
        ``tcp://HOST:PORT``; by default what Dask's configuration says (DASK_SCHEDULER_ADDRESS).
    how
        `timeout_s`, `cell_timeout_s`, `kernel`, `warm`, `require_tracking`, `tags` of `run_notebook`.

    Raises
    ------
    SettingsError, NotebookError, ParameterError, UsageError
        Before anything is executed or recorded.
    ExecutionError
        If the cluster can't be reached or used, or the notebook failed.
    KeyboardInterrupt
        After the kernel was stopped and the run closed as STOPPED.
    """
    given = checked_params(notebook, params or {}, secrets=False)  # the worker has them
    check_output(notebook, output)
    check_timeouts(timeout_s=how.get("timeout_s"), cell_timeout_s=how.get("cell_timeout_s"))
    attempt = Attempt(
        name=notebook.stem,
        notebook=notebook.absolute(),
        params=given,
        parent=None,
        output=output and output.absolute(),
        **how,
    )
    with connected(scheduler) as cluster:
        workers = crew(ws, 1, progress or _silent, cluster)
        try:
            workers.start(attempt)
            while not (ended := workers.wait(None)):
                pass
        finally:
            workers.stop()
    if ended[0].run is None:
        raise ExecutionError(ended[0].error)
    return ended[0].run


def _silent(_event: StepEvent) -> None:
    """Nobody listens."""
