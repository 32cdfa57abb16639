"""A real Jupyter server in a process of its own, which reads and writes nothing of the user's configuration."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JupyterProcess:
    """A running server: its address, its token, its environment, its process, what it prints."""

    url: str
    token: str
    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def started(
    app: str,
    base: Path,
    root: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    python: str | Path = sys.executable,
) -> JupyterProcess:
    """``python -m app`` serving `root` on a free port, once it answers; its own files are kept in `base`."""
    base.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(16)
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("NBOPS_", "JUPYTER"))}
    ours |= {
        "HOME": str(base),
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_DATA_DIR": str(base / "data"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "IPYTHONDIR": str(base / "ipython"),
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        **(environ or {}),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(python), "-m", app, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    words += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", *options]
    log = base / "log"
    with log.open("w") as out:
        process = subprocess.Popen(words, env=ours, cwd=root, stdout=out, stderr=out, start_new_session=True)
    server = JupyterProcess(f"http://127.0.0.1:{port}", token, ours, process, log)
    _wait_for(server)
    return server


def _wait_for(server: JupyterProcess) -> None:
    ends = time.monotonic() + 280  # on a machine that is busy with other tests
    while time.monotonic() < ends:
        assert server.process.poll() is None, server.log.read_text()
        try:
            urllib.request.urlopen(f"{server.url}/api", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.end()
    raise AssertionError(server.log.read_text())
