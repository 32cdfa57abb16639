"""Real Jupyter servers: one person's, and a team's with its own identities and rights."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployed_model import deployed

TEAM = '''
from jupyter_server.auth import Authorizer, IdentityProvider, User

class Users(IdentityProvider):
    """Who comes with the token "X-token" is X."""
    def get_user(self, handler):
        said = handler.request.headers.get("Authorization", "").removeprefix("token ")
        name, _, word = said.partition("-")
        return User(username=name) if word == "token" and name else None
    def is_token_authenticated(self, handler):
        return self.get_user(handler) is not None

RIGHTS = {
    "boss": {"read nbops", "write nbops", "execute nbops-promote", "execute nbops-approve", "execute nbops-rollback",
             "execute nbops-delete"},
    "anna": {"read nbops", "write nbops", "execute nbops-promote"},
    "guest": {"read nbops"},
    "nobody": set(),
}

class Rights(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return f"{action} {resource}" in RIGHTS.get(user.username, set())

c = get_config()
c.ServerApp.identity_provider_class = Users
c.ServerApp.authorizer_class = Rights
'''


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    root: Path
    process: subprocess.Popen[bytes]
    log: Path

    def ask(
        self, route: str, body: Any = None, *, method: str | None = None, token: str | None = None, **headers: str
    ) -> Answer:
        """Call a route; `token` None is the server's own, "" none at all."""
        said = self.token if token is None else token
        given = {"Authorization": f"token {said}"} if said else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/nbops/api/{route}", data=data, headers={**given, **headers}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def started(base: Path, root: Path, config: str = "") -> Server:
    token = secrets.token_hex(8)
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("NBOPS_", "JUPYTER"))}
    environ = ours | {
        "HOME": str(base),
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_DATA_DIR": str(base / "data"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "IPYTHONDIR": str(base / "ipython"),
        "JUPYTER_NO_CONFIG": "",
        "OMP_NUM_THREADS": "1",
    }
    environ.pop("JUPYTER_NO_CONFIG")
    base.mkdir(parents=True, exist_ok=True)
    file = base / "server_config.py"
    file.write_text(config or "c = get_config()\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
        *(f"--config={file}", "--ServerApp.jpserver_extensions={'nbops': True}"),
    ]
    log = base / "log"
    with log.open("w") as out:
        process = subprocess.Popen(words, env=environ, stdout=out, stderr=out, start_new_session=True)
    server = Server(f"http://127.0.0.1:{port}", token, root, process, log)
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(log.read_text())
        try:
            urllib.request.urlopen(f"{server.url}/api", timeout=1).close()
            return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def ended(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One person's server over a project with a deployed model, taxi."""
    base = tmp_path_factory.mktemp("server")
    deployed(base / "root")
    made = started(base / "home", base / "root")
    yield made
    ended(made)


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A team's server: boss may everything, anna may write and promote, guest may read, nobody nothing."""
    base = tmp_path_factory.mktemp("team")
    deployed(base / "root", "[deployments.taxi.gates]\napproval = true\n")
    made = started(base / "home", base / "root", TEAM)
    yield made
    ended(made)
