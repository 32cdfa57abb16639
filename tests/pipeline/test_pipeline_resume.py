"""A step that failed, was killed or timed out goes on in its middle: on its next try, and when its pipeline's run is
gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.core.errors import ExecutionError, ParameterError, RefusedError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline import checkpointing
from nbops.pipeline.run import run_pipeline
from nbops.store import records, runs


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second is at risk: the notebooks of tests are short. (Worker processes wait five; there, a cell with an
    effect outside the notebook has its state kept at once.)"""
    monkeypatch.setattr(checkpointing, "RISK_S", 0.0)


def newest(project, kind: RunKind = RunKind.PIPELINE, name: str | None = None) -> Any:
    return runs.listed(project.ws().store, kinds=[kind], name=name, limit=1)[0]


def attempts(project, name: str) -> list[Any]:
    """Oldest first."""
    return runs.listed(project.ws().store, kinds=[RunKind.STEP], name=name)[::-1]


def failed(project, **how: Any) -> Any:
    with pytest.raises(ExecutionError):
        run_pipeline(project.ws(), **how)
    return newest(project)


def times(project, mark: str) -> int:
    """How often a cell ran that says so by ``mark(NAME)``."""
    return len(list(project.root.glob(f"{mark}-*")))


MARK = "import os, time, pathlib\ndef mark(name): pathlib.Path(f'{name}-{time.time_ns()}').touch()\n"
SLOW = "time.sleep(0.2)"

RETRIED = """
[pipelines.main.steps.long]
notebook = "long.ipynb"
params = { n = 3 }
retries = 2
retry_wait_s = 0.05
"""


def test_the_next_try_goes_on_at_the_cell_that_failed(project):
    project.notebook(
        "long.ipynb",
        "# parameters\nn = 1",
        MARK + "mark('first'); xs = list(range(n))",
        f"mark('second'); xs.append(10)\n{SLOW}",
        "mark('third'); xs.append(11)\nassert len(list(pathlib.Path().glob('third-*'))) > 1\nprint(xs)",
    )
    project.toml(RETRIED)
    told = []
    run = run_pipeline(project.ws(), progress=told.append)
    first, second = attempts(project, "long")
    assert (first.status, second.status) == (RunStatus.FAILED, RunStatus.COMPLETED)
    assert (times(project, "first"), times(project, "second"), times(project, "third")) == (1, 1, 2)
    # cells: parameters, the injected ones, first, second, third
    said = f"went on at cell 5 of 5 from the checkpoint of run {first.id[:6]}"
    assert second.detail["resumed"] == {"attempt": first.id, "from_cell": 5, "cells": 5, "ran_again": {}}
    assert run.detail["steps"]["long"]["why"] == second.detail["why"] == said
    assert [e.why for e in told if e.state == "started"][1] == said
    assert second.detail["attempt"] == 2
    output = json.loads((project.root / second.detail["executed"]).read_text())["cells"][4]["outputs"][0]
    assert "".join(output["text"]) == "[0, 1, 2, 10, 11]\n"
    assert not checkpoint_folder(project.ws(), first.id).exists()
    assert not checkpoint_folder(project.ws(), second.id).exists()


KILLED = """
[pipelines.main.steps.make]
notebook = "make.ipynb"
[pipelines.main.steps.long]
notebook = "long.ipynb"
needs = ["make"]
[pipelines.main.steps.after]
notebook = "after.ipynb"
needs = ["long"]
outputs = ["result.txt"]
"""
RUNNER = """
import sys
from pathlib import Path
from nbops.pipeline.run import run_pipeline
from nbops.workspace import open_workspace
run_pipeline(open_workspace(Path(sys.argv[1])), jobs=int(sys.argv[2]))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_pipeline_is_gone_on_with_and_comes_to_what_it_would_have_come_to(project, jobs):
    project.notebook("make.ipynb", MARK + "import nbops; mark('make'); nbops.output('base', 40)")  # uses the clock
    project.notebook(
        "long.ipynb",
        "import nbops, numpy as np; rng = np.random.default_rng(nbops.input('base')); drawn = rng.random(1000)",
        MARK + "mark('long'); more = drawn + rng.random(1000)\nopen('log', 'a').write('x')",
        "pathlib.Path('mark').touch()\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n"
        "last = more + rng.random(1000)",
        "total = round(float(last.sum()), 6); nbops.output('total', total)",
    )
    project.notebook("after.ipynb", "import nbops; open('result.txt', 'w').write(str(nbops.input('total')))")
    project.toml(KILLED)
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(project.root), str(jobs)], stderr=subprocess.PIPE
    ) as runner:
        until = time.monotonic() + 120
        while not (project.root / "mark").exists() and time.monotonic() < until:
            time.sleep(0.05)
        runner.kill()
    while any(not r.status.ended for r in attempts(project, "long")) and time.monotonic() < until:
        time.sleep(0.05)  # its worker stops when it notices
    (project.root / "go").touch()
    (killed,) = attempts(project, "long")
    lost = newest(project)
    assert lost.status == RunStatus.LOST
    done = run_pipeline(project.ws(), resume="last", jobs=jobs)

    assert done.detail["resumed"] == {"attempt": lost.id}
    assert {s: how["status"] for s, how in done.detail["steps"].items()} == {
        "make": "CACHED",  # it came to its end, although it uses the clock
        "long": "COMPLETED",
        "after": "COMPLETED",
    }
    assert (times(project, "make"), times(project, "long")) == (1, 1)
    assert (project.root / "log").read_text() == "x"
    resumed = attempts(project, "long")[-1]
    assert resumed.detail["resumed"] == {"attempt": killed.id, "from_cell": 3, "cells": 4, "ran_again": {}}
    result = (project.root / "result.txt").read_text()

    whole = run_pipeline(project.ws(), force=True)
    uninterrupted = attempts(project, "long")[-1]
    assert uninterrupted.parent == whole.id
    assert prints(project, resumed) == prints(project, uninterrupted)
    assert {"drawn", "more", "last"} <= prints(project, resumed).keys()
    assert (project.root / "result.txt").read_text() == result


def prints(project, run) -> dict[str, Any]:
    found = {}
    for record in records.of_run(project.ws().store, run.id):
        found |= {use.name: use.fingerprint.digest for use in record.writes}
    return found


TOP = """
[pipelines.main.steps.long]
notebook = "long.ipynb"
inputs = ["data.csv"]
"""


def test_from_the_top_where_something_before_the_state_is_other_now_and_it_is_said_why(project):
    cells = [
        "# parameters\nn = 1",
        MARK + f"import other; mark('first'); text = pathlib.Path('data.csv').read_text()\n{SLOW}",
        "mark('second')\nassert os.path.exists('go')",
    ]
    project.notebook("long.ipynb", *cells)
    (project.root / "data.csv").write_text("a\n1\n")
    (project.root / "other.py").write_text("x = 1\n")
    project.toml(TOP)
    failed(project)
    expected = []

    def gone_on_with(why: str, **how: Any) -> None:
        before = attempts(project, "long")[-1]
        failed(project, resume="last", **how)
        run = attempts(project, "long")[-1]
        assert run.detail["resumed"] == {"attempt": before.id, "from_cell": 1}
        assert run.detail["why"] == f"from the top, not from where run {before.id[:6]} ended: {why}"
        expected.append(why)
        assert times(project, "first") == 1 + len(expected)

    gone_on_with("the parameter n: 'default' became 3", params={"n": 3})
    cells[0] += "\nm = 2"
    project.notebook("long.ipynb", *cells)
    gone_on_with("cell 1 has changed since")
    (project.root / "data.csv").write_text("a\n2\n")
    gone_on_with("the input data.csv changed")
    (project.root / "other.py").write_text("x = 2\n")
    gone_on_with("the local module other.py changed")
    folder = checkpoint_folder(project.ws(), attempts(project, "long")[-1].id)
    for manifest in folder.glob("boundary-*.json"):
        data = json.loads(manifest.read_text())
        data["versions"]["IPython"] = "0.1"
        manifest.write_text(json.dumps(data))
    failed(project, resume="last")  # asked in the kernel: its run is there, and the one from the top
    tried, run = attempts(project, "long")[-2:]
    assert "IPython 0.1 became" in tried.error
    assert run.detail["resumed"]["from_cell"] == 1
    assert "IPython 0.1 became" in run.detail["why"]
    # and what comes after the state may change
    (project.root / "go").touch()
    project.notebook("long.ipynb", *cells[:2], "mark('third')")
    before = times(project, "first")
    done = run_pipeline(project.ws(), resume=newest(project).id[:8])
    assert "went on at cell 4 of 4" in done.detail["steps"]["long"]["why"]
    assert (times(project, "first"), times(project, "third")) == (before, 1)
    with pytest.raises(UsageError, match=r"is completed; only one that didn't come to its end can be resumed"):
        run_pipeline(project.ws(), resume="last")


def test_effects_are_not_repeated_unasked_by_going_on_but_by_the_tries_a_step_has(project):
    project.notebook(
        "long.ipynb",
        MARK + f"mark('first')\n{SLOW}",
        "open('log', 'a').write('x')\nassert os.path.exists('go')",
    )
    project.toml(RETRIED.replace("params = { n = 3 }\n", "").replace("retries = 2", "retries = 1"))
    first = failed(project)
    assert [r.status for r in attempts(project, "long")] == [RunStatus.FAILED] * 2
    second = attempts(project, "long")[-1]
    assert second.detail["why"].endswith("repeated: cell 2 adds to a file")
    assert ((project.root / "log").read_text(), times(project, "first")) == ("xx", 1)
    (project.root / "go").touch()
    with pytest.raises(RefusedError, match=r"cell 2 adds to a file; --repeat-effects"):
        run_pipeline(project.ws(), resume="last")
    assert newest(project).id == first.id, "nothing was executed or recorded"
    done = run_pipeline(project.ws(), resume="last", repeat_effects=True)
    assert done.status == RunStatus.COMPLETED
    assert ((project.root / "log").read_text(), times(project, "first")) == ("xxx", 1)


def test_what_cannot_be_gone_on_with(project):
    project.notebook("long.ipynb", "# parameters\ntoken = ''", "1 / 0")
    project.toml(RETRIED.replace("params = { n = 3 }\nretries = 2\n", "") + "[pipelines.other.steps.a]\nnotebook = 'a'")
    run = failed(project, name="main", params={"token": "sk-abcdefghijklmnopqrstuvwx"})
    with pytest.raises(ParameterError, match=r"the parameter 'token' of run .* was not kept.*-p token=…"):
        run_pipeline(project.ws(), "main", resume=run.id)
    with pytest.raises(UsageError, match=r"is of the pipeline 'main', not of 'other'"):
        run_pipeline(project.ws(), "other", resume=run.id)
    with pytest.raises(UsageError, match=r"is no run of a pipeline \(step\)"):
        run_pipeline(project.ws(), "main", resume=attempts(project, "long")[0].id)
    with pytest.raises(UsageError, match=r"leave out force and from_step"):
        run_pipeline(project.ws(), "main", resume=run.id, force=True)
