"""``papermill --engine nbops`` on a notebook that has never heard of nbops: what it outputs is what plain
papermill outputs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from nbops.core.runs import RunKind, RunStatus
from nbops.notebook.embedded import MIME
from nbops.store import records, runs

CELLS = (
    "# parameters\nmonth = 1",
    "import sys\nprint('out', month); print('err', file=sys.stderr)",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>b</b>'))\nmonth + 1",
    "h = display('first', display_id='d')\nh.update('second')",
    "%%capture held\nprint('hidden')",
    "import pandas as pd\nframe = pd.DataFrame({'x': [month, 2]})\nframe",
    "from IPython.display import clear_output\nprint('old')\nclear_output(wait=True)\nprint('new')",
    "print(sorted(n for n in globals() if not n.startswith('_')), In[-2][:10], len(In))",
    "await __import__('asyncio').sleep(0)\nget_ipython().execution_count",
    "def f():\n    return 1 / 0\nf()",
    "print('never')",
)


def papermill(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NBOPS_")}
    return subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def outputs(path: Path) -> list[Any]:
    """Counts and outputs of every cell, without our own."""
    found = []
    for cell in json.loads(path.read_text())["cells"]:
        own = [o for o in cell.get("outputs", ()) if MIME in o.get("data", {})]
        rest = [o for o in cell.get("outputs", ()) if o not in own]
        found.append((cell["source"], cell.get("execution_count"), rest))
    return found


def ours(path: Path) -> list[int]:
    cells = json.loads(path.read_text())["cells"]
    return [sum(MIME in o.get("data", {}) for o in c.get("outputs", ())) for c in cells]


def test_outputs_are_those_of_plain_papermill(project):
    source = str(project.notebook("a.ipynb", *CELLS))
    plain, tracked = project.root / "plain.ipynb", project.root / "tracked.ipynb"
    first = papermill(source, str(plain), "-p", "month", "3")
    second = papermill("--engine", "nbops", source, str(tracked), "-p", "month", "3")
    assert (first.returncode, second.returncode) == (1, 1)
    assert "ZeroDivisionError" in second.stderr
    assert outputs(tracked) == outputs(plain)
    assert sum(ours(tracked)) >= 3
    assert sum(ours(plain)) == 0

    # the run was recorded in the workspace of the notebook's folder, and every cell that ran is in it
    ws = project.ws()
    (run,) = runs.listed(ws.store)
    assert (run.kind, run.status, run.notebook) == (RunKind.STEP, RunStatus.FAILED, "a.ipynb")
    assert run.error == "ZeroDivisionError: division by zero"
    assert runs.params(ws.store, run.id)["month"] == 3
    found = records.of_run(ws.store, run.id)
    assert len(found) == len(CELLS)  # one more for the injected parameters, one less for the cell never reached
    assert found[-1].status == "error"
    assert len(records.artifacts(ws.store, run.id, "notebook")) == 1


def test_parameters_that_the_notebook_does_not_take_are_refused_before_its_first_cell(project):
    cells = ("# parameters\nn: int = 1\nname: str = ''\nmonth = 'x'", "print(n, name); open('ran', 'w')")
    source, out = str(project.notebook("a.ipynb", *cells)), project.root / "out.ipynb"
    for given, said in (
        (("-p", "nn", "3"), "has no parameter 'nn'; did you mean 'n'?"),
        (("-p", "n", "abc"), "parameter 'n' must be an integer, not 'abc'"),
        (("-p", "n", "0.5"), "parameter 'n' must be an integer, not '0.5'"),
    ):
        refused = papermill("--engine", "nbops", "--cwd", str(project.root), source, str(out), *given)
        assert refused.returncode == 1 and said in refused.stderr
    assert not (project.root / "ran").exists() and not project.ws().store.exists()
    done = papermill("--engine", "nbops", "--cwd", str(project.root), source, str(out), "-p", "name", "5")
    assert (done.returncode, (project.root / "ran").exists()) == (0, True), done.stderr


def test_a_parameters_cell_that_does_not_parse_fails_as_with_plain_papermill(project):
    source, out = str(project.notebook("a.ipynb", "# parameters\nn = = 2")), project.root / "out.ipynb"
    failed = papermill("--engine", "nbops", source, str(out))
    assert "SyntaxError: invalid syntax" in failed.stderr
    assert [o["ename"] for o in outputs(out)[-1][2]] == ["SyntaxError"]
    refused = papermill("--engine", "nbops", source, str(out), "-p", "n", "1")
    assert "isn't valid Python: line 2" in refused.stderr


def test_what_papermill_has_executed_can_be_executed_again(project):
    source = project.notebook("a.ipynb", "print(x)")  # it has no parameters cell: papermill injects at the top
    once, again, third = (project.root / f"{name}.ipynb" for name in ("once", "again", "third"))
    assert papermill(str(source), str(once), "-p", "x", "1").returncode == 0
    assert papermill("--engine", "nbops", "--cwd", str(project.root), str(once), str(again)).returncode == 0
    assert outputs(again) == outputs(once)
    executed = json.loads(once.read_text())
    executed["cells"][0]["source"] = "x = 2"
    executed["cells"][0]["metadata"]["tags"] = []  # what papermill has injected was made the notebook's own
    once.write_text(json.dumps(executed))
    assert papermill("--engine", "nbops", "--cwd", str(project.root), str(once), str(third)).returncode == 0
    ws = project.ws()
    assert [runs.params(ws.store, run.id) for run in reversed(runs.listed(ws.store))] == [{"x": 1}, {"x": 2}]


def test_a_store_that_cannot_be_used_costs_the_tracking_not_the_run(project):
    source = str(project.notebook("a.ipynb", "1 + 1"))
    ws = project.ws()
    with ws.store.transaction():
        pass
    ws.store.close()
    with sqlite3.connect(ws.store.path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    out = project.root / "out.ipynb"
    done = papermill("--engine", "nbops", source, str(out))
    assert done.returncode == 0, done.stderr
    assert "step ran untracked" in done.stderr
    assert "schema version 9999" in done.stderr
    assert outputs(out)[0][2][0]["data"]["text/plain"] == ["2"]


def test_the_kept_notebook_has_no_secrets_and_the_users_file_is_as_papermill_writes_it(project):
    cells = ("# parameters\npassword = ''", "print(f'postgres://ann:{password}@db/x')", "raise ValueError(password)")
    source = str(project.notebook("a.ipynb", *cells))
    out = project.root / "out.ipynb"
    papermill("--engine", "nbops", source, str(out), "-p", "password", "hunter2-hunter2-X9")
    assert "hunter2-hunter2-X9" in out.read_text()
    ws = project.ws()
    (run,) = runs.listed(ws.store)
    (kept,) = records.artifacts(ws.store, run.id, "notebook")
    text = ws.artifacts.read_bytes(kept.digest).decode()
    assert "[redacted]" in text
    assert "hunter2" not in json.loads(text)["cells"][1]["source"][0]
    assert "postgres://ann:hunter2" not in text
    assert "hunter2" not in json.dumps(json.loads(text)["metadata"]["papermill"]["parameters"])


def test_a_process_of_ours_leaves_out_of_papermill_what_nobody_asks_for():
    code = (
        "from nbops.pipeline import own_process; own_process.begin()\n"
        "import sys, nbformat, papermill.execute\n"
        "nbformat.validate(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('x')]))\n"
        "print([name in sys.modules for name in ('papermill.engines', 'lark', 'arrow')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[True, False, False]\n", done.stderr


def test_a_process_of_ours_ends_without_taking_its_imports_apart():
    code = (
        "import atexit, gc\n"
        "from nbops.pipeline import own_process\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"  # called last
        "own_process.begin()\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("done\nFalse\nTrue\n", "")
