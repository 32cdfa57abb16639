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

SEGMENT = 16 << 20  # bytes hashed by one thread: part of the form, as the digest joins those of the segments
_READ = 1 << 20  # bytes: fewer switches between reading and hashing than with less, and still in the cache


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
    """(size, digest, whether it changed meanwhile)"""
    before = Path(path).stat()
    starts = range(0, before.st_size, SEGMENT)
    hashed = work.map(lambda start, own: _segment(path, start, own), starts, large=True)
    after = Path(path).stat()
    size = sum(count for count, _ in hashed)
    changed = (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino)
    return size, node("segments", *(digest for _, digest in hashed)), changed or size != before.st_size


def _segment(path: os.PathLike[str], start: int, work: Work) -> tuple[int, bytes]:
    hasher, done = blake3(), 0
    with Path(path).open("rb", buffering=0) as file:
        file.seek(start)
        buffer = memoryview(bytearray(_READ))
        while done < SEGMENT and (count := file.readinto(buffer[: SEGMENT - done])):
            work.check()
            hasher.update(buffer[:count])
            done += count
    return done, hasher.digest()
