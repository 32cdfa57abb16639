"""Is the process that owns a run still there? Reads only; whoever asks writes nothing."""

from __future__ import annotations

import functools
import os
import platform
import re
import secrets
from pathlib import Path

from nbops.core.runs import Owner

_PARTIAL = re.compile(r"\..+\.(?P<writer>w-\d+-\d*-\w*)-[0-9a-f]{8}\.partial", re.DOTALL)
_SIGNED = re.compile(r"-(?P<pid>\d+)-(?P<started>\d*)-(?P<host>\w*)")


def this_process() -> Owner:
    """The owner that stands for the calling process."""
    return _process(os.getpid())


def process(pid: int) -> Owner:
    """The owner that stands for another process of this machine."""
    return Owner(host=platform.node(), pid=pid, started=_started(pid) or "", boot=_boot())


@functools.cache
def _process(pid: int) -> Owner:
    return process(pid)


if hasattr(os, "register_at_fork"):  # a child may get the number that an ancestor had
    os.register_at_fork(after_in_child=_process.cache_clear)


def alive(owner: Owner) -> bool:
    """False only if the process is known to be gone. A process on another machine is believed alive."""
    if owner.host != platform.node():
        return True
    if owner.boot and owner.boot != _boot():
        return False
    started = _started(owner.pid)
    if started is not None:
        return started == owner.started
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not owner.started


def signed(name: str) -> str:
    """A name for a temporary file that says who writes it: see :func:`writer_gone`."""
    me = this_process()
    return f"{name}-{me.pid}-{me.started}-{_plain(me.host)}"


def writer_gone(name: str) -> bool:
    """Is the process that gave a file this :func:`signed` name known to be gone?"""
    found = _SIGNED.search(name)
    if found is None:
        return True  # nobody signs so any more
    host = platform.node() if found["host"] == _plain(platform.node()) else found["host"]
    return not alive(Owner(host=host, pid=int(found["pid"]), started=found["started"]))


def partial(name: str) -> str:
    """A name beside `name` for what is being written and will be called that: see :func:`left_partial`."""
    return f".{name}.{signed('w')}-{secrets.token_hex(4)}.partial"


def left_partial(name: str) -> bool:
    """Is it a :func:`partial` name, whose writer is known to be gone?"""
    found = _PARTIAL.fullmatch(name)
    return found is not None and writer_gone(found["writer"])


def _plain(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", host)


def _started(pid: int) -> str | None:
    """The kernel's start time of a process, in clock ticks since boot; None where it can't be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
