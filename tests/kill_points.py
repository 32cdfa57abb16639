"""kill -9 at every write, rename and store statement of an act: enumerate the points, then die at each.

A point is a call into C that can change the disk or the store (``write``, ``rename``, ``fsync``, ``execute``,
``commit`` …), seen by ``sys.setprofile`` just before it happens. The act runs in a forked child, so nothing is
imported again and one death costs milliseconds::

    for point in range(count(act)):
        place = fresh copy of the starting state
        die_at(point, act)
        # look at what is left with fresh eyes, then do the act again

SIGKILL runs no handler and no ``finally``; only what the kernel was given survives.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

NAMES = frozenset(
    {
        "write", "writelines", "flush", "truncate", "fsync", "fdatasync", "rename", "replace", "link", "symlink",
        "unlink", "remove", "mkdir", "rmdir", "chmod", "sendfile", "copy_file_range", "execute", "executemany",
        "executescript", "commit", "rollback",
    }
)  # fmt: skip


def count(act: Callable[[], object]) -> int:
    """How many points `act` passes when nothing stops it.

    Raises
    ------
    AssertionError
        If the act fails.
    """
    return len(points(act))


def points(act: Callable[[], object]) -> list[str]:
    """The names of the points, in order."""
    reader, writer = os.pipe()
    child = _fork()
    if child == 0:
        os.close(reader)
        seen: list[str] = []
        code = 1
        try:
            _watch(act, seen.append)
            code = 0
        except BaseException as error:  # noqa: BLE001 - whatever it was, the parent must hear of it
            seen.append(f"{type(error).__name__}: {error}")
        finally:
            with os.fdopen(writer, "w") as pipe:
                json.dump(seen, pipe)
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        seen = json.load(pipe)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the act failed: {seen[-1:]}"
    return seen


def die_at(point: int, act: Callable[[], object]) -> None:
    """Run `act` in a child that is killed just before its `point`-th point (from 0)."""
    child = _fork()
    if child == 0:
        left = point

        def step(name: str) -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        try:
            _watch(act, step)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"point {point} was never reached"


def _fork() -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12: fork beside threads; the child only acts
        return os.fork()


def _watch(act: Callable[[], object], step: Callable[[str], None]) -> None:
    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument.__name__ in NAMES:
            sys.setprofile(None)
            step(argument.__name__)
            sys.setprofile(profile)

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
