"""A job in a process of its own: it can be stopped, can't take its worker along, and ends when its worker does.

The worker writes one line to the child's standard input and keeps it open: when the worker dies, however, the child
reads its end and stops, as it does on SIGINT, with kernels stopped and runs closed. It also stops when it finds that
another worker has taken its job over, as its own was suspended for longer than the lease. So the job isn't still being
done here while it is done elsewhere. Nothing of the job stands on the child's command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from nbops.automation.jobs import Control, JobError, StoppedError
from nbops.automation.remedies import REMEDIES, ran
from nbops.core.automation import Decision, Job
from nbops.core.errors import BusyError, NbopsError, StoreAwayError, StoreError, StoreLockedError
from nbops.core.redaction import redact_text
from nbops.pipeline import own_process
from nbops.store import automation, schedules
from nbops.store.liveness import process
from nbops.workspace import Workspace, open_workspace

STOPS_WITHIN_S = 20.0
"""How long a job that was interrupted may take to close its run; then it is killed."""

LOOKS_EVERY_S = 3.0
"""How often a child looks whether its job is another's by now."""

_TAIL = 2000  # characters of what a child that died said last


def in_process(workspace: Workspace, decision: Decision, job: Job, control: Control) -> dict[str, Any]:
    """A runner (see :mod:`nbops.automation.jobs`) that does the job in a child process.

    Raises
    ------
    JobError
        If the job failed, took longer than its schedule allows, or its process died.
    StoppedError
        After it was asked to stop.
    StoreAwayError
        If the child couldn't use the store.
    BusyError
        If another run is making what the job would.
    """
    schedule = schedules.find(workspace.store, decision.schedule) if decision.schedule else None
    timeout_s = schedule.timeout_s if schedule else None
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as answer:
        child = subprocess.Popen(
            [sys.executable, "-m", "nbops.automation.job_process"],
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=errors,
            cwd=workspace.root,
            env=_environment(workspace),
            start_new_session=True,  # Ctrl-C in the worker's terminal is the worker's
        )
        assert child.stdin is not None
        try:
            request = {"decision": decision.id, "attempt": job.attempt}
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            control.child = process(child.pid)
            late = _wait(child, control, timeout_s)
        except BrokenPipeError:
            late = False
            child.wait()
        finally:
            _stop(child)
            child.stdin.close()
        if late:
            raise JobError(
                f"ExecutionError: not done after {timeout_s:g} s (its timeout)", _answer(answer).get("ran", {})
            )
        said = _answer(answer)
        if control.stop.is_set() and "outcome" not in said.get("result", {}):
            raise StoppedError(control.why)
        if "away" in said:
            raise StoreAwayError(said["away"])
        if "busy" in said:
            raise BusyError(said["busy"])
        if "error" in said:
            raise JobError(said["error"], said.get("result", {}))
        if "stopped" in said:
            raise JobError("ExecutionError: its process was interrupted", said.get("ran", {}))
        if "result" not in said:
            raise JobError(f"ExecutionError: its process {_death(child.returncode)}{_last(errors)}", {})
        result: dict[str, Any] = said["result"]
        return result


def _wait(child: subprocess.Popen[bytes], control: Control, timeout_s: float | None) -> bool:
    """Until the child ends, is asked to stop, or is late; True if it is late."""
    began = time.monotonic()
    while child.poll() is None and not control.stop.wait(0.1):
        if timeout_s is not None and time.monotonic() - began > timeout_s:
            return True
    return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _environment(workspace: Workspace) -> dict[str, str]:
    return {
        **os.environ,
        "NBOPS_HOME": str(workspace.home),
        "NBOPS_STORE": workspace.store.location,
        "NBOPS_ARTIFACTS": str(workspace.artifacts.root),
        "NBOPS_IDENTITY": workspace.identity,
    }


def _answer(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    lines = file.read().decode(errors="replace").splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _last(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - _TAIL))
    text = errors.read().decode(errors="replace").strip()
    return f"; it said last: {redact_text(text)}" if text else ""


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with {code} and no answer"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


# ---- below: the child ----


def main() -> None:
    """Do the job that standard input names; answer with one line of JSON."""
    own_process.begin()
    request = json.loads(sys.stdin.buffer.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what notebooks' libraries print is no answer
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    said: dict[str, Any]
    try:
        workspace = open_workspace(Path.cwd())
        decision = automation.decision(workspace.store, request["decision"])
        watch = threading.Thread(
            target=_end_when_taken_over, args=(workspace, decision, request["attempt"]), daemon=True
        )
        watch.start()
        try:
            said = {"result": REMEDIES[decision.action](workspace, decision, None)}
        except KeyboardInterrupt:
            said = {"stopped": True, "ran": ran(workspace, decision)}
    except KeyboardInterrupt:
        said = {"stopped": True}
    except JobError as error:
        said = {"error": str(error), "result": error.result}
    except BusyError as error:
        said = {"busy": str(error)}
    except (StoreAwayError, StoreLockedError) as error:
        said = {"away": str(error)}
    except NbopsError as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    answer.write(json.dumps(said) + "\n")
    answer.flush()
    os._exit(0)  # the thread below reads still


def _end_with_the_worker() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(STOPS_WITHIN_S)
    os._exit(1)


def _end_when_taken_over(workspace: Workspace, decision: Decision, attempt: int) -> None:
    taken = False
    while not taken:
        time.sleep(LOOKS_EVERY_S)
        with contextlib.suppress(StoreError):
            job = automation.job_of(workspace.store, decision.id)
            taken = job is not None and job.attempt != attempt
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
