"""The zygotes of this process: one for each interpreter and environment, started when asked for, gone with the process.

A worker that this process starts may use its zygotes too: it finds their sockets in its environment (:data:`SHARED`).
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nbops import __version__
from nbops.kernels.sockets import private_folder

SHARED = "NBOPS_ZYGOTES"
START_S = 120.0
CONNECT_S = 0.02
MOST = 4
OWN = ("NBOPS_", "JPY_")  # variables that say which kernel it is: each child gets its own
PASSING = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "PYTEST_CURRENT_TEST"})


class NoZygote(Exception):  # noqa: N818  (a reason, told in a note, not an error)
    """Why a kernel can't be forked here."""


@dataclass(frozen=True, kw_only=True)
class Parent:
    """A zygote that is ready. `process` is None where another process owns it."""

    path: str
    process: subprocess.Popen[bytes] | None = None
    stderr: IO[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self.process is None or self.process.poll() is None

    def connect(self) -> socket.socket:
        """A connection; one that another process owns may just be starting."""
        until = time.monotonic() + (START_S if self.process is None and Path(self.path).parent.is_dir() else 0)
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self.path)
            except (FileNotFoundError, ConnectionRefusedError):
                connection.close()
                if time.monotonic() >= until:
                    raise
                time.sleep(CONNECT_S)
            else:
                return connection


class _Process:
    """What this process holds; a forked child of it starts with nothing."""

    lock = threading.Lock()
    pid = 0
    folder: str | None = None
    parents: dict[str, Parent] = {}  # noqa: RUF012  (reset as a whole in a forked child)


def key_of(interpreter: Sequence[str], environment: Mapping[str, str], *, debugger: bool) -> str:
    """Which zygote a kernel may come from: the same interpreter, the same environment but for who it is."""
    told = json.dumps([list(interpreter), sorted(_lasting(environment).items()), debugger])
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def parent_for(
    interpreter: Sequence[str],
    environment: Mapping[str, str],
    *,
    start: bool,
    packages: Iterable[str] | None = None,
    debugger: bool = False,
) -> Parent | None:
    """The zygote for a kernel; None if there is none yet and `start` is false. One that is started here has imported
    `packages` (None: all it may) when it is ready. `debugger`: whether one may be attached to the kernel.

    Raises
    ------
    NoZygote
        If there can be none; the message says why.
    """
    if not possible():
        raise NoZygote("this system can't fork kernels (Linux with pidfd can)")
    key = key_of(interpreter, environment, debugger=debugger)
    with _Process.lock:
        _own()
        known = _Process.parents.get(key)
        if known is None and key in (shared := json.loads(os.environ.get(SHARED, "{}"))):
            known = _Process.parents[key] = Parent(path=shared[key])
        if known is None or not known.alive:
            if not start:
                return None
            known = _launched(key, interpreter, _lasting(environment), packages, debugger=debugger)
        if known.stderr is not None:
            known = _Process.parents[key] = _awaited(known)
        return known


def announce(
    interpreter: Sequence[str], environment: Mapping[str, str], packages: Iterable[str] | None = None
) -> dict[str, str]:
    """Start a zygote, of kernels without a debugger, and don't wait for it: for worker processes that are started now
    and get this environment variable. Empty where there can be none."""
    if not possible():
        return {}
    with _Process.lock, contextlib.suppress(NoZygote):
        _own()
        key = key_of(interpreter, environment, debugger=False)
        if key not in _Process.parents or not _Process.parents[key].alive:
            _launched(key, interpreter, _lasting(environment), packages, debugger=False)
    return shared()


def _own() -> None:
    if _Process.pid != os.getpid():  # what a forked child holds is its parent's
        _Process.pid, _Process.folder, _Process.parents = os.getpid(), None, {}


def possible() -> bool:
    return sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(os, "fork")


def shared() -> dict[str, str]:
    """The environment variable by which a worker of this process finds its zygotes."""
    return {SHARED: json.dumps({key: p.path for key, p in _Process.parents.items() if p.alive})}


def stop() -> None:
    """End the zygotes of this process, and with them the kernels that are still there."""
    if _Process.pid != os.getpid():
        return
    parents, _Process.parents = _Process.parents, {}
    for parent in parents.values():
        if parent.process is not None:
            assert parent.process.stdin is not None
            parent.process.stdin.close()
            for stream in (parent.process.stdout, parent.stderr):
                if stream is not None:
                    stream.close()
            parent.process.kill()  # it may be importing still, and has nothing to put away
            parent.process.wait()
    if _Process.folder is not None:
        shutil.rmtree(_Process.folder, ignore_errors=True)
        _Process.folder = None


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(OWN) and k not in PASSING}


def _launched(
    key: str,
    interpreter: Sequence[str],
    environment: Mapping[str, str],
    packages: Iterable[str] | None,
    *,
    debugger: bool,
) -> Parent:
    if sum(p.alive for p in _Process.parents.values()) >= MOST:
        raise NoZygote(f"{MOST} parents for other environments are running already")
    try:
        if _Process.folder is None:
            _Process.folder = private_folder()
            atexit.register(stop)
        path = str(Path(_Process.folder) / key[:12])
        wishes = {"packages": None if packages is None else sorted(packages), "debugger": debugger}
        stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is known how the start went)
        try:
            process = subprocess.Popen(
                [*interpreter, "-m", "nbops.kernels.zygote", path, str(os.getpid()), json.dumps(wishes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            stderr.close()
            raise
    except OSError as error:
        raise NoZygote(f"no parent could be started for it: {error}") from error
    parent = _Process.parents[key] = Parent(path=path, process=process, stderr=stderr)
    return parent


def _awaited(parent: Parent) -> Parent:
    assert parent.process is not None
    assert parent.stderr is not None
    with parent.stderr as stderr:
        hello = _hello(parent.process)
        if hello is None:
            _give_up(parent.process)
            stderr.seek(0)
            lines = stderr.read().decode(errors="replace").strip().splitlines()
            raise NoZygote(f"no parent could be started for it: {lines[-1] if lines else 'it said nothing'}")
    if hello.get("version") != __version__:
        _give_up(parent.process)
        raise NoZygote(f"its environment has nbops {hello.get('version')}, this is {__version__}")
    return Parent(path=parent.path, process=parent.process)


def _give_up(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.kill()
    process.wait()


def _hello(process: subprocess.Popen[bytes]) -> dict[str, str] | None:
    stdout: IO[bytes] | None = process.stdout
    assert stdout is not None
    ready, _, _ = select.select([stdout], [], [], START_S)
    line = stdout.readline() if ready else b""
    stdout.close()
    try:
        hello: dict[str, str] = json.loads(line)
    except ValueError:
        return None
    return hello
