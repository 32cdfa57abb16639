"""Real Jupyter servers: one person's, and a team's with its own identities and rights."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployed_model import deployed
from jupyter_process import started

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


@contextmanager
def serving(base: Path, root: Path, config: str = "") -> Iterator[Server]:
    base.mkdir(parents=True, exist_ok=True)
    file = base / "server_config.py"
    file.write_text(config or "c = get_config()\n")
    options = (f"--config={file}", "--ServerApp.jpserver_extensions={'nbops': True}")
    process = started("jupyter_server", base, root, *options)
    yield Server(process.url, process.token, root, process.process, process.log)
    process.end()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One person's server over a project with a deployed model, taxi."""
    base = tmp_path_factory.mktemp("server")
    deployed(base / "root")
    with serving(base / "home", base / "root") as made:
        yield made


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A team's server: boss may everything, anna may write and promote, guest may read, nobody nothing."""
    base = tmp_path_factory.mktemp("team")
    deployed(base / "root", "[deployments.taxi.gates]\napproval = true\n")
    with serving(base / "home", base / "root", TEAM) as made:
        yield made
