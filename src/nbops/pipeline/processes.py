"""Long work (a pipeline, a notebook, a tick) as processes of its own: whoever starts it (a server, a widget) answers
on, and a crash of the work is not one of his. Each is a group of its own, stopped by the interrupt that Ctrl-C would
send."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nbops.core.errors import ExecutionError, NbopsError, RefusedError, UnknownNameError, UsageError
from nbops.core.runs import RunKind
from nbops.store import runs
from nbops.workspace import Workspace

PROGRAM = (sys.executable, "-c", "from nbops.cli.main import main; main()")
START_S = 60.0
_LOOK_S = 0.05
_STOP_S = 10.0
_ERRORS: dict[int, type[NbopsError]] = {2: UsageError, 3: RefusedError}


@dataclass(frozen=True)
class Started:
    process: subprocess.Popen[bytes]
    said: IO[bytes]  # what it wrote to stderr

    def failure(self) -> NbopsError:
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        ours = [line.removeprefix("nbops: ") for line in lines if line.startswith("nbops: ")]
        said = ours[-1] if ours else lines[-1] if lines else "it ended without a word"
        return _ERRORS.get(self.process.returncode, ExecutionError)(said)


class Processes:
    """The processes that somebody started and that haven't ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: list[Started] = []

    def start(self, ws: Workspace, *words: str) -> Started:
        """``nbops WORDS`` in a workspace, in the name of its identity."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  closed when nobody looks at it any more
        environ = os.environ | {"NBOPS_IDENTITY": ws.identity}
        process = subprocess.Popen(
            [*PROGRAM, *words],
            cwd=ws.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        started = Started(process, said)
        with self._lock:
            self._going = [s for s in self._going if s.process.poll() is None] + [started]
        return started

    def started_run(self, ws: Workspace, kind: RunKind, *words: str) -> str:
        """Start work and wait for the run that it opens: its id.

        Raises
        ------
        NbopsError
            What the work itself said, if it ended before it began.
        """
        began = ws.clock.now()
        started = self.start(ws, *words)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            code = started.process.poll()
            for run in runs.listed(ws.store, kinds=[kind], limit=20):
                mine = run.owner is not None and run.owner.pid == started.process.pid and run.started_at >= began
                if mine:
                    return run.id
            if code is not None and code != 0:
                raise started.failure()
            if code == 0:
                break
            time.sleep(_LOOK_S)
        raise ExecutionError(f"'nbops {' '.join(words)}' opened no run within {START_S:g} s")

    def stop(self, pid: int) -> None:
        """Interrupt work that was started here.

        Raises
        ------
        UnknownNameError
            If it isn't ours, or has ended.
        """
        with self._lock:
            mine = [s.process for s in self._going if s.process.pid == pid and s.process.poll() is None]
        if not mine:
            raise UnknownNameError(
                "running work that was started here", str(pid), hint="it has ended, or runs elsewhere"
            )
        _signal(mine[0], signal.SIGINT)

    def going(self) -> list[int]:
        with self._lock:
            return [s.process.pid for s in self._going if s.process.poll() is None]

    def close(self) -> None:
        """Stop all of it, gracefully first."""
        with self._lock:
            left = [s.process for s in self._going if s.process.poll() is None]
        for process in left:
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + _STOP_S
        for process in left:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()


def words_of(params: dict[str, Any]) -> list[str]:
    """Parameters as the command line takes them."""
    import json

    return [w for k, v in params.items() for w in ("-p", f"{k}={v if isinstance(v, str) else json.dumps(v)}")]


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def notebook_words(path: Path, params: dict[str, Any]) -> list[str]:
    return ["run", str(path), *words_of(params)]
