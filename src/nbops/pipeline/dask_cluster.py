"""A Dask cluster that executes steps: found, asked who is there, and which of its workers can do our work.

Dask is an extra (``dask``), imported when a cluster is asked for.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from nbops import __version__
from nbops.core.errors import ExecutionError, SettingsError
from nbops.settings import FILE, Pipeline

CONNECT_S = 5.0
LOOK_S = 1.0
"""How old what we know of the cluster may be."""

log = logging.getLogger("nbops")


def is_for_cluster(pipeline: Pipeline, scheduler: str | None) -> bool:
    """Are the steps of a pipeline to be executed on a cluster, and not on this machine?"""
    return pipeline.engine == "dask" or scheduler is not None


def cluster_for(pipeline: Pipeline, scheduler: str | None) -> AbstractContextManager[Cluster | None]:
    """Where the steps of a pipeline are executed: the cluster it is to run on, None for this machine."""
    if is_for_cluster(pipeline, scheduler):
        return connected(scheduler or pipeline.scheduler)
    return contextlib.nullcontext()


@contextlib.contextmanager
def connected(scheduler: str | None) -> Iterator[Cluster]:
    """The cluster of a scheduler (``tcp://HOST:PORT``); by default of the one that Dask's configuration names
    (DASK_SCHEDULER_ADDRESS).

    Raises
    ------
    SettingsError
        If Dask isn't installed, or no scheduler is named.
    ExecutionError
        If the scheduler can't be reached, or none of its workers has our Python and nbops.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "running steps on a Dask cluster needs dask.distributed, which isn't installed: pip install 'nbops[dask]'"
        ) from error
    address = scheduler or dask.config.get("scheduler-address", None)
    if not address:
        raise SettingsError(
            f'engine = "dask" in {FILE} needs to know which scheduler: scheduler = "tcp://HOST:PORT" beside it,'
            " --scheduler tcp://HOST:PORT, or the environment variable DASK_SCHEDULER_ADDRESS"
        )
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise ExecutionError(
            f"the Dask scheduler {address!r} can't be reached: {_sentence(error)};"
            " 'dask scheduler' starts one, its address is tcp://HOST:8786 unless it says otherwise"
        ) from error
    try:
        cluster = Cluster(client, address)
        cluster.survey()
        yield cluster
    finally:
        client.close(timeout=CONNECT_S)


class Cluster:
    """A connection to a scheduler. `left_out` are the workers that can't do our work, {address: why}."""

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        self.left_out: dict[str, str] = {}
        self._workers: Mapping[str, Mapping[str, Any]] = {}
        self._looked = float("-inf")

    def survey(self) -> None:
        """Ask everybody for their versions.

        Raises
        ------
        ExecutionError
            If there are workers, and none of them will do.
        """
        found = self.client.get_versions(packages=["nbops"])
        mine = _version(found["client"], "python")
        scheduler = _version(found["scheduler"], "python")
        if scheduler.rpartition(".")[0] != mine.rpartition(".")[0]:
            raise ExecutionError(
                f"the Dask scheduler {self.address!r} runs Python {scheduler}, this is {mine}; Dask needs the same"
            )
        for worker, versions in found["workers"].items():
            if why := _unfit(_version(versions, "python"), _version(versions, "nbops"), mine):
                self.leave_out(worker, why)
        self.somebody_left()

    def leave_out(self, worker: str, why: str) -> None:
        if worker not in self.left_out:
            self.left_out[worker] = why
            log.warning("the Dask worker %s gets no steps: %s", worker, why)

    def somebody_left(self) -> None:
        """Raises
        ------
        ExecutionError
            If no worker that is there can do our work.
        """
        there = self.workers()
        if there and not self.usable():
            worker = next(iter(there))
            more = f" (and none of the other {len(there) - 1} will do)" if len(there) > 1 else ""
            raise ExecutionError(f"the Dask worker {worker} can't execute steps: {self.left_out[worker]}{more}")

    def workers(self) -> Mapping[str, Mapping[str, Any]]:
        """Who is there now, as Dask describes them; empty while the scheduler is away.

        Raises
        ------
        ExecutionError
            If the connection is lost for good.
        """
        self.reconnected()
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
            self._looked = now
        return self._workers

    def reconnected(self) -> None:
        """Wait, where the connection to the scheduler broke, until Dask has it back or gives it up.

        Raises
        ------
        ExecutionError
            If it is lost for good.
        """
        while self.client.status == "connecting":
            time.sleep(0.05)
        if self.client.status != "running":
            raise ExecutionError(
                f"the connection to the Dask scheduler {self.address!r} was lost; what had completed will not be done"
                " again by a new run of the pipeline"
            )

    def drop(self, futures: list[Any], topic: str) -> None:
        """Let go of what was submitted, where there is still somebody to tell."""
        if self.client.status == "running":
            self.client.unsubscribe_topic(topic)
            self.client.cancel(futures)

    def usable(self) -> dict[str, Mapping[str, Any]]:
        return {worker: about for worker, about in self.workers().items() if worker not in self.left_out}

    def offered(self, wanted: tuple[str, ...]) -> dict[str, float]:
        """Of what is wanted, the resources that workers say they have (``dask worker --resources "gpu=1"``)."""
        known = {name for about in self.usable().values() for name in about.get("resources", {})}
        return {name: 1 for name in wanted if name in known}

    def submit(self, function: Callable[[str], Any], order: str, *, key: str, resources: dict[str, float]) -> Any:
        """Have an order executed by any worker that will do; a future of the answer."""
        workers = list(self.usable()) if self.left_out else None
        return self.client.submit(
            function, order, key=key, pure=False, retries=0, workers=workers, resources=resources or None
        )


def _unfit(python: str, nbops: str, mine: str) -> str:
    """Why a worker with these versions can't execute our steps; empty if it can."""
    if python != mine:
        return f"it runs Python {python}, this is {mine}: what a step stood on must be what is looked at afterwards"
    if not nbops:
        return f"nbops isn't installed there: pip install 'nbops[dask]=={__version__}'"
    if nbops != __version__:
        return f"it has nbops {nbops}, this is {__version__}"
    return ""


def _version(about: Mapping[str, Any], what: str) -> str:
    """Of Python ("3.11.7"), or of a package; empty where there is none."""
    if what == "python":
        return ".".join(about["host"]["python"].split(".")[:3])
    return about["packages"].get(what) or ""


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
