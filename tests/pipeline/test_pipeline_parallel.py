"""Several steps at once, in worker processes: what runs beside what, and how it ends when something goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbops.core.errors import ExecutionError, RefusedError, SettingsError
from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline.run import run_pipeline
from nbops.store import runs
from nbops.store.liveness import this_process

# each of two notebooks waits for the other: one after the other they would wait in vain
MEETS = (
    "# parameters\nme = ''\nother = ''",
    "import pathlib, time\npathlib.Path(me).touch()\nend = time.monotonic() + 60\n"
    "while not pathlib.Path(other).exists():\n    assert time.monotonic() < end\n    time.sleep(0.02)",
)
MEET = """
[pipelines.main]
jobs = 2
[pipelines.main.steps.a]
notebook = "meets.ipynb"
params = { me = "a.txt", other = "b.txt" }
outputs = ["a.txt"]
[pipelines.main.steps.b]
notebook = "meets.ipynb"
params = { me = "b.txt", other = "a.txt" }
outputs = ["b.txt"]
[pipelines.main.steps.bad]
notebook = "bad.ipynb"
[pipelines.main.steps.after_bad]
notebook = "after.ipynb"
needs = ["bad"]
[pipelines.main.steps.after]
notebook = "after.ipynb"
inputs = ["a.txt", "b.txt"]
"""


def children(project) -> dict[str, RunStatus]:
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    return {r.name: r.status for r in runs.children(project.ws().store, run.id)}


def owners(project) -> dict[str, int]:
    """The process that executes (or has executed) each step."""
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    return {r.name: r.owner.pid for r in runs.children(project.ws().store, run.id) if r.owner is not None}


def test_steps_run_at_once_in_their_own_processes_and_a_failing_one_stops_only_what_needs_it(project):
    project.notebook("meets.ipynb", *MEETS)
    project.notebook("bad.ipynb", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")  # as the OOM killer does
    project.notebook("after.ipynb", "1")
    project.toml(MEET)
    told = []
    with pytest.raises(ExecutionError) as caught:
        run_pipeline(project.ws(), progress=told.append)
    assert "step 'bad' (bad.ipynb) failed: its kernel died in cell 1 of 1: it was killed by SIGKILL (out of" in str(
        caught.value
    )
    assert str(caught.value).endswith("not run: after_bad")
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    workers = owners(project)
    assert workers["a"] != workers["b"]
    assert os.getpid() not in workers.values()
    assert children(project) == {"a": "COMPLETED", "b": "COMPLETED", "bad": "FAILED", "after": "COMPLETED"}
    assert {s: how["status"] for s, how in run.detail["steps"].items()} == {
        "a": "COMPLETED",
        "b": "COMPLETED",
        "bad": "FAILED",
        "after_bad": "",
        "after": "COMPLETED",
    }
    states = [(e.step, e.state) for e in told if e.state != "cell"]
    assert states.index(("b", "started")) < states.index(("a", "completed"))
    assert ("bad", "failed") in states
    assert ("after_bad", "not run") in states


RUNNER = """
import sys
from pathlib import Path
from nbops.pipeline.run import run_pipeline
from nbops.workspace import open_workspace
run_pipeline(open_workspace(Path(sys.argv[1])), jobs=2)
"""
WAITS = (
    "# parameters\nme = ''",
    "import os, pathlib, time\npathlib.Path(f'mark-{me}-{os.getpid()}').touch()\ntime.sleep(120)",
)
WAIT = """
[pipelines.main.steps.a]
notebook = "waits.ipynb"
params = { me = "a" }
[pipelines.main.steps.b]
notebook = "waits.ipynb"
params = { me = "b" }
[pipelines.main.steps.c]
notebook = "waits.ipynb"
needs = ["a", "b"]
"""


@pytest.fixture
def waiting(project):
    """A process that runs two steps at once, and the pids of their kernels and of the workers."""
    project.notebook("waits.ipynb", *WAITS)
    project.toml(WAIT)
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(project.root)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 90
    while len(marks := list(project.root.glob("mark-*"))) < 2:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kernels = {name: int(pid) for name, pid in (mark.name.split("-")[1:] for mark in marks)}
    workers = owners(project)
    yield project, process, [kernels["a"], kernels["b"]], [workers["a"], workers["b"]]
    if process.poll() is None:
        process.kill()
        process.communicate()
    process.stderr.close()


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        if all(" Z " in Path(f"/proc/{pid}/stat").read_text() for pid in left if Path(f"/proc/{pid}/stat").exists()):
            return True
        time.sleep(0.1)
    return False


def test_ctrl_c_stops_every_kernel_and_every_run(waiting):
    project, process, kernels, workers = waiting
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert gone(kernels + workers)
    assert children(project) == {"a": "STOPPED", "b": "STOPPED"}
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    assert run.status == RunStatus.STOPPED
    assert {s: how["status"] for s, how in run.detail["steps"].items()} == {"a": "STOPPED", "b": "STOPPED", "c": ""}


def test_when_the_runner_is_killed_its_workers_stop_by_themselves(waiting):
    project, process, kernels, workers = waiting
    process.kill()
    process.communicate()
    assert gone(kernels + workers)
    assert children(project) == {"a": "STOPPED", "b": "STOPPED"}
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    assert run.status == RunStatus.LOST


def test_when_a_worker_is_killed_its_step_fails_and_the_others_go_on(waiting):
    project, process, kernels, workers = waiting
    os.kill(workers[0], signal.SIGKILL)
    assert gone([workers[0], kernels[0]])
    os.kill(kernels[1], signal.SIGKILL)  # the other worker is there to say how its step ended
    said = process.communicate(timeout=60)[1].decode()
    assert "failed: the process that ran it died (killed, or out of memory)" in said
    assert "failed: its kernel died" in said
    assert "not run: c" in said
    assert children(project) == {"a": "FAILED", "b": "FAILED"}


def test_a_pipeline_that_would_make_what_a_running_one_makes_is_refused(project):
    project.notebook("a.ipynb", "open('x.csv', 'w')")
    toml = '[pipelines.{}.steps.a]\nnotebook = "a.ipynb"\noutputs = ["x.csv"]\n'
    project.toml(toml.format("one") + toml.format("two"))
    ws = project.ws()
    other = Run(
        id=new_id(),
        kind=RunKind.PIPELINE,
        name="one",
        experiment="one",
        status=RunStatus.IN_PROGRESS,
        started_at=ws.clock.now(),
        owner=this_process(),
        detail={"outputs": ["x.csv"]},
    )
    with ws.store.transaction() as tx:
        runs.save(tx, other)
    with pytest.raises(RefusedError, match=r"'one' is running \(run .*\) and makes 'x.csv', as this one would"):
        run_pipeline(ws, "two")
    assert [r.name for r in runs.listed(ws.store)] == ["one"]
    # of a process that is gone nothing is to be feared
    from dataclasses import replace

    with ws.store.transaction() as tx:
        runs.save(tx, replace(other, owner=replace(this_process(), started="1")))
    assert run_pipeline(ws, "two").status == RunStatus.COMPLETED


def test_two_steps_that_make_one_output_and_limits_that_are_not_there(project):
    project.notebook("a.ipynb", "1")
    step = '[pipelines.main.steps.{}]\nnotebook = "a.ipynb"\n'
    project.toml(step.format("a") + 'outputs = ["x"]\n' + step.format("b") + 'outputs = ["x"]\n')
    with pytest.raises(SettingsError, match="the steps 'a' and 'b' both make the output 'x'"):
        run_pipeline(project.ws())
    project.toml(step.format("a") + 'uses = ["gpu"]\n')
    with pytest.raises(SettingsError, match=r"step 'a' uses 'gpu'; say how many .* limits = { gpu = 1 }"):
        run_pipeline(project.ws())


def test_of_those_that_use_a_thing_only_so_many_run_at_once(project):
    cell = (
        "import json, os, time\nbegan = time.monotonic()\ntime.sleep(0.3)\nprint(json.dumps([began, time.monotonic()]))"
    )
    project.notebook("a.ipynb", cell)
    project.toml(
        '[pipelines.main]\njobs = 2\nlimits = { gpu = 1 }\n[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n'
        'uses = ["gpu"]\ncache = false\n[pipelines.main.steps.b]\nnotebook = "a.ipynb"\nuses = ["gpu"]\ncache = false\n'
    )
    run, _ = project.run()
    spans = []
    for step in runs.children(project.ws().store, run.id):
        cells = json.loads((project.root / step.detail["executed"]).read_text())["cells"]
        spans.append(json.loads("".join(cells[0]["outputs"][0]["text"])))
    (_, first_ended), (second_began, _) = sorted(spans)
    assert first_ended < second_began
