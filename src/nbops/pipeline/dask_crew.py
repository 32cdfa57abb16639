"""The workers of a Dask cluster as the crew of a pipeline.

Who executed what is decided in the store, not by Dask, which knows only whom it hears. Each attempt is sent with the id
of the run that it will be. A run can be opened once; so when Dask, of its own, does again what a worker did that died,
the second finds the run there and says so. Then we give that run up (unless it has been completed), and send a new
attempt. A worker that was only believed dead can neither open nor complete a run that was given up: one of the two is
COMPLETED.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
import queue
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from nbops import __version__
from nbops.core.errors import ExecutionError, NbopsError
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline.attempt import Attempt, Ended, GoOn
from nbops.pipeline.dask_cluster import LOOK_S, Cluster
from nbops.pipeline.dask_step import order_for
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.resuming import from_the_top
from nbops.pipeline.step_run import give_up
from nbops.store import runs
from nbops.workspace import Workspace, relative

LOST_MOST = 3
"""Of how many workers a step may be the last: it may be what kills them."""

NOBODY_S = 60.0
"""How long a step waits for a worker that can execute it: a cluster may be growing, or a worker starting again."""

STOP_S = 20.0
"""How long kernels may take to stop."""

ANSWER_S = 30.0
"""How long the answer of a step that is done may take to come from its worker."""


@dataclasses.dataclass(kw_only=True)
class _Sent:
    """`future` is Dask's. `lost` counts the workers that it was lost with."""

    attempt: Attempt
    lost: int = 0
    future: Any = None
    resources: dict[str, float] = dataclasses.field(default_factory=dict)
    nobody_since: float | None = None


class Elsewhere:
    """At most `jobs` attempts at once, by default as many as the cluster has threads (it may grow meanwhile)."""

    def __init__(
        self, ws: Workspace, cluster: Cluster, jobs: int | None, progress: Progress, nobody_s: float = NOBODY_S
    ) -> None:
        self.ws, self.cluster, self.progress, self.nobody_s = ws, cluster, progress, nobody_s
        self._jobs = jobs
        self._sent: dict[str, _Sent] = {}  # by the id of its run
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._topic = f"nbops-{new_id()}"
        cluster.client.subscribe_topic(self._topic, lambda event: self._news.put(("event", event[1])))

    @property
    def jobs(self) -> int:
        return self._jobs or max(1, sum(about["nthreads"] for about in self.cluster.usable().values()))

    @property
    def busy(self) -> int:
        return len(self._sent)

    def start(self, attempt: Attempt) -> None:
        self._send(_Sent(attempt=attempt))

    def wait(self, timeout_s: float | None) -> list[Ended]:
        if not self.busy:
            time.sleep(timeout_s or 0)
            return []
        until, jobs = float("inf") if timeout_s is None else time.monotonic() + timeout_s, self.jobs
        while True:
            with contextlib.suppress(queue.Empty):
                what, news = self._news.get(timeout=max(0.0, min(LOOK_S, until - time.monotonic())))
                if what == "event":
                    self._heard(news)
                elif (ended := self._over(what, news)) is not None:
                    return [ended]
                continue
            self._look()
            if time.monotonic() >= until or self.jobs > jobs:  # there may be room for another
                return []

    def stop(self) -> None:
        """Stop every kernel, and see that each run is closed."""
        self.cluster.drop([sent.future for sent in self._sent.values()], self._topic)
        until = time.monotonic() + STOP_S
        while time.monotonic() < until and any(self._open(run_id) for run_id in self._sent):
            time.sleep(0.05)
        for run_id, sent in self._sent.items():
            if self._open(run_id):
                give_up(self.ws, self._as_run(sent), RunStatus.STOPPED, "stopped by the user")
        self._sent.clear()

    def _send(self, sent: _Sent) -> None:
        """Send an attempt as one that nobody else can have begun."""
        run_id = new_id()
        attempt = sent.attempt = dataclasses.replace(sent.attempt, as_run=run_id)
        sent.resources, sent.nobody_since = self.cluster.offered(attempt.uses), None
        order = json.dumps({**order_for(self.ws, attempt), "topic": self._topic, "versions": _VERSIONS})
        self._sent[run_id] = sent
        key = f"{attempt.name}-{run_id}"
        sent.future = self.cluster.submit(_by_value(), order, key=key, resources=sent.resources)
        sent.future.add_done_callback(lambda future: self._news.put((run_id, future)))

    def _heard(self, told: dict[str, Any]) -> None:
        if told["run"] in self._sent:
            self.progress(StepEvent(**told["event"]))

    def _over(self, run_id: str, future: Any) -> Ended | None:
        """What Dask says of an attempt; None if it is made again."""
        if run_id not in self._sent:
            return None
        self.cluster.reconnected()
        sent = self._sent.pop(run_id)
        name = sent.attempt.name
        if future.status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":
                return self._lost(sent)
            why = f"step {name!r} failed: {redact_text(f'{type(error).__name__}: {error}')}"
            return self._given_up(sent, RunStatus.FAILED, why) or self._failed(name, why)
        answer: dict[str, Any] = {"taken": True}
        if future.status == "finished":
            with contextlib.suppress(OSError, CancelledError):  # too late, or the worker is gone that had it
                answer = future.result(timeout=ANSWER_S)
        if "unfit" in answer:
            self.cluster.leave_out(answer["worker"], answer["unfit"])
            self.cluster.somebody_left()
            self._send(sent)
            return None
        if "taken" in answer:
            return self._lost(sent)
        if answer["no_state"] and (last := sent.attempt.go_on) is not None:
            try:
                more = from_the_top(self.ws, last.run, answer["no_state"], repeat_effects=last.repeat_effects)
            except NbopsError as error:
                return self._failed(name, f"step {name!r}: {error}")
            sent.attempt = dataclasses.replace(sent.attempt, go_on=None, detail={**sent.attempt.detail, **more})
            self._send(sent)
            return None
        if answer["run"] is None:
            if runs.exists(self.ws.store, run_id):
                return Ended(name=name, error=answer["error"])
            return self._failed(name, f"on the Dask worker {answer['worker']}, {answer['error']}")
        if not runs.exists(self.ws.store, run_id):
            raise ExecutionError(f"the store of the Dask worker {answer['worker']} isn't {self.ws.store.name}")
        return Ended(name=name, run=runs.as_stored(self.ws.store, run_id))

    def _lost(self, sent: _Sent) -> Ended | None:
        """The worker that had it is gone, or about to go. Whoever completed the run was quicker."""
        name = sent.attempt.name
        sent.lost += 1
        last = sent.lost == LOST_MOST
        what = "the Dask worker that ran it died or was stopped"
        given_up = self._given_up(sent, RunStatus.LOST, f"{what}{'' if last else '; it was run again'}")
        if given_up is not None:
            return given_up
        if last:
            return self._failed(name, f"step {name!r} failed: {what}, {LOST_MOST} times; it may be what kills them")
        self.progress(StepEvent(step=name, state="retrying", why=f"{what}; again on another"))
        run = runs.as_stored(self.ws.store, str(sent.attempt.as_run))
        if run.owner is not None:  # it had begun: it may be gone on with
            sent.attempt = dataclasses.replace(sent.attempt, go_on=GoOn(run=run.id, repeat_effects=True))
        self._send(sent)
        return None

    def _given_up(self, sent: _Sent, status: RunStatus, why: str) -> Ended | None:
        """Nobody may complete the attempt any more; unless somebody has."""
        run = give_up(self.ws, self._as_run(sent), status, why)
        return Ended(name=run.name, run=run) if run.status in (RunStatus.COMPLETED, RunStatus.SKIPPED) else None

    def _failed(self, name: str, why: str) -> Ended:
        self.progress(StepEvent(step=name, state="failed", why=why))
        return Ended(name=name, error=why)

    def _look(self) -> None:
        """Is there somebody to execute what was sent?

        Raises
        ------
        ExecutionError
            If there hasn't been for too long.
        """
        there, now = self.cluster.usable().values(), time.monotonic()
        for sent in self._sent.values():
            if any(all(about.get("resources", {}).get(name) for name in sent.resources) for about in there):
                sent.nobody_since = None
                continue
            sent.nobody_since = sent.nobody_since or now
            if now - sent.nobody_since > self.nobody_s:
                wish = f" with {', '.join(sent.resources)}" if sent.resources else ""
                raise ExecutionError(
                    f"the Dask scheduler {self.cluster.address!r} has had no worker{wish} for {self.nobody_s:g} s, and"
                    f" {sent.attempt.name!r} waits for one; 'dask worker {self.cluster.address}' starts one"
                )

    def _open(self, run_id: str) -> bool:
        return runs.exists(self.ws.store, run_id) and not runs.as_stored(self.ws.store, run_id).status.ended

    def _as_run(self, sent: _Sent) -> Run:
        """An attempt that nobody may have begun."""
        where = relative(self.ws, sent.attempt.notebook)
        assert sent.attempt.as_run is not None
        return Run(
            id=sent.attempt.as_run,
            kind=RunKind.STEP,
            name=sent.attempt.name,
            experiment=where,
            status=RunStatus.QUEUED,
            started_at=self.ws.clock.now(),
            parent=sent.attempt.parent,
            notebook=where,
            detail=sent.attempt.detail,
        )


_VERSIONS = (platform.python_version(), __version__)


def _by_value() -> Callable[[str], dict[str, Any]]:
    """What is sent: a function that is not found by its name, so that it is sent whole. Neither the scheduler needs
    nbops then, nor a worker to say that it has none."""

    def step(order: str) -> dict[str, Any]:
        import json
        import platform

        from distributed import get_worker

        told = json.loads(order)
        python, version = told["versions"]
        here = {"worker": get_worker().address}
        if platform.python_version() != python:
            return {**here, "unfit": f"it runs Python {platform.python_version()}, the pipeline {python}"}
        try:
            from nbops import __version__ as found
            from nbops.pipeline.dask_step import execute
        except ImportError as error:
            return {**here, "unfit": f"nbops {version} can't be imported there: {error}"}
        if found != version:
            return {**here, "unfit": f"it has nbops {found}, the pipeline {version}"}
        return {**here, **execute(told)}

    return step
