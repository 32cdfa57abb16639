"""A real PostgreSQL server, started by the tests as a process: on a socket in a folder of its own, no network."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import missing

QUICK = ("fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=32MB", "autovacuum=off")


class Server:
    """`start` and `stop` may be called again and again; `database()` gives the URL of an empty one."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="nbops-pg-"))  # a socket's path must be short
        self.data = self.folder / "data"
        self.user = "postgres" if os.getuid() == 0 else getpass.getuser()
        self._names = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        self._do("initdb", "-D", str(self.data), "-U", "nbops", "-A", "trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        options = [word for option in QUICK for word in ("-c", option)]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-k", str(self.folder), "-h", "", *options]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
        log.close()
        ready = [str(self.programs / "pg_isready"), "-q", "-h", str(self.folder), "-t", "30"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, (self.folder / "log").read_text()

    def stop(self, mode: str = "fast") -> None:
        """Connections are cut off in the middle of what they do; what was committed stays, unless `mode` is
        "immediate"."""
        if self._process is not None:
            self._do("pg_ctl", "-D", str(self.data), "-m", mode, "-W", "stop")
            self._process.wait(60)
            self._process = None

    def database(self) -> str:
        name = f"t{next(self._names)}"  # a schema of its own: a database would be a thousand files
        self._do("psql", "-h", str(self.folder), "-U", "nbops", "-d", "postgres", "-qc", f"CREATE SCHEMA {name}")
        return f"postgresql://nbops@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def _do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments], capture_output=True, check=False, cwd="/", **self._as_user()
        )
        assert done.returncode == 0, done.stderr.decode()

    def _as_user(self) -> dict[str, str]:
        return {"user": self.user, "group": self.user} if os.getuid() == 0 else {}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running server; a test that stops it starts it again."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = found[-1] if found else shutil.which("initdb")
    if program is None:
        missing("PostgreSQL (initdb, postgres)")
    server = Server(Path(str(program)).parent)
    server.start()
    yield server
    server.remove()
