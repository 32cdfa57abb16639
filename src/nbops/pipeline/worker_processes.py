"""Several worker processes on this machine: each is a Python of its own, told by lines of JSON what to run
(:mod:`nbops.pipeline.worker`); it shares nothing with us but the store. If we go, it notices, stops its kernel and
closes its run; if it goes, we close its run.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline.attempt import Attempt, Ended, order
from nbops.pipeline.kernel_start import announce
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.step_run import close_step
from nbops.store import runs
from nbops.workspace import Workspace

PATIENCE_S = 20.0
"""How long a worker that was told to stop may take to stop its kernel and close its run."""


class Workers:
    """Worker processes, started when they are needed, up to `jobs`; each takes the next attempt when it is free."""

    def __init__(self, ws: Workspace, jobs: int, progress: Progress) -> None:
        self.ws, self.jobs, self.progress = ws, jobs, progress
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    @property
    def busy(self) -> int:
        return sum(worker.attempt is not None for worker in self._workers)

    def start(self, attempt: Attempt) -> None:
        worker = next((w for w in self._workers if w.attempt is None), None)
        if worker is None:
            worker = _Worker(self.ws, attempt.notebook)
            self._workers.append(worker)
            self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        try:
            worker.take(attempt)
        except OSError:  # it went while it was idle: another one
            self._drop(worker)
            self.start(attempt)

    def wait(self, timeout_s: float | None) -> list[Ended]:
        if not self.busy:
            time.sleep(timeout_s or 0)
            return []
        found: list[Ended] = []
        for key, _ in self._selector.select(timeout_s):
            found += self._heard(key.data)
        return found

    def stop(self) -> None:
        """Stop every kernel, and see that each run is closed."""
        for worker in self._workers:
            worker.interrupt()
        for worker in self._workers:
            worker.end(PATIENCE_S)
            self._close_run(worker, RunStatus.STOPPED, "stopped by the user")
        self._workers.clear()
        self._selector.close()

    def _heard(self, worker: _Worker) -> list[Ended]:
        found: list[Ended] = []
        for told in worker.told():
            if told is None:
                attempt = worker.attempt
                self._drop(worker)
                if attempt is not None:
                    self._close_run(worker, RunStatus.FAILED, "the process that ran it died")
                    why = "the process that ran it died (killed, or out of memory)"
                    self.progress(StepEvent(step=attempt.name, state="failed", why=why))
                    found.append(Ended(name=attempt.name, error=f"step {attempt.name!r} failed: {why}"))
            elif "event" in told:
                self.progress(StepEvent(**told["event"]))
            elif worker.attempt is not None:
                name, worker.attempt = worker.attempt.name, None
                run = runs.as_stored(self.ws.store, told["run"]) if told.get("run") else None
                how = {key: told[key] for key in ("error", "taken", "no_state")}
                found.append(Ended(name=name, run=run, **how))
        return found

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.answers)
        worker.end(0)

    def _close_run(self, worker: _Worker, status: RunStatus, why: str) -> None:
        if worker.attempt is None:
            return
        parent = worker.attempt.parent
        for run in runs.children(self.ws.store, parent) if parent else runs.listed(self.ws.store, kinds=[RunKind.STEP]):
            if run.status == RunStatus.LOST and run.owner is not None and run.owner.pid == worker.process.pid:
                close_step(self.ws, run.id, status, error=why)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process that is started here hears an interrupt when it says that it can, not in the middle of its imports."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    def __init__(self, ws: Workspace, first: Path) -> None:
        self.attempt: Attempt | None = None
        variables = {
            "NBOPS_HOME": str(ws.home),
            "NBOPS_STORE": ws.store.location,
            "NBOPS_ARTIFACTS": str(ws.artifacts.root),
            "NBOPS_IDENTITY": ws.identity,
        }
        environment = {**os.environ, **variables, **announce(ws, first)}
        with _interrupts_held():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nbops.pipeline.worker", str(ws.root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal comes to us alone, and we pass it on
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders: IO[bytes] = self.process.stdin
        self.answers: IO[bytes] = self.process.stdout
        os.set_blocking(self.answers.fileno(), False)
        self._rest = b""

    def take(self, attempt: Attempt) -> None:
        self.orders.write(json.dumps(order(attempt)).encode() + b"\n")
        self.orders.flush()
        self.attempt = attempt

    def told(self) -> list[dict[str, Any] | None]:
        """What it has said since; None at the end, if it is gone."""
        found: list[dict[str, Any] | None] = []
        while True:
            try:
                data = os.read(self.answers.fileno(), 1 << 16)
            except BlockingIOError:
                break
            if not data:
                return [*found, None]
            *lines, self._rest = (self._rest + data).split(b"\n")
            found += [json.loads(line) for line in lines]
        return found

    def interrupt(self) -> None:
        if self.attempt is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            self.orders.close()

    def end(self, patience_s: float) -> None:
        with contextlib.suppress(OSError):
            self.orders.close()
        deadline = time.monotonic() + patience_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self.told()  # a full pipe would hold it up
            time.sleep(0.02)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.answers.close()
