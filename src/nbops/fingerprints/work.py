"""What one fingerprinting carries along: its deadline, its threads, and where it is inside nested values.

A fingerprint is taken inside the user's kernel, so it must be able to stop (budget, interrupt), must not hang
on a value that contains itself, and must not take more than two threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
MAX_THREADS = 2
_MEMO_ENTRIES = 4096


class NotHashableHonestly(Exception):  # noqa: N818 - it never leaves the package: it becomes Fingerprint.reason
    """The reason why there is no digest, in plain words."""


class Work:
    """`nested` digests any object that isn't a plain value: values meet frames and arrays through it,
    so that no module of a family imports another family's."""

    def __init__(
        self, nested: Callable[[Any, Work], bytes], deadline: float | None = None, threads: int = MAX_THREADS
    ) -> None:
        self.nested = nested
        self.deadline = deadline
        self.threads = threads
        self._stop = threading.Event()
        self._above: set[int] = set()
        self._memo: dict[int, tuple[Any, bytes]] = {}

    def check(self) -> None:
        """Called once a chunk: raises when time is up or another thread has failed."""
        if self._stop.is_set():
            raise NotHashableHonestly("not fingerprinted: stopped")
        if self.deadline is not None and time.perf_counter() > self.deadline:
            raise NotHashableHonestly("not fingerprinted: budget")

    @contextmanager
    def inside(self, value: Any) -> Iterator[None]:
        """Marks `value` as being digested; meeting it again below itself is a cycle."""
        key = id(value)
        if key in self._above:
            raise NotHashableHonestly(f"not fingerprinted: a {type(value).__name__} contains itself")
        self._above.add(key)
        try:
            yield
        finally:
            self._above.discard(key)

    def once(self, value: Any, digest: Callable[[], bytes]) -> bytes:
        """The digest of a container, computed once where the same object comes up again: ``b = [a, a]``,
        ``c = [b, b]``, … would otherwise take 2**n steps. The memo holds the object, so its id stays its own."""
        known = self._memo.get(id(value))
        if known is not None:
            return known[1]
        with self.inside(value):
            result = digest()
        if len(self._memo) >= _MEMO_ENTRIES:
            self._memo.clear()
        self._memo[id(value)] = (value, result)
        return result

    def _fork(self) -> Work:
        """For a task in a thread: same deadline and stop, its own way through nested values, no more threads."""
        work = Work(self.nested, self.deadline, threads=1)
        work._stop = self._stop
        work._above = set(self._above)
        return work

    def map(self, function: Callable[[T, Work], Any], tasks: Sequence[T], *, large: bool) -> list[Any]:
        """`function` of each task, in order; in two threads where it pays (BLAKE3 and numpy let go of the GIL)."""
        if self.threads < 2 or len(tasks) < 2 or not large:
            return [function(task, self) for task in tasks]
        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(function, task, self._fork()) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._stop.set()
                for future in futures:
                    future.cancel()
                raise
