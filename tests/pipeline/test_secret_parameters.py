"""A secret reaches the notebook, and nothing else: no cell, record, log, executed notebook or command line has it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbops.core.errors import ParameterError
from nbops.pipeline.execute import run_notebook

SECRET = "tulip moon lamp"  # no shape gives it away
CELLS = (
    "# parameters\nimport nbops\nkey = nbops.param(secret=True, env='SHOP_KEY')\nmonth = 1",
    "import hashlib, pathlib, time\npathlib.Path('hash').write_text(hashlib.sha256(key.encode()).hexdigest())",
    "pathlib.Path('mark').touch()\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)",
    "from IPython.display import HTML, display\nimport sys\n"
    "print(key, repr(key)); print(key, file=sys.stderr); display(HTML(f'<b>{key}</b>'))\n"
    "nbops.log_param('used', key); nbops.set_tag(key)",
    "import os; os.system('echo from a command: $SHOP_KEY; echo $SHOP_KEY >&2')",
    "{'deep': [key]}",
    "raise ValueError(f'the shop does not like {key}')",
)


def test_a_secret_is_nowhere_but_in_the_notebook(project):
    project.notebook("shop.ipynb", *CELLS)
    own = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}  # with it ipykernel looks at no command
    process = subprocess.Popen(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", "run", "shop.ipynb", "-p", "month=2"],
        cwd=project.root,
        env={**own, "SHOP_KEY": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 60
    while not (project.root / "mark").exists():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lines = b""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines += file.read_bytes().replace(b"\0", b" ")
        except OSError:  # it has just gone
            continue
    assert b"shop.ipynb" in lines
    assert SECRET.encode() not in lines
    (project.root / "go").touch()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 1
    assert "ValueError: the shop does not like [redacted]" in said
    assert SECRET not in said
    assert (project.root / "hash").read_text() == hashlib.sha256(SECRET.encode()).hexdigest()
    written = [file for file in project.root.rglob("*") if file.is_file()]
    assert [file for file in written if SECRET.encode() in file.read_bytes()] == []
    (executed,) = (project.root / ".nbops" / "runs").rglob("*.ipynb")
    text = executed.read_text()
    assert "<b>[redacted]</b>" in text
    assert "from a command: [redacted]" in text
    assert json.loads(text)["metadata"]["papermill"]["parameters"] == {"month": 2}


def test_a_secret_that_is_not_there_is_said_before_anything(project, monkeypatch):
    notebook = project.notebook("shop.ipynb", *CELLS)
    monkeypatch.delenv("SHOP_KEY", raising=False)
    with pytest.raises(ParameterError, match="needs the secret 'key'; set the environment variable SHOP_KEY"):
        run_notebook(project.ws(), notebook)
    with pytest.raises(ParameterError, match="'key' is a secret: it is never given as a value"):
        run_notebook(project.ws(), notebook, params={"key": SECRET})
    assert not project.ws().store.exists()
