"""What the child processes of the recording tests do."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tracked_shell import MIME, TrackedShell

from nbops.store import database, runs
from nbops.workspace import open_workspace

database.LOCK_TIMEOUT_S = 1.0  # the lock is never given back while somebody waits for it here

DATA = "id,x,y\n" + "".join(f"{i},{i % 7},{2 * (i % 7) + 1}\n" for i in range(60))

TRAIN = """%%track train
import pandas as pd, nbops
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
rows = 60
df = pd.read_csv("data.csv").head(rows)
train, test = df.head(40), df.tail(20)
model = LinearRegression().fit(train[["x"]], train["y"])
mae = mean_absolute_error(test["y"], model.predict(test[["x"]]))
for step in range(3):
    nbops.log_metric("loss", 1.0 / (step + 1), step=step)
nbops.log_artifact(b"a note", name="note.txt")
test.to_csv("out.csv", index=False)
"""


def train(root: Path, _arguments: Any) -> None:
    (root / "data.csv").write_text(DATA)
    shell = TrackedShell(root)
    done = shell.run(TRAIN)
    assert done["error"] is None, done
    shell.leave()


def store_path(root: Path) -> Path:
    return open_workspace(root, environ={}).store.path


def locked(root: Path, _arguments: Any) -> dict[str, Any]:
    """The store is locked by another process while cells run; then it is free again."""
    shell = TrackedShell(root)
    first = shell.say("%%track\na = 1")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys\n"
            f"c = sqlite3.connect({str(store_path(root))!r}, isolation_level=None)\n"
            "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    unnamed = shell.run("%%track\nb = 2\nb")
    source = "%%track block\nimport nbops\nnbops.log_metric('m', 1)\nc = 3"
    named = shell.run(source)
    holder.stdin.close()
    holder.wait(10)
    holder.stdout.close()
    after = shell.say("%%track block\nd = 4")
    values = shell.run("[a, b, c, d]")["value"]
    shell.leave()
    return {"first": first, "unnamed": unnamed, "named": named, "after": after, "values": values, "source": source}


def locked_at_the_end(root: Path, _arguments: Any) -> dict[str, Any]:
    """The cell itself takes the lock, so that its run can be opened and not closed."""
    shell = TrackedShell(root)
    shell.say("%%track\na = 1")
    said = shell.say(
        "%%track kept\nimport sqlite3\n"
        f"lock = sqlite3.connect({str(store_path(root))!r}, isolation_level=None)\n"
        "_ = lock.execute('BEGIN IMMEDIATE')"
    )
    during = status_of(root, "kept")
    shell.run("lock.close()")
    shell.say("%%track\nb = 2")
    after = status_of(root, "kept")
    shell.leave()
    return {"said": said, "during": during, "after": after}


def status_of(root: Path, name: str) -> str:
    with sqlite3.connect(f"{store_path(root).as_uri()}?mode=ro", uri=True) as reader:
        return str(reader.execute("SELECT status FROM runs WHERE name = ?", (name,)).fetchone()[0])


def unwritable(root: Path, _arguments: Any) -> dict[str, Any]:
    """As somebody who may read the workspace, not write it: tracking, logging, then looking at what is there."""
    # the Python that runs this may itself be closed to others: what it loads late is loaded now
    database.migrations()
    importlib.metadata.version("ipython")
    os.setgid(65534)
    os.setuid(65534)
    shell = TrackedShell(root)
    tracked = shell.run(
        "%%track there\nimport nbops\nnbops.log_metric('m', 1.0)\nnbops.log_artifact(b'x', name='x')\n7"
    )
    untracked = shell.run("nbops.log_metric('n', 2.0)\nnbops.log_param('p', 1)\n8")
    names = [run.name for run in runs.listed(open_workspace(root, environ={}).store)]
    return {"tracked": tracked, "untracked": untracked, "names": names}


def full_disk(root: Path, arguments: Any) -> dict[str, Any]:
    """No file can grow beyond a limit; later it can again."""
    shell = TrackedShell(root)
    shell.say("%%track\nfirst = 1")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (arguments["bytes"], hard))
    during = shell.run(
        "%%track big\nimport nbops\nvalues = list(range(50))\n"
        "nbops.log_params({f'p{i}': 'x' * 900 for i in range(300)})\n"
        "nbops.log_artifact(b'0123456789' * 200_000, name='large.bin')\nsum(values)"
    )
    outside = shell.run("nbops.log_artifact(b'9876543210' * 200_000, name='large.bin')\n9")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = shell.run("%%track after\nlast = 2\nlast")
    shell.leave()
    return {"during": during, "outside": outside, "after": after}


def first_record_on_full_disk(root: Path, _arguments: Any) -> dict[str, Any]:
    """The session's very first commit fails; later ones don't."""
    shell = TrackedShell(root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    during = shell.run("%%track first\na = 1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = shell.run("%%track second\nb = 2")
    shell.leave()
    return {"during": during, "after": after}


def newer(root: Path, _arguments: Any) -> list[Any]:
    """Four cells on a store that can't be used, then one after it can."""
    shell = TrackedShell(root)
    done = [shell.run(f"%%track\na = {i}\na") for i in range(5)]
    with sqlite3.connect(store_path(root)) as connection:
        connection.execute(f"PRAGMA user_version = {database.migrations()[-1][0]}")
    connection.close()
    done.append(shell.run("%%track\nb = 1\nb"))
    shell.run("%nbops on")
    done.append(shell.run("%%track\nc = 1\nc"))
    shell.leave()
    return done


def many(root: Path, arguments: Any) -> int:
    shell = TrackedShell(root)
    for i in range(arguments["cells"]):
        said = shell.say(f"%%track {arguments['name']}{i}\nimport nbops\nnbops.log_metric('i', {i})\nshared = {i}")
        assert "not recorded" not in said, said
    shell.leave()
    return os.getpid()


def forked(root: Path, _arguments: Any) -> dict[str, Any]:
    """A child forked within a tracked cell logs, tracks, opens a file and ends; the parent goes on."""
    shell = TrackedShell(root)
    shell.run("%%track\na = 1")
    done = shell.run(
        "%%track parent\n"
        "import os, sys, nbops\n"
        "nbops.log_metric('before', 1)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    nbops.log_metric('child', 1)\n"
        "    nbops.log_artifact(b'child', name='child.txt')\n"
        "    open('child.csv', 'w').close()\n"
        "    with nbops.track('in the child'):\n"
        "        nbops.log_param('child', 1)\n"
        "    get_ipython().run_cell('%%track nested\\nchild = 1', store_history=True)\n"
        "    nbops.capture.current.close_session()\n"
        "    os._exit(0)\n"
        "code = os.waitpid(pid, 0)[1]\n"
        "nbops.log_metric('after', 2)\n"
        "code"
    )
    worker = shell.run(
        "%%track pool\n"
        "import multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    total = sum(pool.map(abs, [-1, -2]))\n"
        "total"
    )
    shell.leave()
    return {"done": done, "worker": worker, "methods": multiprocessing.get_all_start_methods()}


def run_cells(root: Path, arguments: Any) -> list[Any]:
    """The cells one after the other; what they showed."""
    shell = TrackedShell(root)
    done = [shell.run(cell) for cell in arguments["cells"]]
    shell.leave()
    return done


def payloads(done: list[Any]) -> list[Any]:
    return [bundle[MIME] for cell in done for bundle in cell["shown"] if MIME in bundle]


def interrupted_before_it_ran(root: Path, _arguments: Any) -> dict[str, Any]:
    """The user's interrupt comes while we look at what the cell reads."""
    shell = TrackedShell(root)
    shell.run(
        "import os, signal\n"
        "class Module(str):\n"
        "    asked = False\n"
        "    def partition(self, by):\n"
        "        if not Module.asked:\n"
        "            Module.asked = True\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().partition(by)\n"
        "class Odd:\n"
        "    __module__ = Module('odd')\n"
        "odd = Odd()"
    )
    during = shell.run("%%track named\nodd\nrows = 1\nrows")
    left = status_of(root, "named")
    after = shell.run("%%track next\nb = 2")
    closed = status_of(root, "named")
    shell.leave()
    return {"during": during, "left": left, "after": after, "closed": closed}
