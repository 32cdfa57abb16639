"""The parent that ready kernels are forked from: ``python -m nbops.kernels.zygote SOCKET OWNER WISHES``.

Contract:

* it imports, and never computes: a parent that had fitted one model hung its children in OpenMP. Besides a kernel's own
  modules it imports what the notebooks do: of the packages that are allowed, those that their code names;
* it holds no event loop, no network socket, no store connection, no GPU context. That is looked up in
  ``/proc/self`` before each fork; one thing too many, and it refuses, so that the kernel is started cold;
* it lives as long as its owner: the end of standard input is its end, and the system kills its children with it;
* a child is a process of its own: its session, folder, environment, signal handlers, random numbers.

One connection to the socket is one kernel: a request (one line of JSON, with the three standard streams as file
descriptors) is answered by lines ``{"pid"}``, ``{"bound"}`` (from the child itself, once a client can connect),
``{"exit"}``; or by ``{"refused"}``. Whoever closes the connection has no more use for the kernel: it is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import json
import os
import random
import re
import select
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from nbops import __version__
from nbops.kernels.kernel_process import PATIENCE_S, import_kernel, run_kernel, warm_up
from nbops.kernels.shelf import Shelf, top

ALLOWED = (
    "numpy",
    "pandas",
    "pyarrow",
    "pyarrow.parquet",
    "scipy",
    "sklearn",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "matplotlib",
    "matplotlib.pyplot",
)
"""What may be imported besides the kernel's own modules: each was seen to leave no thread, file or socket behind."""
PACKAGES = frozenset(map(top, ALLOWED))
_LIBRARY = re.compile(r"/lib[^/]*\.so[.\d]*$")  # libffi 3.5 keeps its own file open, to map its trampolines from
KNOWN_THREADS = frozenset({"jemalloc_bg_thd"})  # of PyArrow's allocator, which knows how to be forked
FIRST_FD, LAST_FD = 3, 2**20  # after the standard streams
ROOM_FDS = 256
"""A kernel has about 65 files open. Where a process has threads, the system makes room for the 65th in 10 to 15 ms (it
waits until no thread looks at the old table); in one that has none yet, at once."""
_PR_SET_PDEATHSIG = 1


class Zygote:
    """Forks on request until its owner is gone. :meth:`serve` returns in a child, with what the child is to be."""

    def __init__(self, listener: socket.socket, owner: int, packages: Iterable[str] | None) -> None:
        self.owner = owner
        self.listener = listener
        self.shelf = Shelf()
        self.idle = 0
        self._stock(packages)
        self.kernels: dict[int, tuple[int, socket.socket]] = {}  # {pidfd: (pid, connection)}

    def serve(self) -> tuple[dict[str, Any], list[int], socket.socket] | None:
        """The request, the streams and the connection of a child; None in the parent, at its end."""
        while os.getppid() == self.owner:
            waiting = select.poll()
            for fd in (0, self.listener.fileno(), *self.kernels):
                waiting.register(fd, select.POLLIN)
            for _, connection in self.kernels.values():
                waiting.register(connection.fileno(), 0)  # hung up: always told
            for fd, _ in waiting.poll(PATIENCE_S * 1000):
                if fd == 0:
                    return None
                if fd == self.listener.fileno():
                    child = self._asked()
                    if child is not None:
                        return child
                elif fd in self.kernels:
                    self._ended(fd)
                else:
                    self._abandoned(fd)
        return None

    def _asked(self) -> tuple[dict[str, Any], list[int], socket.socket] | None:
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE_S)
        streams: list[int] = []
        try:
            request, streams = receive(connection)
            self._stock(request.get("packages"))
            refused = self._unfit([connection.fileno(), *streams])
            if refused:
                say(connection, refused=refused)
                raise OSError(refused)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the idle threads of BLAS, which it stops itself
                pid = os.fork()
            if pid == 0:
                return request, streams, connection
            self.kernels[os.pidfd_open(pid)] = pid, connection
            with contextlib.suppress(OSError):
                say(connection, pid=pid)
        except (OSError, ValueError):
            connection.close()
        for stream in streams:
            os.close(stream)
        return None

    def _stock(self, packages: Iterable[str] | None) -> None:
        """Have the modules of these packages (None: of all that are allowed) on the shelf."""
        wanted = PACKAGES if packages is None else PACKAGES.intersection(packages)
        if wanted and self.shelf.stock(["threadpoolctl", *(name for name in ALLOWED if top(name) in wanted)]):
            self.idle = idle_blas_threads(self.shelf)
        gc.collect()
        gc.freeze()  # what is collected later needn't look at what is shared, nor copy its pages

    def _unfit(self, known: list[int]) -> str | None:
        """Why no kernel may be forked now; None if one may."""
        names = [Path(f"/proc/self/task/{task}/comm").read_text().strip() for task in os.listdir("/proc/self/task")]  # noqa: PTH208
        threads = sum(name not in KNOWN_THREADS for name in names)
        if threading.active_count() > 1 or threads > 1 + self.idle:
            return f"the parent has {threads} threads where {1 + self.idle} are known"
        ours = {0, 1, 2, self.listener.fileno(), *known, *self.kernels}
        ours |= {connection.fileno() for _, connection in self.kernels.values()}
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):  # the descriptor of this very listing is gone by now
                target = str(Path(f"/proc/self/fd/{name}").readlink())
                if int(name) not in ours and not _LIBRARY.search(target):
                    return f"the parent holds {target!r} open"
        return None

    def _ended(self, pidfd: int) -> None:
        pid, connection = self.kernels.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        with contextlib.suppress(OSError):
            say(connection, exit=os.waitstatus_to_exitcode(status))
        connection.close()

    def _abandoned(self, fd: int) -> None:
        for pidfd, (_, connection) in self.kernels.items():
            if connection.fileno() == fd:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], PATIENCE_S)
                self._ended(pidfd)
                return


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One line of JSON, and the descriptors that came with its first bytes."""
    data, streams, _, _ = socket.recv_fds(connection, 65536, 3)
    while data and not data.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    request: dict[str, Any] = json.loads(data)
    return request, streams


def say(connection: socket.socket, **answer: Any) -> None:
    connection.sendall(json.dumps(answer).encode() + b"\n")


def idle_blas_threads(shelf: Shelf) -> int:
    """How many threads the imported BLAS libraries keep for later (they stop them themselves before a fork)."""
    known = shelf.modules.get("threadpoolctl")
    pools = known.threadpool_info() if known is not None else ()
    return sum(pool["num_threads"] - 1 for pool in pools if pool["user_api"] == "blas")


def preload(*, debugger: bool) -> dict[str, str]:
    """Import what every kernel has imported when its first cell has run; return the variables that these modules
    set."""
    environment = dict(os.environ)
    gc.disable()
    import_kernel(debugger=debugger)
    warm_up()
    gc.enable()
    variables = {k: v for k, v in os.environ.items() if environment.get(k) != v}
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as ipykernel sets it
    return variables


def become_kernel(
    shelf: Shelf, variables: dict[str, str], request: dict[str, Any], streams: list[int], connection: socket.socket
) -> NoReturn:
    """In the child: leave nothing of the parent behind but its imports, and run the kernel until its end."""
    die_with_parent()
    os.setsid()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    kept = os.dup(connection.fileno())
    connection.close()
    if kept != FIRST_FD:
        os.dup2(kept, FIRST_FD, inheritable=False)
    os.closerange(FIRST_FD + 1, LAST_FD)
    with contextlib.suppress(OSError):  # it may not have so many
        os.close(fcntl.fcntl(FIRST_FD, fcntl.F_DUPFD_CLOEXEC, ROOM_FDS - 1))
    connection = socket.socket(fileno=FIRST_FD)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):  # SIGHUP stays as nohup, or nobody, has set it
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"] | variables)
    os.chdir(request["folder"])
    _new_chance(shelf)

    def bound() -> None:
        say(connection, bound=True)
        connection.close()

    # 1: no need to watch for its end, the system does; and nobody needs to be told how to connect to it.
    run_kernel(request["arguments"], bound, parent_handle=1)


def _new_chance(shelf: Shelf) -> None:
    """Random states that no other child has. (Hashes of text are the parent's: one PYTHONHASHSEED for all.)"""
    random.seed()
    if "numpy.random" in shelf.modules:
        shelf.modules["numpy.random"].seed()
    process = sys.modules["multiprocessing"].process.current_process()
    process.authkey = os.urandom(32)


def die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    path, owner, wishes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = [p for p in sys.path if p and Path(p) != Path.cwd()]  # as ipykernel_launcher
    variables = preload(debugger=wishes["debugger"])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    zygote = Zygote(listener, owner, wishes["packages"])
    listener.bind(path)
    listener.listen()
    sys.stdout.write(json.dumps({"version": __version__}) + "\n")
    sys.stdout.flush()
    os.dup2(2, 1)  # nobody hears what an import prints later
    child = zygote.serve()
    if child is not None:
        become_kernel(zygote.shelf, variables, *child)


if __name__ == "__main__":
    main()
