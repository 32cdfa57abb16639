"""Who executes the notebooks of a pipeline: this process, one after the other; several worker processes; or the
workers of a Dask cluster, on many machines.

Papermill changes the folder and the logging of its process, so two notebooks at once need two processes.
"""

from __future__ import annotations

import time
from typing import Protocol

from nbops.pipeline.attempt import Attempt, Ended, execute
from nbops.pipeline.dask_cluster import Cluster
from nbops.pipeline.dask_crew import Elsewhere
from nbops.pipeline.progress import Progress
from nbops.pipeline.worker_processes import Workers
from nbops.workspace import Workspace


class Crew(Protocol):
    """Executes attempts, at most `jobs` at once."""

    @property
    def jobs(self) -> int: ...

    @property
    def busy(self) -> int: ...

    def start(self, attempt: Attempt) -> None: ...

    def wait(self, timeout_s: float | None) -> list[Ended]: ...

    def stop(self) -> None: ...


def crew(
    ws: Workspace, jobs: int | None, progress: Progress, cluster: Cluster | None = None, *, apart: bool = False
) -> Crew:
    """One that executes up to `jobs` notebooks at once: on a cluster, if there is one (by default as many as it has
    threads), else on this machine (by default one); `apart`: never in this process."""
    if cluster is not None:
        return Elsewhere(ws, cluster, jobs, progress)
    jobs = max(jobs or 1, 1)
    return Here(ws, progress) if jobs == 1 and not apart else Workers(ws, jobs, progress)


class Here:
    """This process. An attempt that was started is executed when it is waited for."""

    jobs = 1

    def __init__(self, ws: Workspace, progress: Progress) -> None:
        self.ws, self.progress = ws, progress
        self._attempt: Attempt | None = None

    @property
    def busy(self) -> int:
        return 0 if self._attempt is None else 1

    def start(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def wait(self, timeout_s: float | None) -> list[Ended]:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            time.sleep(timeout_s or 0)
            return []
        return [execute(self.ws, attempt, self.progress)]

    def stop(self) -> None:
        """Nothing is under way when this is called: an interrupt has stopped it."""
