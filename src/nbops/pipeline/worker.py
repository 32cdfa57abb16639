"""``python -m nbops.pipeline.worker ROOT``: executes notebooks one after the other, as lines of JSON on its standard
input tell, and answers on its standard output with lines of JSON. See :mod:`nbops.pipeline.worker_processes`.

When the input ends, whoever gave the orders is done, or dead: the notebook that is running is then stopped as by
Ctrl-C. So it is when its run has been given up, as by a runner that took this machine for dead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from nbops.pipeline import own_process
from nbops.pipeline.attempt import execute, ordered
from nbops.pipeline.progress import StepEvent
from nbops.pipeline.step_run import was_given_up
from nbops.workspace import open_workspace

ASK_EVERY_S = 3.0
"""How often the store is asked whether the run has been given up."""


def main() -> None:
    own_process.begin()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    orders: queue.Queue[str | None] = queue.Queue()
    working = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(line)
        orders.put(None)
        if working.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    def watch(run_id: str, done: threading.Event) -> None:
        while not done.wait(ASK_EVERY_S):
            if was_given_up(ws, run_id) and not done.is_set():
                os.kill(os.getpid(), signal.SIGINT)
                return

    def say(**what: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more; the end of the input stops us
            answers.write(json.dumps(what) + "\n")

    def progress(event: StepEvent) -> None:
        say(event=dataclasses.asdict(event))

    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # held until now
        ws = open_workspace(Path(sys.argv[1]))
        threading.Thread(target=listen, daemon=True).start()
        while (line := orders.get()) is not None:
            attempt = ordered(json.loads(line))
            working.set()
            done = threading.Event()
            if attempt.as_run is not None:
                threading.Thread(target=watch, args=(attempt.as_run, done), daemon=True).start()
            ended = execute(ws, attempt, progress)
            done.set()
            working.clear()
            run = ended.run.id if ended.run else None
            say(run=run, error=ended.error, taken=ended.taken, no_state=ended.no_state)
    except KeyboardInterrupt:  # the run is closed, and there is nobody to tell
        os._exit(130)


if __name__ == "__main__":
    main()
