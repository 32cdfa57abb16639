"""Is the process that owns a run still there? Reads only; whoever asks writes nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from nbops.core.runs import Owner


def this_process() -> Owner:
    """The owner that stands for the calling process."""
    pid = os.getpid()
    return Owner(host=platform.node(), pid=pid, started=_started(pid) or "", boot=_boot())


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
