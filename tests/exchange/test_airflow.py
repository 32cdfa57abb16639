"""Airflow itself, the real package in an environment of its own, reads the DAG that we write and runs it.

It has neither nbops nor our dependencies: ``make airflow-env``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from exported import NIGHTLY, TOML, notebook, project

from nbops.core.runs import RunKind, RunStatus
from nbops.store import runs
from nbops.workspace import Workspace, open_workspace
from needs import missing

PYTHON = Path(__file__).resolve().parents[2] / ".venv-airflow" / "bin" / "python"
NOTE = 'it\'s a "note"\n$HOME `ls` {{ 1 + 1 }} \\ é'
STEP = 'the "holiday\'s" $HOME; `ls` é'
READ = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
try:
    import nbops
except ImportError:
    nbops = None
dag = bag.dags["train"]
print(json.dumps({
    "errors": bag.import_errors,
    "nbops": nbops is not None,
    "tz": str(dag.timezone),
    "params": {k: p.value for k, p in dag.params.items()},
    "tasks": {t.task_id: [sorted(t.upstream_task_ids), t.trigger_rule, t.retries, t.is_teardown] for t in dag.tasks},
}))
"""
Airflow = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """The first step fails the first time it is tried, and hands on; the second is skipped; the third takes."""
    root = tmp_path / "a project"
    toml = (TOML + NIGHTLY.replace('note = "it\'s"', f"note = {json.dumps(NOTE)}")).replace("jobs = 2", "jobs = 1")
    toml = toml.replace('"the holiday\'s"', json.dumps(STEP))
    ws = project(root, toml)
    first = (
        "import nbops, pathlib\nif not pathlib.Path('tried').exists():\n    pathlib.Path('tried').touch()\n    1 / 0"
    )
    notebook(
        root, "prepare.ipynb", "# parameters\nmonths = 3\nnote = ''", first, "nbops.output('rows', [months, note])"
    )
    notebook(root, "holiday.ipynb", "import nbops\nnbops.skip('no holiday')")
    notebook(root, "train.ipynb", "import nbops\nmonths, note = nbops.input('rows')\nassert months == 12")
    return ws


@pytest.fixture
def airflow(tmp_path: Path, ws: Workspace) -> Airflow:
    if not PYTHON.exists():
        missing("Airflow's environment ('make airflow-env')")
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("NBOPS_", "AIRFLOW_", "PYTHON"))}
    own |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    own |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": f"{PYTHON.parent}:{os.environ['PATH']}"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(PYTHON), *words], env=own, cwd=home, capture_output=True, text=True, check=False)

    return call


@pytest.mark.slow
@pytest.mark.timeout(900)  # Airflow starts four times, and five kernels, on a busy machine
def test_it_reads_the_dag_and_runs_it_as_one_run_of_ours(airflow: Airflow, ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "airflow" / "dags" / "train.py"
    export = [sys.executable, "-c", "from nbops.cli.main import main; main()", "export", "airflow", "--out", str(file)]
    written = subprocess.run(export, cwd=ws.root, capture_output=True, text=True, check=False)
    assert written.returncode == 0, written.stderr

    read = airflow("-c", READ, str(file))
    dag = json.loads(read.stdout.splitlines()[-1]) if read.returncode == 0 else read.stderr
    assert dag == {
        "errors": {},
        "nbops": False,
        "tz": "Europe/Berlin",
        "params": {"months": 12, "note": NOTE},
        "tasks": {
            "prepare": [[], "all_success", 1, False],
            "the_holiday_s_HOME_ls_é": [["prepare"], "all_success", 2, False],
            "train": [["prepare", "the_holiday_s_HOME_ls_é"], "none_failed", 2, False],
            "tell": [["prepare", "the_holiday_s_HOME_ls_é", "train"], "all_done_setup_success", 2, True],
        },
    }
    made = airflow("-m", "airflow", "db", "migrate")
    assert made.returncode == 0, made.stderr
    for wanted in ("COMPLETED", "CACHED"):
        ran = airflow("-m", "airflow", "dags", "test", "train")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        store = open_workspace(ws.root, environ={}).store
        run = runs.listed(store, kinds=[RunKind.PIPELINE])[0]
        assert run.status == RunStatus.COMPLETED
        assert run.detail["key"].startswith("train manual__")
        assert runs.params(store, run.id) == {"months": 12, "note": NOTE}
        assert {step: how["status"] for step, how in run.detail["steps"].items()} == {
            "prepare": wanted, STEP: "SKIPPED", "train": wanted, "tell": "",
        }  # fmt: skip
        tried = ["FAILED"] if wanted == "COMPLETED" else []
        children = [(child.name, str(child.status)) for child in runs.children(store, run.id)]
        assert children == [
            *(("prepare", state) for state in (*tried, wanted)), (STEP, "SKIPPED"), ("train", wanted),
        ]  # fmt: skip
    assert len(runs.listed(store, kinds=[RunKind.PIPELINE])) == 2
