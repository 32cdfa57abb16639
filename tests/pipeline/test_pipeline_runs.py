"""Pipelines of real notebooks: data goes from step to step, what hasn't changed is skipped, what has is said."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from nbops.core.clock import FixedClock
from nbops.core.errors import ExecutionError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline.run import run_pipeline
from nbops.pipeline.step_run import add_detail
from nbops.store import runs
from nbops.workspace import open_workspace

PREPARE = (
    "# parameters\nmonth = 1",
    "import local_rules, nbops\nfrom pathlib import Path",
    "n = len(Path('data/rides.csv').read_text().splitlines()) * local_rules.FACTOR",
    "Path('out').mkdir(exist_ok=True)",
    "Path('out/clean.csv').write_text(f'{n} {month}')\nnbops.output('count', {'n': n})",
)
TRAIN = (
    "# parameters\nrate = 0.5",
    "import nbops\nfrom pathlib import Path",
    "print(Path('out/clean.csv').read_text(), nbops.input('count'), rate)",
)
TOML = """
[pipelines.main.steps.train]
notebook = "train.ipynb"
inputs = ["out/*.csv", "count"]

[pipelines.main.steps.prepare]
notebook = "prepare.ipynb"
inputs = ["data/*.csv"]
outputs = ["out/clean.csv", "count"]
"""


@pytest.fixture
def two_steps(project):
    (project.root / "data").mkdir()
    (project.root / "data/rides.csv").write_text("a\nb\n")
    (project.root / "local_rules.py").write_text("FACTOR = 10\n")
    project.notebook("prepare.ipynb", *PREPARE)
    project.notebook("train.ipynb", *TRAIN)
    project.toml(TOML)
    return project


def states(last) -> dict[str, str]:
    return {step: event.state for step, event in last.items()}


def executed(project, run, step: str, texts) -> str:
    (found,) = [r for r in runs.children(project.ws().store, run.id) if r.name == step]
    return texts(project.root / found.detail["executed"])


def test_a_pipeline_hands_on_data_and_skips_what_has_not_changed(two_steps, texts):
    project = two_steps
    first, last = project.run(params={"month": 3})
    assert states(last) == {"prepare": "completed", "train": "completed"}
    assert executed(project, first, "train", texts) == "20 3 {'n': 20} 0.5\n"
    assert (first.kind, first.status, first.name) == (RunKind.PIPELINE, RunStatus.COMPLETED, "main")
    children = runs.children(project.ws().store, first.id)
    assert [(r.name, r.status) for r in children] == [("prepare", "COMPLETED"), ("train", "COMPLETED")]
    assert children[0].detail["outputs"].keys() == {"out/clean.csv", "count"}

    # nothing changed: both are skipped, and what is gone is brought back by content
    (project.root / "out/clean.csv").unlink()
    again, last = project.run(params={"month": 3})
    assert states(last) == {"prepare": "cached", "train": "cached"}
    assert last["prepare"].why == f"nothing changed since run {children[0].id[:6]}"
    assert (project.root / "out/clean.csv").read_text() == "20 3"
    skipped = runs.children(project.ws().store, again.id)
    assert [(r.status, r.detail["cached_from"]) for r in skipped] == [("CACHED", r.id) for r in children]

    # a comment is no change; a notebook's outputs neither
    project.notebook("prepare.ipynb", PREPARE[0], "# a comment\n" + PREPARE[1], *PREPARE[2:])
    assert states(project.run(params={"month": 3})[1]) == {"prepare": "cached", "train": "cached"}

    def changed(**how) -> tuple[dict[str, str], str]:
        _, last = project.run(**how)
        return states(last), last["prepare"].why

    def why(run_id_of: str) -> str:
        return runs.listed(project.ws().store, kinds=[RunKind.STEP], name=run_id_of, limit=1)[0].detail["why"]

    # a parameter
    assert changed()[0] == {"prepare": "completed", "train": "completed"}
    assert why("prepare") == "the parameter month: 3 became 1"
    assert why("train") == "the input out/clean.csv changed"
    # an input file; what train reads changes with it
    (project.root / "data/rides.csv").write_text("a\nb\nc\n")
    assert changed()[0] == {"prepare": "completed", "train": "completed"}
    assert why("prepare") == "the input data/rides.csv changed"
    assert why("train") == "the input out/clean.csv changed; the handed-on value count changed"
    # a local module, but not a comment in it; what comes out is the same, so train is skipped
    (project.root / "local_rules.py").write_text("FACTOR = 10  # ten\n")
    assert changed()[0] == {"prepare": "cached", "train": "cached"}
    (project.root / "local_rules.py").write_text("FACTOR = 5 + 5\n")
    assert changed()[0] == {"prepare": "completed", "train": "cached"}
    assert why("prepare") == "the local module local_rules.py changed"
    # the code
    project.notebook("train.ipynb", *TRAIN[:2], TRAIN[2] + "\nprint('more')")
    assert changed()[0] == {"prepare": "cached", "train": "completed"}
    assert why("train") == "the code changed"


def test_forced_from_a_step_on_and_dry(two_steps, texts):
    project = two_steps
    project.run()
    _, last = project.run(dry_run=True)
    assert states(last) == {"prepare": "would be cached", "train": "would be cached"}
    run, last = project.run(from_step="train")
    assert states(last) == {"prepare": "not run", "train": "completed"}
    assert executed(project, run, "train", texts) == "20 1 {'n': 20} 0.5\n"
    assert run.detail["steps"]["prepare"]["why"] == "it lies before the step asked for"
    _, last = project.run(force=True)
    assert states(last) == {"prepare": "completed", "train": "completed"}


def test_after_a_failing_step_those_that_need_it_are_not_run(two_steps):
    project = two_steps
    project.notebook("prepare.ipynb", "def f():\n    raise KeyError('rides')\nf()")
    project.toml(TOML + '[pipelines.main.steps.apart]\nnotebook = "apart.ipynb"\n')
    project.notebook("apart.ipynb", "1")
    with pytest.raises(ExecutionError) as caught:
        project.run(keep_going=False)
    said = str(caught.value)
    assert "the pipeline 'main': step 'prepare' (prepare.ipynb) failed in cell 1 (In [1]): KeyError: 'rides'" in said
    assert "----> 2     raise KeyError('rides')" in said
    assert said.endswith("\nnot run: train, apart")
    store = project.ws().store
    (run,) = runs.listed(store, kinds=[RunKind.PIPELINE])
    assert run.status == RunStatus.FAILED
    assert run.error is not None
    assert "KeyError: 'rides'" in run.error
    assert {s: v["status"] for s, v in run.detail["steps"].items()} == {"prepare": "FAILED", "train": "", "apart": ""}
    assert [(r.name, r.status) for r in runs.children(store, run.id)] == [("prepare", "FAILED")]

    with pytest.raises(ExecutionError, match=r"not run: train$"):
        project.run()
    assert [r.name for r in runs.children(store, runs.listed(store, kinds=[RunKind.PIPELINE])[0].id)] == [
        "prepare",
        "apart",
    ]


def test_a_step_that_makes_no_output_it_declares_fails(two_steps):
    project = two_steps
    project.notebook("prepare.ipynb", "1")
    with pytest.raises(ExecutionError, match=r"step 'prepare' came to its end but made no output 'out/clean.csv'"):
        project.run()
    (step,) = runs.listed(project.ws().store, kinds=[RunKind.STEP])
    assert step.status == RunStatus.FAILED


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("import time; time.time()", r"cell 1 uses the time of day \(time.time\)"),
        ("import numpy as np; np.random.rand()", "unseeded random numbers"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "a database"),
    ],
)
def test_a_step_that_looks_outside_is_not_cached_unless_declared(project, cell, says):
    project.notebook("a.ipynb", cell)
    project.toml('[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n')
    project.run()
    _, last = project.run(dry_run=True)
    assert last["a"].state == "would run"
    assert re.search(says, last["a"].why), last["a"].why
    project.toml('[pipelines.main.steps.a]\nnotebook = "a.ipynb"\ncache = true\n')
    assert project.run(dry_run=True)[1]["a"].state == "would be cached"
    project.toml('[pipelines.main.steps.a]\nnotebook = "a.ipynb"\ncache = "1d"\n')
    assert project.run(dry_run=True)[1]["a"].state == "would be cached"
    later = open_workspace(project.root, clock=FixedClock(datetime.now(UTC) + timedelta(days=3)))
    step = run_pipeline(later, dry_run=True).detail["steps"]["a"]
    assert (step["verdict"], step["why"]) == ("stale", "its last run is 3.0 days old, and cache = '1d'")
    project.toml('[pipelines.main.steps.a]\nnotebook = "a.ipynb"\ncache = false\n')
    assert project.run(dry_run=True)[1]["a"].why == "nbops.toml says cache = false"


def test_a_file_that_was_read_without_being_declared_counts_too(project):
    (project.root / "hidden.txt").write_text("1")
    project.notebook("a.ipynb", "name = 'hid' + 'den.txt'", "print(open(name).read())")
    project.toml('[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n')
    project.run()
    assert project.run(dry_run=True)[1]["a"].state == "would be cached"
    (project.root / "hidden.txt").write_text("2")
    assert project.run(dry_run=True)[1]["a"].why == "hidden.txt, which it read, has changed"


def test_an_output_too_large_to_be_kept_is_made_again(two_steps):
    project = two_steps
    project.toml("[store]\nkeep_under_mb = 0\n" + TOML)
    project.run()
    assert states(project.run()[1]) == {"prepare": "cached", "train": "cached"}
    (project.root / "out/clean.csv").unlink()
    _, last = project.run(dry_run=True)
    assert "was too large to be kept" in last["prepare"].why


def test_another_version_of_a_package_makes_a_step_run(two_steps):
    project = two_steps
    run, _ = project.run()
    store = project.ws().store
    step = runs.children(store, run.id)[0]
    cache = step.detail["cache"]
    assert cache["packages"]["IPython"]
    packages = {**cache["packages"], "IPython": "0.1"}  # as if it had run with an IPython of long ago
    add_detail(project.ws(), step.id, {"cache": {**cache, "packages": packages}})
    assert re.match(r"IPython 0\.1 became \d", project.run(dry_run=True)[1]["prepare"].why)


RUNNER = """
import sys
from pathlib import Path
from nbops.pipeline.run import run_pipeline
from nbops.workspace import open_workspace
run_pipeline(open_workspace(Path(sys.argv[1])))
"""


def test_ctrl_c_stops_step_and_pipeline(two_steps):
    project = two_steps
    mark = project.root / "mark"
    project.notebook("prepare.ipynb", "open('mark', 'w').close(); import time; time.sleep(120)")
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(project.root)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    store = project.ws().store
    assert {r.name: r.status for r in runs.listed(store)} == {"main": RunStatus.STOPPED, "prepare": RunStatus.STOPPED}
    (run,) = runs.listed(store, kinds=[RunKind.PIPELINE])
    assert run.detail["steps"]["train"]["why"] == "not run: stopped by the user"
