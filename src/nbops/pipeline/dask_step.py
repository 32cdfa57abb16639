"""One step, as it is executed on a worker of a Dask cluster: by a worker process of ours
(:mod:`nbops.pipeline.worker`), which a thread of Dask's watches.

Dask can't interrupt a thread. So the thread looks whether its task is still wanted (it may have been cancelled, its
runner may be gone, Dask's worker closing), and interrupts the process. The process notices by itself if Dask's worker
is killed, as its orders end, and if the run has been given up in the store, as the scheduler took this worker for dead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbops.core.errors import NbopsError
from nbops.kernels import parents
from nbops.pipeline.attempt import Attempt, order, ordered
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.step_run import was_given_up
from nbops.pipeline.worker_processes import Workers
from nbops.store import runs
from nbops.store.artifacts import digest_of
from nbops.store.postgres import without_password
from nbops.workspace import Workspace, open_workspace

IDLE_S = 60.0
"""How long a worker process that has done its step is kept for the next one."""

LOOK_S = 0.2


def order_for(ws: Workspace, attempt: Attempt) -> dict[str, Any]:
    """What a worker elsewhere needs to know to make an attempt in this workspace. The store's password stays here."""
    return {
        "attempt": order(attempt),
        "root": str(ws.root),
        "home": str(ws.home),
        "store": without_password(ws.store.location),
        "artifacts": str(ws.artifacts.root),
        "identity": ws.identity,
        "notebook": ws.artifacts.put_file(attempt.notebook),
    }


def execute(told: Mapping[str, Any]) -> dict[str, Any]:
    """Execute a step here, in a task of Dask's, in the workspace that the order names.

    Returns
    -------
    dict
        ``{"unfit": why}`` if it can't be done on this machine, ``{"taken": True}`` if the attempt was begun elsewhere
        (Dask does again what a worker did that died) or is no longer wanted; else ``{"run", "error", "no_state"}``
        of what became of it.
    """
    attempt = ordered(told["attempt"])
    try:
        ws = _workspace(told)
        why = _other_place(ws, told, attempt)
    except (NbopsError, OSError) as error:
        why = f"{type(error).__name__}: {error}"
    if why:
        return {"unfit": why}
    assert attempt.as_run is not None
    if runs.exists(ws.store, attempt.as_run):
        return {"taken": True}
    wanted, progress = _task(told, attempt.as_run)
    with _one_process(ws, progress) as crew:
        crew.start(attempt)
        while wanted():
            for ended in crew.wait(LOOK_S):
                if ended.taken or was_given_up(ws, attempt.as_run):
                    return {"taken": True}
                run = ended.run.id if ended.run else None
                return {"run": run, "error": ended.error, "no_state": ended.no_state}
    return {"taken": True}


class _Idle:
    """Worker processes that have done their step and may soon get the next one: starting one takes seconds."""

    lock = threading.Lock()
    crews: list[tuple[float, Workers]] = []  # noqa: RUF012  (this process's; since when each is idle)
    at_work = 0

    @classmethod
    def let_go(cls) -> None:
        """Of those that nobody has asked for in time; with the last one, of what their kernels are forked from."""
        with cls.lock:
            late = [crew for since, crew in cls.crews if time.monotonic() - since >= IDLE_S]
            cls.crews = [(since, crew) for since, crew in cls.crews if crew not in late]
            for crew in late:
                crew.stop()
            if not cls.crews and not cls.at_work:
                parents.stop()


@contextlib.contextmanager
def _one_process(ws: Workspace, progress: Progress) -> Iterator[Workers]:
    """A worker process; stopped at the end, with its kernel, if it isn't done by then."""
    with _Idle.lock:
        _Idle.at_work += 1
        found = next((entry for entry in _Idle.crews if _same(entry[1].ws, ws)), None)
        if found is not None:
            _Idle.crews.remove(found)
    crew = found[1] if found else Workers(ws, 1, progress)
    crew.progress = progress
    try:
        yield crew
    finally:
        done = not crew.busy
        if not done:
            crew.stop()
        with _Idle.lock:
            _Idle.at_work -= 1
            if done:
                _Idle.crews.append((time.monotonic(), crew))
        timer = threading.Timer(IDLE_S + 0.1, _Idle.let_go)
        timer.daemon = True
        timer.start()


def _same(one: Workspace, other: Workspace) -> bool:
    return _started_with(one) == _started_with(other)


def _started_with(ws: Workspace) -> tuple[Any, ...]:
    """What a worker process was told when it was started."""
    return ws.root, ws.home, ws.store.location, ws.artifacts.root, ws.identity, ws.settings


def _task(told: Mapping[str, Any], run_id: str) -> tuple[Callable[[], bool], Progress]:
    """Of the task that this thread executes: whether it is still wanted, and how it is told how it gets on."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        stays = worker.status.name in ("running", "paused", "closing_gracefully")
        return stays and task is not None and task.state in ("executing", "long-running")

    def tell(event: StepEvent) -> None:
        worker.log_event(told["topic"], {"run": run_id, "event": dataclasses.asdict(event)})

    return wanted, tell


def _workspace(told: Mapping[str, Any]) -> Workspace:
    own = os.environ.get("NBOPS_STORE", "")
    environ = {
        **os.environ,
        "NBOPS_HOME": told["home"],
        "NBOPS_STORE": own if without_password(own) == told["store"] else told["store"],
        "NBOPS_ARTIFACTS": told["artifacts"],
    }
    return open_workspace(Path(told["root"]), environ=environ, identity=told["identity"])


def _other_place(ws: Workspace, told: Mapping[str, Any], attempt: Attempt) -> str:
    """How what is here differs from what the runner sees; empty if it doesn't."""
    if not attempt.notebook.is_file():
        return f"there is no {str(attempt.notebook)!r} there; the project's folder must be there under the same path"
    if digest_of(attempt.notebook) != told["notebook"]:
        return f"its {str(attempt.notebook)!r} is not the one that is to run; the project's folder must be the same"
    if not ws.artifacts.has(told["notebook"]):
        return (
            f"what was put into the artifacts isn't in its {str(ws.artifacts.root)!r}; it must be the same shared"
            " folder (NBOPS_ARTIFACTS, or [store] artifacts)"
        )
    if attempt.parent is not None and not runs.exists(ws.store, attempt.parent):
        return (
            f"its store {ws.store.name} isn't ours: it doesn't know the run {attempt.parent[:6]}; a SQLite store must"
            " lie in a folder that all machines share, or be a PostgreSQL database (NBOPS_STORE)"
        )
    return ""
