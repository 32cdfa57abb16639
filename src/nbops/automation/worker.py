"""A worker: it looks what is due, claims jobs and does them, until it is told to stop.

Several may run, on several machines over one store. ``nbops worker`` runs one in the foreground;
:meth:`Worker.start` runs one in a thread of another program (a Jupyter server).

A store that is away is waited for: what runs goes on, and nothing is decided twice or forgotten.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from nbops.automation.afterwards import afterwards
from nbops.automation.job_process import in_process
from nbops.automation.jobs import RELEASED, Control, Runner, carry, claim
from nbops.automation.schedules import AT_ONCE, fire
from nbops.automation.tick import decide
from nbops.core import clock, wire
from nbops.core.automation import Decision, Job
from nbops.core.errors import NbopsError, StoreError
from nbops.core.runs import Owner
from nbops.store import schedules
from nbops.store.liveness import alive, this_process
from nbops.workspace import Workspace

SEEN_WITHIN = timedelta(minutes=2)
_NOTED_EVERY_S = 30.0
_WAITS_AT_MOST_S = 30.0
_MARK = "worker "


class Worker:
    """Does the jobs of a workspace's schedules and deployments.

    Parameters
    ----------
    workspace : Workspace
    jobs : int
        How many at once.
    runner : callable
        How a job is done: in a process of its own.
    poll_s : float
        Seconds between two looks at what is due.
    look_every_s : float
        Seconds between two looks at the deployments (late labels, drift, degradation).
    grace_s : float
        How long running jobs may go on after :meth:`stop`; then they are interrupted, and another worker does them.
    say : callable, optional
        Called with a sentence for everything that happens.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        jobs: int = 1,
        runner: Runner = in_process,
        poll_s: float = 1.0,
        look_every_s: float = 60.0,
        grace_s: float = 30.0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.workspace, self.jobs, self.runner = workspace, jobs, runner
        self.poll_s, self.look_every_s, self.grace_s = poll_s, look_every_s, grace_s
        self._say = say or (lambda _: None)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._running: dict[threading.Thread, Control] = {}
        self._looked = self._noted = float("-inf")
        self._failures = 0
        self._behind = False
        self._last_said = ""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Work in a thread of its own."""
        if self._thread is not None:
            raise RuntimeError("this worker was started before")
        self._thread = threading.Thread(target=self.run, name="nbops worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, wait for those that run (`grace_s`), put back those that don't end. A second call doesn't
        wait any longer. In a signal's handler, use :meth:`ask_to_stop`."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join()

    def ask_to_stop(self) -> None:
        """As :meth:`stop`, without waiting for it."""
        if self._stopping.is_set():
            self.grace_s = 0.0
        self._stopping.set()
        self._wake.set()

    @property
    def busy(self) -> int:
        """How many jobs it is doing."""
        return sum(thread.is_alive() for thread in list(self._running))

    def run(self) -> None:
        """Work until told to stop."""
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                self._wake.wait(self._turned())
        finally:
            self._end()

    def turn(self) -> None:
        """One look: decide what is due, start what can be started."""
        if time.monotonic() - self._looked >= self.look_every_s:
            self._looked = time.monotonic()
            decisions, failures = decide(self.workspace)
            for decision in decisions:
                self._said(decision)
            for failure in failures:
                self._say(str(failure))
            afterwards(self.workspace)
        fired = fire(self.workspace)
        self._behind = len(fired) >= AT_ONCE
        for decision in fired:
            self._said(decision)
        self._note()
        self._running = {thread: control for thread, control in self._running.items() if thread.is_alive()}
        while len(self._running) < self.jobs and not self._stopping.is_set():
            claimed = claim(self.workspace)
            if claimed is None:
                break
            control = Control()
            thread = threading.Thread(target=self._do, args=(*claimed, control), name=f"nbops job {claimed[1].id}")
            self._running[thread] = control
            thread.start()

    def _turned(self) -> float:
        """Turn once; return how many seconds to wait before the next time: none if more was due than one look takes."""
        self._behind = False
        try:
            self.turn()
        except StoreError as error:
            self._failures += 1
            self._complain(f"{error}; waiting for it")
            return float(min(_WAITS_AT_MOST_S, self.poll_s * 2 ** min(self._failures, 10)))
        except NbopsError as error:
            self._complain(str(error))
        if self._failures:
            self._failures = 0
            self._complain("the store is back")
        return 0.0 if self._behind else self.poll_s

    def _do(self, decision: Decision, job: Job, control: Control) -> None:
        subject = decision.schedule or decision.deployment
        self._say(f"{subject}: job {job.id}, attempt {job.attempt}")
        try:
            done = self._carried(decision, job, control)
            why = f": {done.error.splitlines()[0]}" if done.error else ""
            self._say(f"{subject}: job {job.id} {done.status.lower()}{why}")
            with contextlib.suppress(StoreError):  # another look does it
                afterwards(self.workspace)
        finally:
            self.workspace.store.close()  # this thread's connection
            self._wake.set()

    def _carried(self, decision: Decision, job: Job, control: Control) -> Job:
        """Do it once; the store may be away when its end is to be kept: that is tried until it is back or the lease has
        passed on (a finished job is done again otherwise)."""
        kept: dict[str, Any] = {}

        def once(workspace: Workspace, decision: Decision, job: Job, control: Control) -> dict[str, Any]:
            if "error" in kept:
                raise kept["error"]
            if "result" not in kept:
                try:
                    kept["result"] = self.runner(workspace, decision, job, control)
                except Exception as error:
                    kept["error"] = error
                    raise
            result: dict[str, Any] = kept["result"]
            return result

        while True:
            try:
                return carry(self.workspace, decision, job, once, control)
            except StoreError as error:
                self._complain(f"{error}; job {job.id} is done, waiting to say so")
                if self._stopping.wait(self.poll_s):
                    return dataclasses.replace(job, error=str(error))

    def _end(self) -> None:
        until = time.monotonic() + self.grace_s
        waited_for = list(self._running.items())
        for thread, control in waited_for:
            while thread.is_alive() and self.grace_s > 0 and time.monotonic() < until:
                thread.join(0.1)
            control.ask(RELEASED)
        for thread, _ in waited_for:
            thread.join()
        with contextlib.suppress(StoreError), self.workspace.store.transaction() as tx:
            schedules.set_mark(tx, self._name(), None)
        self.workspace.store.close()

    def _note(self) -> None:
        """Say that this worker is there."""
        if time.monotonic() - self._noted < _NOTED_EVERY_S:
            return
        self._noted = time.monotonic()
        news = {
            "owner": wire.to_json(this_process()),
            "at": clock.to_text(self.workspace.clock.now()),
            "jobs": self.jobs,
        }
        with self.workspace.store.transaction() as tx:
            schedules.set_mark(tx, self._name(), news)

    def _name(self) -> str:
        me = this_process()
        return f"{_MARK}{me.host} {me.pid} {id(self)}"

    def _said(self, decision: Decision) -> None:
        self._say(f"{decision.schedule or decision.deployment}: {decision.why} → {decision.action}")

    def _complain(self, sentence: str) -> None:
        if sentence != self._last_said:
            self._last_said = sentence
            self._say(sentence)


def workers(workspace: Workspace) -> list[dict[str, Any]]:
    """The workers that are there: {host, pid, at, jobs}."""
    now = workspace.clock.now()
    found = []
    for news in schedules.marks(workspace.store, _MARK).values():
        owner = wire.from_json(Owner, news["owner"])
        if alive(owner) and now - clock.from_text(news["at"]) < SEEN_WITHIN:
            found.append({"host": owner.host, "pid": owner.pid, "at": news["at"], "jobs": news["jobs"]})
    return found
