"""kill -9 at every step of something that writes.

A nursery process imports everything once and forks a child per attempt. The child counts *points*: every SQL
statement that writes, every commit (before and after), every file opened for writing, flushed to the disk, renamed,
made or removed below the watched folder. First a child runs to the end, which gives the list of points; then, for
each point, another child gets a fresh copy of the folder and kills itself there: at the same occurrence of the same
kind of point, not at the same number, for an artifact whose random digest shares its folder with another's makes two
points fewer. The hooks are in the children only.

::

    for root, point in killed_everywhere(template, tmp_path, "my_test_module:act", path=Path(__file__).parent):
        ...  # look at what a fresh reader finds below `root`; `point` is None for the run that went to its end
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "REPLACE", "BEGIN", "DROP", "ALTER")
_FILES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}


def killed_everywhere(
    template: Path, folder: Path, target: str, *, path: Path, arguments: Any = None
) -> Iterator[tuple[Path, str | None]]:
    """Run ``target(root, arguments)`` on copies of `template`: once to its end, then once killed at each point.

    Parameters
    ----------
    template : Path
        The folder as it is before the act.
    folder : Path
        Where the copies go.
    target : str
        ``"module:function"``; `path` is the folder that holds the module.
    arguments : JSON value
        Handed on.

    Yields
    ------
    (Path, str or None)
        The folder as the child left it, and where it was killed; None for the run that went to its end.
    """
    nursery = subprocess.Popen(
        [sys.executable, __file__, target, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        points = _attempt(nursery, template, folder / "whole", None, arguments)["points"]
        assert points, f"{target} wrote nothing"
        yield folder / "whole", None
        before: Counter[str] = Counter()
        for number, point in enumerate(points):
            root = folder / f"killed-{number:03d}"
            kind = kind_of(point)
            answer = _killed(nursery, template, root, (kind, before[kind]), arguments)
            before[kind] += 1
            yield root, f"{number} of {len(points)}: {answer['points'][-1]}"
            shutil.rmtree(root)
    finally:
        assert nursery.stdin is not None
        nursery.stdin.close()
        nursery.wait(30)
        assert nursery.stdout is not None
        nursery.stdout.close()


def kind_of(point: str) -> str:
    """A point without the names below ``.nbops/…`` and other folders, which are random."""
    what, _, path = point.partition(" ")
    parts = path.split("/")
    return point if len(parts) == 1 else f"{what} {'/'.join(parts[: 2 if parts[0] == '.nbops' else 1])}/"


def _killed(nursery: Any, template: Path, root: Path, kill_at: tuple[str, int], arguments: Any) -> dict[str, Any]:
    """The attempt that reached `kill_at`; one whose random digests made a point fewer of that kind is made again."""
    for _ in range(10):
        answer = _attempt(nursery, template, root, kill_at, arguments)
        if answer["signal"] == signal.SIGKILL:
            return answer
        assert answer["exit"] == 0, f"not killed at {kill_at}: {answer}"
        shutil.rmtree(root)
    raise AssertionError(f"never killed at {kill_at}: {answer}")


def _attempt(
    nursery: Any, template: Path, root: Path, kill_at: tuple[str, int] | None, arguments: Any
) -> dict[str, Any]:
    if template.exists():
        shutil.copytree(template, root)
    nursery.stdin.write(json.dumps({"root": str(root), "kill_at": kill_at, "arguments": arguments}) + "\n")
    nursery.stdin.flush()
    line = nursery.stdout.readline()
    assert line, "the nursery died"
    answer: dict[str, Any] = json.loads(line)
    assert kill_at is not None or answer["exit"] == 0, f"the act itself failed:\n{answer['error']}"
    return answer


# ---- below: the nursery and its children ----


class _Points:
    """Counts, and kills the process at the chosen one: a kind, and how many of it came before."""

    def __init__(self, root: Path, kill_at: tuple[str, int] | None, log: int) -> None:
        self.root, self.kill_at, self.log, self.busy = root, kill_at, log, False
        self.counts: Counter[str] = Counter()

    def reached(self, name: str) -> None:
        if self.busy:
            return
        self.busy = True
        os.write(self.log, (json.dumps(name) + "\n").encode())
        kind = kind_of(name)
        if (kind, self.counts[kind]) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.counts[kind] += 1
        self.busy = False

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args[0], args[1], args[2]
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes:
                self._below("open", path)
        elif event in _FILES:
            self._below(event, args[1] if event == "os.rename" else args[0])

    def _below(self, what: str, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            whole = Path(os.fsdecode(path)).absolute()
            if whole.is_relative_to(self.root):
                self.reached(f"{what} {whole.relative_to(self.root)}")


def _install(points: _Points) -> None:
    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> Any:
            if sql.lstrip().upper().startswith(_WRITES):
                points.reached(" ".join(sql.split())[:60])
            return super().execute(sql, *args)

        def executemany(self, sql: str, *args: Any) -> Any:
            points.reached("many: " + " ".join(sql.split())[:60])
            return super().executemany(sql, *args)

        def commit(self) -> None:
            points.reached("before COMMIT")
            super().commit()
            points.reached("after COMMIT")

    connect, fsync = sqlite3.connect, os.fsync

    def counting_connect(*args: Any, **kwargs: Any) -> Any:
        return connect(*args, **{"factory": Connection, **kwargs})

    def counting_fsync(descriptor: int) -> None:
        points.reached("fsync")
        fsync(descriptor)

    sqlite3.connect = counting_connect  # type: ignore[assignment]
    os.fsync = counting_fsync  # type: ignore[assignment]
    sys.addaudithook(points.audit)


def _nursery(target: str, path: str) -> None:
    sys.path.insert(0, path)
    module, _, name = target.partition(":")
    act = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        print(json.dumps(_fork(act, json.loads(line))), flush=True)


def _fork(act: Any, asked: dict[str, Any]) -> dict[str, Any]:
    read, write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(2, 1)  # what the act prints is none of our answers
            root = Path(asked["root"])
            points = _Points(root, asked["kill_at"] and tuple(asked["kill_at"]), write)
            _install(points)
            act(root, asked["arguments"])
            code = 0
        except BaseException:  # noqa: BLE001 - the parent shows it
            os.write(error_write, traceback.format_exc()[-30_000:].encode())
        finally:
            os._exit(code)
    os.close(write)
    os.close(error_write)
    with os.fdopen(read) as log, os.fdopen(error_read) as errors:
        points_seen = [json.loads(line) for line in log]
        error = errors.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return {
        "points": points_seen,
        "signal": killed,
        "exit": os.WEXITSTATUS(status) if killed is None else None,
        "error": error,
    }


if __name__ == "__main__":
    _nursery(sys.argv[1], sys.argv[2])
