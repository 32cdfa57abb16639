"""JupyterLab's own scheduler, the real package in a server of its own, runs its notebooks through us.

It asks for an old croniter, so it has an environment of its own: ``make scheduler-env``."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scheduled import notebook

from jupyter_process import started
from nbops.core.runs import Run, RunStatus
from nbops.store import records, runs
from nbops.workspace import open_workspace
from needs import missing

PYTHON = Path(__file__).resolve().parents[2] / ".venv-scheduler" / "bin" / "python"
MANAGER = "nbops.labscheduler.execution_manager.NbopsExecutionManager"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "nbops.toml").touch()
    return folder


@pytest.fixture
def ask(tmp_path: Path, root: Path) -> Iterator[Callable[..., Any]]:
    """Call the REST API of a Jupyter server with jupyter-scheduler and our execution manager."""
    if not PYTHON.exists():
        missing("jupyter-scheduler's environment ('make scheduler-env')")
    options = {
        "ServerApp.jpserver_extensions": "jupyter_scheduler=True",
        "ServerApp.disable_check_xsrf": True,
        "Scheduler.execution_manager_class": MANAGER,
        "SchedulerApp.db_url": f"sqlite:///{tmp_path}/scheduler.sqlite",
    }
    words = [f"--{key}={value}" for key, value in options.items()]
    server = started("jupyter_server", tmp_path / "server", root, *words, python=PYTHON)

    def call(path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            f"{server.url}/scheduler/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"token {server.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = answer.read()
            return json.loads(said) if said else None

    try:
        yield call
    finally:
        server.end()


def _until(what: Callable[[], Any], seconds: float = 280.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.2)
    return found


def _run(root: Path) -> Run:
    ws = open_workspace(root, environ={})
    (run,) = [r for r in runs.listed(ws.store) if "jupyter-scheduler" in r.tags][:1]
    return run


@pytest.mark.slow
@pytest.mark.timeout(900)  # a Jupyter server and three kernels, on a busy machine
def test_its_jobs_are_runs_of_ours_and_have_their_outputs_there(ask: Callable[..., Any], root: Path) -> None:
    notebook(root / "train.ipynb", "lr: float = 0.1", "import nbops\nnbops.log_metric('loss', lr * 2)\nprint(f'{lr=}')")
    text = json.loads((root / "train.ipynb").read_text())
    text["cells"][0]["metadata"]["tags"] = ["parameters"]
    (root / "train.ipynb").write_text(json.dumps(text))
    (environment, *_) = ask("runtime_environments")

    def job(**what: Any) -> dict[str, Any]:
        body = {"name": "a job", "input_uri": "train.ipynb", "output_formats": ["ipynb", "html"]}
        made = ask("jobs", body | {"runtime_environment_name": environment["name"]} | what)

        def ended() -> Any:
            found = ask(f"jobs/{made['job_id']}")
            return found if found["status"] in ("COMPLETED", "FAILED") else None

        found: dict[str, Any] = _until(ended)
        return found

    good = job(parameters={"lr": "0.5"})
    assert good["status"] == "COMPLETED", good
    run = _run(root)
    assert (run.status, run.name, run.detail["jupyter_scheduler"]["job"]) == (
        RunStatus.COMPLETED,
        "train",
        good["job_id"],
    )
    ws = open_workspace(root, environ={})
    assert [(m.name, m.value) for m in records.metrics(ws.store, run.id)] == [("loss", 1.0)], (
        "a number, not '0.5' twice"
    )
    ask(f"jobs/{good['job_id']}/download_files")
    files = _until(lambda: list((root / "jobs").rglob("train-*.ipynb")))
    assert "lr=0.5" in files[0].read_text()
    assert _until(lambda: list((root / "jobs").rglob("train-*.html")))

    bad = job(parameters={"lr": "fast"})
    assert bad["status"] == "FAILED" and "'fast'" in bad["status_message"], "said before anything ran"
    assert _run(root).id == run.id

    notebook(root / "broken.ipynb", "1 / 0")
    broken = job(input_uri="broken.ipynb")
    assert broken["status"] == "FAILED" and "ZeroDivisionError" in broken["status_message"]
    assert _run(root).status is RunStatus.FAILED
    (kept,) = re.findall(r"the executed notebook is (\S+\.ipynb)", broken["status_message"])
    assert "ZeroDivisionError" in Path(kept).read_text()
