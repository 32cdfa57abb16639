"""How the kernel of a step is started: warm where there is something to fork it from, and heard over IPC.

A kernel is forked (nbops.kernels) from the second one of a process on: before that there is nothing to gain, as the
parent takes as long to start as a kernel.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty
from typing import Any

from nbops.core.errors import NotebookError
from nbops.kernels import parents
from nbops.kernels.parents import possible
from nbops.kernels.sockets import sockets
from nbops.kernels.zygote import PACKAGES
from nbops.notebook import files
from nbops.notebook.modules import imported_packages
from nbops.workspace import Workspace

PROVISIONER = "nbops-fork"
LOOK_S = 1.0
RESEND_S = 0.2


class _Started:
    """How many kernels this process has asked for."""

    lock = threading.Lock()
    count = 0


@contextlib.contextmanager
def ready_kernel(km: Any, *, warm: bool | None, packages: Sequence[str] | None = None) -> Iterator[None]:
    """Tell a kernel manager, before it starts its kernel, how to.

    `warm` None: forked from the second kernel on; true: from the first on; false: never. `packages`: as
    :func:`packages_of` says."""
    with _Started.lock:
        _Started.count += 1
        start = bool(warm) or (warm is None and _Started.count > 1)
    metadata = km.kernel_spec.metadata
    if "kernel_provisioner" not in metadata:  # otherwise the kernel spec wishes another way
        metadata["kernel_provisioner"] = {
            "provisioner_name": PROVISIONER,
            "config": {"fork": warm is not False, "start": start, "packages": packages, "debugger": False},
        }
    with contextlib.ExitStack() as open_until_the_end:
        if possible():
            with contextlib.suppress(OSError):  # then over TCP, as ever
                km.ip = open_until_the_end.enter_context(sockets())
                km.transport = "ipc"
        yield


def kernel_specs() -> Any:
    """Where jupyter_client finds kernel specs. It imports the whole of IPython to learn where that has its folder:
    50 ms of a process that executes notebooks and needs no IPython."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_path

    told = os.environ.get("IPYTHONDIR")
    folder = Path(told).expanduser() if told else Path.home() / ".ipython"
    if "IPython" in sys.modules or not (told or folder.is_dir()):
        return KernelSpecManager()
    return KernelSpecManager(kernel_dirs=[*jupyter_path("kernels"), str(folder / "kernels")])


def packages_of(ws: Workspace, notebook: Path) -> list[str] | None:
    """Which of the packages that a parent of kernels may import a notebook needs; None where that isn't known: one of
    another package may need any of them."""
    try:
        named = imported_packages(files.read(notebook), ws.root)
    except NotebookError:  # papermill can read from places we can't
        return None
    return sorted(named & PACKAGES) if named <= sys.stdlib_module_names | PACKAGES else None


def announce(ws: Workspace, notebook: Path) -> dict[str, str]:
    """Start what the kernels of worker processes are forked from, for all of them together, with what their first
    notebook needs; the environment variable by which they find it. (The kernels that this Python's kernel spec
    starts.)"""
    if not ws.settings.pipeline.warm:
        return {}
    return parents.announce([sys.executable], os.environ, packages_of(ws, notebook))


def how_started(km: Any) -> str | None:
    """ "forked", or why not; None where the kernel was to be started as ever."""
    provisioner = km.provisioner
    return "forked" if getattr(provisioner, "forked", False) else getattr(provisioner, "note", None)


async def ready(km: Any, kc: Any, timeout_s: float) -> Any:
    """Wait until the kernel answers, and until what it publishes is heard; what it says of its language.

    Raises
    ------
    RuntimeError
        As jupyter_client: the kernel has died, or time ran out.
    """
    until = time.monotonic() + timeout_s
    kc.kernel_info()
    while True:
        try:
            message = await kc.shell_channel.get_msg(timeout=LOOK_S)
            if message["msg_type"] == "kernel_info_reply":
                language = message["content"]["language_info"]
                break
        except Empty:
            pass
        if not await km._async_is_alive():
            raise RuntimeError("Kernel died before replying to kernel_info")
        if time.monotonic() > until:
            raise RuntimeError(f"Kernel didn't respond in {timeout_s:g} seconds")
    while time.monotonic() < until:
        with contextlib.suppress(Empty):
            await kc.iopub_channel.get_msg(timeout=RESEND_S)
            return language
        kc.kernel_info()  # the subscription came too late for what was published with the first
    raise RuntimeError(f"Kernel published nothing in {timeout_s:g} seconds")
