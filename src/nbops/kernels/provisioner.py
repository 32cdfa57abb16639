"""The kernel provisioner ``nbops-fork``: a kernel forked from a zygote, or started as ever where that can't be.

For jupyter_client: an entry point of ``jupyter_client.kernel_provisioners``, named in a kernel spec's
``metadata.kernel_provisioner``. What is left cold, and why, is in :attr:`ForkProvisioner.note`. The end of a kernel,
forked or not, is waited for, not polled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, List, Unicode

from nbops.kernels import launcher
from nbops.kernels.parents import START_S, NoZygote, Parent, parent_for

LAUNCHERS = ("ipykernel_launcher", "ipykernel")
BOUND_S = 30.0
EXIT_S = 1.0


class ForkedKernel:
    """A forked kernel, with the face of the :class:`subprocess.Popen` that a local provisioner works with."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._pidfd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._pidfd], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._pidfd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("forked kernel", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _end(self) -> None:
        """It has ended: the zygote says how."""
        self.returncode = -signal.SIGKILL  # as the system ends it, if the zygote is gone as well
        self._connection.settimeout(EXIT_S)
        with contextlib.suppress(OSError, ValueError):
            while line := _line(self._connection):
                if "exit" in line:
                    self.returncode = int(line["exit"])
                    break
        self._connection.close()
        os.close(self._pidfd)


class ForkProvisioner(LocalProvisioner):
    """`fork` false: always cold. `start` false: forked only if there is a zygote already. `packages`: those that the
    notebook is known to import; None: not known. `debugger` false: nobody will attach one to the kernel."""

    fork = Bool(True, config=True)
    start = Bool(True, config=True)
    packages = List(Unicode(), default_value=None, allow_none=True, config=True)
    debugger = Bool(True, config=True)
    note: str | None = None
    forked = False

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel, or start it as a command."""
        self.forked, self.note = False, None
        if self.fork:
            try:
                kernel = await self._fork(cmd, **kwargs)
            except NoZygote as reason:
                self.note = f"started cold: {reason}"
            else:
                if kernel is not None:
                    self.process = kernel  # type: ignore[assignment]  # it has a Popen's face
                    self.pid = self.pgid = kernel.pid
                    self.cwd = kwargs.get("cwd") or Path.cwd()
                    self.forked = True
                    return self.connection_info
        return await super().launch_kernel(cmd if self.debugger else _lighter(cmd), **kwargs)

    async def _fork(self, cmd: list[str], **kwargs: Any) -> ForkedKernel | None:
        interpreter, arguments = _parted(cmd)
        environment: Mapping[str, str] = kwargs.get("env") or os.environ
        parent = await asyncio.get_running_loop().run_in_executor(
            None,
            lambda: parent_for(
                interpreter, environment, start=self.start, packages=self.packages, debugger=self.debugger
            ),
        )
        if parent is None:
            return None
        folder = str(kwargs.get("cwd") or Path.cwd())
        told = {**environment, "JPY_PARENT_PID": str(os.getpid())}  # as a kernel started by command has it
        request = {"arguments": arguments, "environment": told, "folder": folder, "packages": self.packages}
        try:
            return await _asked(parent, request, kwargs.get("stdout"), kwargs.get("stderr"))
        except (OSError, ValueError) as error:
            raise NoZygote(f"its parent gave no answer: {type(error).__name__}: {error}") from error

    async def wait(self) -> int | None:
        """Wait for the process's end."""
        if self.process is not None and self.process.poll() is None:
            await _ended(self.process.pid, None)
        return await super().wait()

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002  (the base class's)
        """The kernel was asked to end: it mostly does at once, long before anybody would look again."""
        if self.process is not None and self.process.poll() is None:
            await _ended(self.process.pid, EXIT_S)

    async def send_signal(self, signum: int) -> None:
        """To the process group, while the process is there."""
        if self.process is not None and self.process.poll() is None:
            await super().send_signal(signum)


def _parted(cmd: list[str]) -> tuple[list[str], list[str]]:
    """(interpreter with its options, the kernel's arguments) of a command that starts an ipykernel."""
    for place in range(1, len(cmd) - 1):
        if cmd[place] == "-m":
            if cmd[place + 1] in LAUNCHERS:
                return cmd[:place], cmd[place + 2 :]
            break
    raise NoZygote(f"its command is not 'python -m ipykernel_launcher': {' '.join(cmd[:3])!r}")


def _lighter(cmd: list[str]) -> list[str]:
    """The command that starts the same kernel by our launcher, if its interpreter is ours."""
    with contextlib.suppress(NoZygote):
        interpreter, arguments = _parted(cmd)
        if interpreter[0] == sys.executable:
            return [*interpreter, launcher.__file__, *arguments]
    return cmd


async def _asked(parent: Parent, request: Mapping[str, Any], stdout: Any, stderr: Any) -> ForkedKernel:
    connection = parent.connect()
    try:
        with Path(os.devnull).open("r+b") as nothing:
            streams = [nothing.fileno(), _descriptor(stdout, 1, nothing), _descriptor(stderr, 2, nothing)]
            data = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(connection, [data], streams)
            if sent < len(data):  # an empty rest would be sent too, to a parent that may have refused and gone by now
                connection.sendall(data[sent:])
        connection.setblocking(False)
        first = await _next(connection, START_S)  # it may have to import what the notebook needs
        if "pid" not in first:
            raise NoZygote(first.get("refused") or "its parent ended")
        kernel = ForkedKernel(first["pid"], connection)
        second = await _next(connection, BOUND_S)
        if "bound" not in second:
            kernel.kill()
            raise NoZygote(f"the forked kernel ended while it started (exit {second.get('exit')})")
        return kernel
    except BaseException:
        connection.close()
        raise


def _descriptor(stream: Any, inherited: int, nothing: Any) -> int:
    if stream is None:
        return inherited
    if stream == subprocess.DEVNULL:
        return int(nothing.fileno())
    return int(stream if isinstance(stream, int) else stream.fileno())


async def _next(connection: socket.socket, timeout_s: float) -> dict[str, Any]:
    if not await _readable(connection.fileno(), timeout_s):
        raise TimeoutError(f"nothing was heard for {timeout_s:g} s")
    return _line(connection)


def _line(connection: socket.socket) -> dict[str, Any]:
    """The next line of the zygote or of its child; empty at the end. Lines are short: each comes as a whole."""
    data = b""
    while not data.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return {}
        data += byte
    answer: dict[str, Any] = json.loads(data)
    return answer


async def _ended(pid: int, timeout_s: float | None) -> bool:
    """Wait until a process has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        return await _readable(pidfd, timeout_s)
    finally:
        os.close(pidfd)


async def _readable(fd: int, timeout_s: float | None) -> bool:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await asyncio.wait_for(ready, timeout_s)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(fd)
    return True
