"""Pipelines and sweeps from the command line: what is printed, what is written, how it exits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

TOML = """
[pipelines.main.steps.make]
notebook = "make.ipynb"
outputs = ["rows"]
[pipelines.main.steps.skips]
notebook = "skips.ipynb"
inputs = ["rows"]
[pipelines.main.steps.breaks]
notebook = "breaks.ipynb"
[pipelines.main.steps.after]
notebook = "make.ipynb"
needs = ["breaks"]
"""


def nbops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from nbops.cli.main import main; main()", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def notebook(folder: Path, name: str, *cells: str) -> None:
    body = [
        {"cell_type": "code", "id": f"c{i}", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
        for i, cell in enumerate(cells)
    ]
    body[0]["metadata"] = {"tags": ["parameters"]}
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    data = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body}
    (folder / name).write_text(json.dumps(data))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "nbops.toml").write_text(TOML)
    notebook(tmp_path, "make.ipynb", "n: int = 1  # how many", "import nbops\nnbops.output('rows', n)")
    notebook(tmp_path, "skips.ipynb", "m = 1", "import nbops\nnbops.skip('no data today')")
    notebook(tmp_path, "breaks.ipynb", "m = 1", "1 / 0")
    return tmp_path


def test_a_pipeline(project: Path) -> None:
    dry = json.loads(nbops(project, "pipeline", "run", "--dry-run", "--json").stdout)
    assert {step: how["verdict"] for step, how in dry["steps"].items()} == dict.fromkeys(
        ["make", "skips", "breaks", "after"], "run"
    )
    assert not (project / ".nbops").exists()
    done = nbops(project, "pipeline", "run", "-p", "n=2")
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert "make: started (it has not completed before)" in lines
    assert any(line.startswith("skips: skipped in ") and line.endswith("(no data today)") for line in lines)
    assert "after: not run ('breaks' failed)" in lines
    assert "Traceback" not in done.stderr.replace("Traceback (most recent call last)", "")
    status = nbops(project, "pipeline", "status").stdout
    assert [line.split()[:2] for line in status.splitlines()[2:]] == [
        ["make", "completed"],
        ["skips", "skipped"],
        ["breaks", "failed"],
        ["after", "not"],
    ]
    said = nbops(project, "pipeline", "run", "--dry-run", "-p", "n=2").stdout.splitlines()
    assert said[1].split()[:2] == ["make", "cached"]
    root = ET.fromstring(nbops(project, "pipeline", "show", "--svg").stdout)
    assert "failed" in [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "make  make.ipynb  [completed]" in nbops(project, "pipeline", "show").stdout


def test_a_sweep(project: Path) -> None:
    words = ["sweep", "make.ipynb", "-p", "n=1..2", "--jobs", "2", "--svg", "sweep.svg"]
    done = nbops(project, *words)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["run", "state", "n", "metrics", "seconds"]
    assert sorted(row[2] for row in rows[1:3]) == ["1", "2"]
    assert len(list(ET.parse(project / "sweep.svg").getroot().iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    again = json.loads(nbops(project, *words[:4], "--json").stdout)
    assert {t["id"][:8] for t in again["trials"]} == {row[0] for row in rows[1:3]}
    wrong = nbops(project, "sweep", "make.ipynb", "-p", "n=1,x")
    assert (wrong.returncode, "'n' must be an integer, not 'x'" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("command", ["stale", "verify"])
def test_a_notebook_that_was_executed_as_a_copy_is_told_where_its_records_are(project: Path, command: str) -> None:
    assert "'%nbops auto on' in it, or 'nbops run'" in nbops(project, command, "make.ipynb").stderr
    ran = nbops(project, "run", "make.ipynb")
    assert ran.returncode == 0, ran.stderr
    said = nbops(project, command, "make.ipynb")
    assert said.returncode == 2
    copy = said.stderr.rstrip().rpartition("which has them: ")[2].strip("'")
    assert nbops(project, command, copy).returncode == 0


def test_parameters_are_listed(project: Path) -> None:
    rows = [line.split() for line in nbops(project, "params", "make.ipynb").stdout.splitlines()]
    assert rows[1] == ["n", "int", "1", "how", "many"]
    (listed,) = json.loads(nbops(project, "params", "make.ipynb", "--json").stdout)
    assert (listed["name"], listed["type"], listed["default"], listed["help"]) == ("n", "int", 1, "how many")


@pytest.mark.parametrize("moment", [0.05, 0.2, 1.0])
def test_ctrl_c_twice_while_workers_start_leaves_no_traceback(project: Path, moment: float) -> None:
    command = [sys.executable, "-uc", "from nbops.cli.main import main; print('here', flush=True); main()"]
    process = subprocess.Popen(
        [*command, "pipeline", "run", "--jobs", "2"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    begun = project / ".nbops" / "runs"
    while process.poll() is None and not begun.exists():
        time.sleep(0.01)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT, 1), "1: it was done before"
    assert "Traceback" not in said and "Exception" not in said
