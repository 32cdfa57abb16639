"""Where the sockets of this process's kernels lie: in one folder, ours alone, that goes with the process. A folder for
each kernel would have to be removed after each, and a disk may take 10 ms for that.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path


class _Ours:
    """What this process holds; a forked child of it starts with nothing."""

    lock = threading.Lock()
    pid = 0
    folder: str | None = None
    numbers = itertools.count()


@contextlib.contextmanager
def sockets() -> Iterator[str]:
    """How the paths of one kernel's sockets begin; the sockets are gone afterwards.

    Raises
    ------
    OSError
        If no path is short enough.
    """
    with _Ours.lock:
        if _Ours.pid != os.getpid():
            _Ours.pid, _Ours.folder = os.getpid(), None
        if _Ours.folder is None or not Path(_Ours.folder).is_dir():
            _Ours.folder = private_folder()
            atexit.register(_remove, os.getpid(), _Ours.folder)
        folder, name = _Ours.folder, f"k{next(_Ours.numbers)}"
    try:
        yield f"{folder}/{name}"
    finally:
        for socket in Path(folder).glob(f"{name}-*"):
            socket.unlink(missing_ok=True)


def private_folder() -> str:
    """A folder of ours alone whose path leaves room for a socket's name (107 bytes in all)."""
    for base in (tempfile.gettempdir(), "/tmp"):
        if len(os.fsencode(base)) <= 60:
            with contextlib.suppress(OSError):
                return tempfile.mkdtemp(prefix="nbops-", dir=base)
    raise OSError("no folder for temporary files has a path short enough for a socket")


def _remove(pid: int, folder: str) -> None:
    if pid == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
