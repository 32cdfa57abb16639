"""``python -m nbops.pipeline.worker ROOT``: executes notebooks one after the other, as lines of JSON on its standard
input tell, and answers on its standard output with lines of JSON. See :mod:`nbops.pipeline.crew`.

When the input ends, whoever gave the orders is done, or dead: the notebook that is running is then stopped as by
Ctrl-C.
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
from nbops.workspace import open_workspace


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

    def say(**what: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more; the end of the input stops us
            answers.write(json.dumps(what) + "\n")

    def progress(event: StepEvent) -> None:
        say(event=dataclasses.asdict(event))

    ws = open_workspace(Path(sys.argv[1]))
    threading.Thread(target=listen, daemon=True).start()
    try:
        while (line := orders.get()) is not None:
            order = json.loads(line)
            attempt = ordered(order)
            working.set()
            ended = execute(ws, attempt, progress)
            working.clear()
            say(run=ended.run.id if ended.run else None, error=ended.error)
    except KeyboardInterrupt:  # the run is closed, and there is nobody to tell
        os._exit(130)


if __name__ == "__main__":
    main()
