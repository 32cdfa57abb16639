"""Files by content, streamed. Read rather than mapped: a mapped file that another process cuts short kills ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from blake3 import blake3

from nbops.core.errors import InputDataError
from nbops.fingerprints.body import Body
from nbops.fingerprints.streams import node
from nbops.fingerprints.work import NotHashableHonestly, Work

_READ = 8 << 20  # bytes: large enough for both threads, far below the memory we allow ourselves


def of_file(path: os.PathLike[str], work: Work) -> Body:
    """The fingerprint of a file's content; name, times and permissions don't count.

    Raises
    ------
    InputDataError
        If there is no such file or it can't be read.
    """
    try:
        info = Path(path).stat()
        if not stat.S_ISREG(info.st_mode):
            what = "a folder" if stat.S_ISDIR(info.st_mode) else "no regular file"
            raise NotHashableHonestly(f"not fingerprinted: {os.fspath(path)!r} is {what}")
        size, digest, changed = _hash(path, work)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputDataError(
            f"the file {os.fspath(path)!r} can't be read ({why}); check the path (here: {Path.cwd()})"
        ) from error
    if changed:
        raise NotHashableHonestly(f"not fingerprinted: {os.fspath(path)!r} changed while it was read")
    return Body(kind="file", digest=node("file", size, digest), shape=(size,))


def _hash(path: os.PathLike[str], work: Work) -> tuple[int, bytes, bool]:
    with Path(path).open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        buffer = memoryview(bytearray(min(_READ, before.st_size + 1)))
        hasher = blake3(max_threads=work.threads if before.st_size >= _READ else 1)
        size = 0
        while count := file.readinto(buffer):
            work.check()
            hasher.update(buffer[:count])
            size += count
        after = os.fstat(file.fileno())
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != before.st_size
    return size, hasher.digest(), changed
