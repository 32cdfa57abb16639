"""Which notebook a record is of, where real front ends say it, or don't: a Jupyter server's sessions, as JupyterLab and
Notebook 7 open them, a rename through its contents, VS Code's variable, nbconvert and papermill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from nbops.store import records, runs
from nbops.workspace import open_workspace

ON = "%load_ext nbops\n%nbops auto on"
CELLS = {"on": ON, "one": "rides = list(range(1234))", "two": "total_of_rides = sum(rides) + 4321"}


@pytest.fixture
def project(server: Any, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A project of its own below the server's root."""
    folder = Path(server.root) / f"identity-{abs(hash(request.node.name))}"
    folder.mkdir()
    (folder / "nbops.toml").touch()
    yield folder


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        {"cell_type": "code", "id": i, "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in CELLS.items()
    ]
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def asked(server: Any, route: str, method: str, body: Any = None) -> Any:
    """Jupyter Server's own API."""
    request = urllib.request.Request(
        f"{server.url}/api/{route}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {server.token}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def connected(file: Path) -> BlockingKernelClient:
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels(hb=False)  # what is sent to its shell waits until it is ready
    return client


def execute(client: BlockingKernelClient, cell: str, *, text: str | None = None, silent: bool = False) -> None:
    """Run a cell as front ends do: with its id."""
    content = {"code": text or CELLS[cell], "silent": silent, "store_history": not silent, "allow_stdin": False}
    message = client.session.msg("execute_request", content, metadata={"cellId": cell})
    client.shell_channel.send(message)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        reply = client.get_shell_msg(timeout=60)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert reply["content"]["status"] == "ok", reply["content"]
            return
    raise AssertionError("no reply")


def known(folder: Path) -> list[tuple[str | None, int]]:
    """(notebook, how many records) of each run in the folder's store."""
    ws = open_workspace(folder, environ={})
    return [(run.notebook, len(list(records.of_run(ws.store, run.id)))) for run in runs.listed(ws.store)]


@pytest.mark.parametrize("name", ["deep.ipynb", None], ids=["named", "unnamed"])
def test_a_servers_session_and_a_rename(server: Any, project: Path, name: str | None) -> None:
    written(project / "in" / "deep.ipynb")
    below = f"{project.name}/in"
    body = {"path": f"{below}/deep.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    opened = asked(server, "sessions", "POST", body | ({"name": name} if name else {}))
    try:
        client = connected(server.log.parent / "runtime" / f"kernel-{opened['kernel']['id']}.json")
        try:
            for cell in ("on", "one"):
                execute(client, cell)
            assert known(project) == [("in/deep.ipynb", 1)]
            asked(server, f"contents/{below}/deep.ipynb", "PATCH", {"path": f"{below}/renamed.ipynb"})
            asked(server, f"sessions/{opened['id']}", "PATCH", {"path": f"{below}/renamed.ipynb"})
            execute(client, "two")
            assert known(project) == [("in/renamed.ipynb", 2)]
        finally:
            client.stop_channels()
    finally:
        asked(server, f"sessions/{opened['id']}", "DELETE")


def test_vs_codes_variable(project: Path) -> None:
    """VS Code sets it in the kernel, silently, before the first cell; the kernel's folder is another."""
    path = written(project / "in" / "code.ipynb")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("NBOPS_", "JPY_"))}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(project), env=environ)
    try:
        client = manager.blocking_client()
        client.start_channels(hb=False)
        execute(client, "before", text=f"__vsc_ipynb_file__ = {str(path)!r}", silent=True)
        for cell in CELLS:
            execute(client, cell)
        assert known(project) == [("in/code.ipynb", 2)]
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    "words",
    [
        ("nbconvert", "--execute", "--to", "notebook", "--output", "out.ipynb", "plain.ipynb"),
        ("papermill", "--no-progress-bar", "-k", "python3", "plain.ipynb", "out.ipynb"),
    ],
    ids=lambda words: words[0],
)
def test_where_nobody_says_it(project: Path, words: tuple[str, ...]) -> None:
    """Another notebook lies beside it."""
    written(project / "plain.ipynb")
    other = json.loads((project / "plain.ipynb").read_text())
    for i, cell in enumerate(other["cells"]):
        cell |= {"id": f"other-{i}", "source": cell["source"].replace("4321", "1")}
    (project / "other.ipynb").write_text(json.dumps(other))
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("NBOPS_", "JPY_"))}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=project, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert known(project) == [("plain.ipynb", 2)]
