"""kill -9 of workers, again and again: no job is lost, none is done by two at once, none after it was done.

``make soak`` (10,000 kills; ``make soak N=500``), or ``python tests/automation/soak.py --kills 500 --store URL``.

In each round every schedule becomes due once more, and two workers (forked, so that a round takes milliseconds)
decide, claim and carry out, with the real lease and the real store; each is killed at a random moment of its work. What
was left is taken over by the next round's. A job only writes down that it begins and ends, in one file, in one order.
At the end nobody is killed, and everything is compared:

* each time of each schedule is one decision, with one job, which is COMPLETED;
* no attempt began twice, none began after the one that completed;
* no attempt ended after a later one had begun: no job was ever in two hands.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from scheduled import NOW, opened, wish

from nbops.automation import schedules
from nbops.automation.jobs import Control, carry, claim
from nbops.core.automation import Decision, Job
from nbops.core.clock import FixedClock
from nbops.core.runs import RunStatus
from nbops.store import automation
from nbops.workspace import Workspace

SCHEDULES = 2
WORKERS = 2


@dataclasses.dataclass(kw_only=True)
class Outcome:
    kills: int
    jobs: int
    attempts: int
    seconds: float
    wrong: list[str]


def soak(folder: Path, kills: int, location: str = "", seed: int = 1) -> Outcome:
    """Kill workers `kills` times in their work, then let the rest be done, and compare."""
    began = time.monotonic()
    chance = random.Random(seed)
    ws = opened(folder, location)
    for i in range(SCHEDULES):
        schedules.add(ws, f"s{i}", wish(every="1h", overlap="queue", missed="all", retries=10**6))
    ws.store.close()  # the children open their own
    span, killed, rounds = 0.05, 0, 0
    while killed < kills:
        rounds += 1
        now = FixedClock(NOW + timedelta(hours=rounds))
        children = [_fork(dataclasses.replace(ws, clock=now)) for _ in range(WORKERS)]
        ends = sorted((time.monotonic() + chance.uniform(0, span), child) for child in children)
        hit = 0
        for moment, child in ends:
            time.sleep(max(0.0, moment - time.monotonic()))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            hit += os.WIFSIGNALED(status)
        killed += hit
        span = min(max(span * (1.05 if hit == WORKERS else 0.9), 0.002), 0.25)  # as long as the work takes
    rounds += 1
    last = dataclasses.replace(ws, clock=FixedClock(NOW + timedelta(hours=rounds)))
    _work(last)
    outcome = compared(last, rounds)
    ws.store.close()
    return dataclasses.replace(outcome, kills=killed, seconds=time.monotonic() - began)


def _fork(ws: Workspace) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _work(ws)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - the parent looks at what is in the store
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(1)


def _work(ws: Workspace) -> None:
    with _log(ws) as log:

        def runner(_ws: Workspace, decision: Decision, job: Job, _control: Control) -> dict[str, Any]:
            os.write(log, f"begins {decision.id} {job.attempt}\n".encode())
            os.write(log, f"ends {decision.id} {job.attempt}\n".encode())
            return {"outcome": "completed"}

        schedules.fire(ws)
        while (claimed := claim(ws)) is not None:
            carry(ws, *claimed, runner)


@contextmanager
def _log(ws: Workspace) -> Iterator[int]:
    file = os.open(ws.root / "log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    yield file
    os.close(file)


def compared(ws: Workspace, rounds: int) -> Outcome:
    jobs = {job.decision: job for job in automation.jobs(ws.store)}
    decisions = automation.decisions(ws.store)
    wrong: list[str] = []
    told = Counter((d.schedule or "", d.cause[:13]) for d in decisions)
    hours = [f"{NOW + timedelta(hours=hour):%Y-%m-%dT%H}" for hour in range(1, rounds + 1)]
    for name in (f"s{i}" for i in range(SCHEDULES)):
        for hour in hours:
            if told.pop((name, hour), 0) != 1:
                wrong.append(f"{name} {hour} was not decided once")
    wrong += [f"never due: {cause}" for cause in told]
    for decision in decisions:
        job = jobs.get(decision.id)
        if job is None or job.status is not RunStatus.COMPLETED:
            wrong.append(f"lost: {decision.schedule} {decision.cause} is {job.status if job else 'no job'}")
    begun: dict[str, int] = {}
    ended: dict[str, list[int]] = {}
    for line in (ws.root / "log").read_text().splitlines():
        what, name, number = line.split()
        attempt = int(number)
        if what == "begins":
            if attempt <= begun.get(name, 0):
                wrong.append(f"begun twice: {name} {attempt}")
            begun[name] = attempt
        else:
            if attempt != begun.get(name):
                wrong.append(f"in two hands: {name} {attempt} ended after {begun.get(name)} had begun")
            ended.setdefault(name, []).append(attempt)
    for job in jobs.values():
        if begun.get(job.decision, 0) > job.attempt or job.attempt not in ended.get(job.decision, []):
            wrong.append(f"completed without being done, or done after it was completed: {job.decision}")
    return Outcome(kills=0, jobs=len(jobs), attempts=sum(j.attempt for j in jobs.values()), seconds=0.0, wrong=wrong)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--store", default="", help="a PostgreSQL URL; default: SQLite in a temporary folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where; default: a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = soak(asked.folder or Path(folder), asked.kills, asked.store, asked.seed)
    print(
        f"{outcome.kills} kills, {outcome.jobs} jobs, {outcome.attempts} attempts, {len(outcome.wrong)} wrong,"
        f" {outcome.seconds:.0f} s, {'PostgreSQL' if asked.store else 'SQLite'}"
    )
    print("\n".join(outcome.wrong[:20]))
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
