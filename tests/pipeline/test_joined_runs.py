"""A run whose steps are commands of their own (`--only STEP --run KEY`), as Airflow has it: one run, the same cache and
handovers, true states whatever fails, is asked again, or goes on at once."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from nbops.catalog.deletion import delete
from nbops.core.errors import ExecutionError, RefusedError, UnknownNameError, UsageError
from nbops.core.runs import Owner, Run, RunKind, RunStatus
from nbops.pipeline import checkpointing
from nbops.pipeline.joined import StepDone, run_id, run_step
from nbops.pipeline.run import run_pipeline
from nbops.store import runs

TOML = """
[pipeline]
warm = false  # few kernels a process: a parent to fork them from doesn't pay
[pipelines.main]
on_failure = "tell"
[pipelines.main.steps.make]
notebook = "make.ipynb"
outputs = ["rows"]
retries = 5
retry_wait_s = 600
[pipelines.main.steps.each]
notebook = "each.ipynb"
foreach = { part = "inputs.rows" }
outputs = ["size"]
[pipelines.main.steps.sum]
notebook = "sum.ipynb"
inputs = ["size"]
[pipelines.main.steps.maybe]
notebook = "maybe.ipynb"
needs = ["make"]
[pipelines.main.steps.after]
notebook = "maybe.ipynb"
needs = ["maybe"]
[pipelines.main.steps.tell]
notebook = "tell.ipynb"
"""


@pytest.fixture
def joined(project):
    """A project of five steps, and how to run one of them."""
    project.notebook("make.ipynb", "# parameters\nn = 3", "import nbops\nnbops.output('rows', [9, 10, 1][:n])")
    project.notebook("each.ipynb", "# parameters\npart = 1", "import nbops\nnbops.output('size', part)")
    project.notebook("sum.ipynb", "import nbops\nprint(nbops.input('size'))")
    project.notebook("maybe.ipynb", "import nbops\nnbops.skip('not today')")
    project.notebook("tell.ipynb", "# parameters\nfailed = ''\nerror = ''", "print('told:', failed)")
    project.toml(TOML)

    def one(step: str, key: str = "k", **how: Any) -> StepDone:
        return run_step(project.ws(), "main", step, key, **how)

    return project, one


def states(run: Run) -> dict[str, str]:
    return {step: how["status"] for step, how in run.detail["steps"].items()}


def names(project, run: Run) -> list[tuple[str, str]]:
    return [(child.name, str(child.status)) for child in runs.children(project.ws().store, run.id)]


def test_its_steps_share_one_run_its_handovers_and_the_cache(joined, texts):
    project, one = joined
    first = one("make").run
    assert (first.id, first.status, first.owner, first.detail["key"]) == (
        run_id("main", "k"), RunStatus.IN_PROGRESS, None, "k",
    )  # fmt: skip
    one("each", jobs=1)
    one("sum")
    assert runs.get(project.ws().store, first.id).status == RunStatus.IN_PROGRESS, "a step is still to come"
    done = one("maybe")
    assert (done.state, done.why, done.run.status) == ("SKIPPED", "not today", RunStatus.COMPLETED)
    assert states(done.run) == {
        "make": "COMPLETED", "each": "COMPLETED", "sum": "COMPLETED",
        "maybe": "SKIPPED", "after": "SKIPPED", "tell": "",
    }  # fmt: skip
    assert done.run.detail["steps"]["after"]["why"] == "'maybe' was skipped"
    children = names(project, done.run)
    assert children == [
        ("make", "COMPLETED"), ("each[9]", "COMPLETED"), ("each[10]", "COMPLETED"), ("each[1]", "COMPLETED"),
        ("sum", "COMPLETED"), ("maybe", "SKIPPED"), ("after", "SKIPPED"),
    ]  # fmt: skip
    executed = project.ws().home / "runs" / done.run.detail["steps"]["sum"]["run"] / "sum.ipynb"
    assert texts(executed) == "[9, 10, 1]\n", "in the order of the values, not of their names"

    for step in ("make", "each"):  # asked again, as after a worker that died before it could say so
        again = one(step)
        assert (again.state, again.run.status) == ("COMPLETED", RunStatus.COMPLETED)
    assert names(project, again.run) == children
    other = one("make", "another key")
    assert (other.state, other.run.id != done.run.id) == ("CACHED", True)
    assert one("make", "another key").state == "CACHED"
    assert names(project, other.run) == [("make", "CACHED")]
    whole = run_pipeline(project.ws(), "main")  # the same cache as ever
    assert states(whole) == states(done.run) | dict.fromkeys(["make", "each", "sum"], "CACHED")


def test_what_it_read_outside_is_not_asked_again_within_the_run(joined):
    project, one = joined
    project.notebook("make.ipynb", "import nbops, time\nnbops.output('rows', [time.time()])")
    first = one("make")
    assert one("make").run.detail["steps"]["make"]["run"] == first.run.detail["steps"]["make"]["run"]
    assert one("make", "tomorrow").state == "COMPLETED", "another run asks the clock again"
    forced = one("make", force=True)
    assert forced.run.detail["steps"]["make"]["run"] != first.run.detail["steps"]["make"]["run"]
    project.notebook("make.ipynb", "import nbops\nnbops.output('rows', [1])")
    assert "the code changed" in one("make").why


def test_a_failure_is_told_and_a_step_that_is_tried_again_goes_on_and_brings_the_run_back(joined, texts, monkeypatch):
    project, one = joined
    monkeypatch.setattr(checkpointing, "RISK_S", 0.0)  # the notebooks of tests are short
    project.notebook(
        "each.ipynb",
        "# parameters\npart = 1",
        "import nbops, pathlib, time\npathlib.Path(f'began-{part}-{time.time_ns()}').touch()\ntime.sleep(0.2)",
        "part == 10 and not pathlib.Path('mended').exists() and 1 / 0\nnbops.output('size', part)",
    )
    assert one("make").state == "COMPLETED"
    with pytest.raises(ExecutionError, match=r"each\[10\].*ZeroDivisionError"):
        one("each")
    with pytest.raises(ExecutionError, match="'sum' of the pipeline 'main' is not run: 'each' failed"):
        one("sum")
    run = one("maybe").run
    assert (run.status, states(run)["sum"], "ZeroDivisionError" in (run.error or "")) == (RunStatus.FAILED, "", True)
    told = one("tell")
    assert (told.state, told.run.status) == ("COMPLETED", RunStatus.FAILED)
    executed = project.ws().home / "runs" / told.run.detail["steps"]["tell"]["run"] / "tell.ipynb"
    assert texts(executed) == "told: each\n"

    (project.root / "mended").touch()
    back = one("each").run
    assert sorted(path.name.split("-")[1] for path in project.root.glob("began-*")) == ["1", "10", "9"], "once each"
    (failed, resumed) = [c for c in runs.children(project.ws().store, back.id) if c.name == "each[10]"]
    assert (failed.status, resumed.detail["resumed"]["attempt"]) == (RunStatus.FAILED, failed.id)
    assert (back.status, back.error, "sum" in back.detail["steps"]) == (RunStatus.IN_PROGRESS, None, False)
    assert one("sum").run.status == RunStatus.COMPLETED


def test_what_makes_no_sense_is_refused_and_leaves_the_run_as_it_was(joined):
    project, one = joined
    with pytest.raises(UsageError, match=r"step 'each' of the pipeline 'main' needs 'make', which hasn't .* run 'k'"):
        one("each")
    with pytest.raises(UnknownNameError, match="no step of the pipeline 'main' called 'mak'; did you mean 'make'"):
        one("mak")
    with pytest.raises(UsageError, match="'  ' is no name for a run"):
        one("make", "  ")
    assert runs.listed(project.ws().store, kinds=[RunKind.PIPELINE]) == []
    assert (one("tell").state, one("tell").run.status) == ("", RunStatus.IN_PROGRESS)  # nothing has failed
    one("make", "two", params={"n": 2})
    with pytest.raises(UsageError, match=r"begun with the parameters n=2, not \(none\)"):
        one("each", "two")
    project.toml(TOML.replace('needs = ["make"]', 'needs = ["make"]\nwhen = "inputs.rows.value == []"'))
    said = one("maybe", "two", params={"n": 2})
    assert (said.state, said.why) == ("SKIPPED", "when = 'inputs.rows.value == []' doesn't hold")
    assert said.run.detail["steps"]["after"]["why"] == "'maybe' was skipped"


def test_a_step_that_somebody_is_at_is_refused_and_taken_over_when_he_is_gone(joined):
    project, one = joined
    run = one("make").run
    store = project.ws().store

    def at_work(owner: dict[str, Any]) -> None:
        with store.transaction() as tx:
            known = runs.as_stored(tx, run.id)
            detail = {**known.detail, "at_work": {"maybe": owner}}
            runs.save(tx, dataclasses.replace(known, detail=detail, owner=Owner(**owner)))

    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    from nbops.store.liveness import process

    at_work(vars(process(sleeper.pid)))
    with pytest.raises(RefusedError, match=f"step 'maybe' of the run 'k' is being done by process {sleeper.pid}"):
        one("maybe")
    with pytest.raises(RefusedError, match="the pipeline 'main' is running"):
        run_pipeline(project.ws(), "main")
    sleeper.communicate(b"\n")
    assert runs.get(store, run.id).status == RunStatus.LOST
    assert one("maybe").state == "SKIPPED"
    at_work({"host": "another-pod", "pid": 7, "started": "1", "boot": ""})
    assert one("maybe").run.detail["at_work"] == {}
    delete(project.ws(), [run.id])  # nobody is at it, and nobody need ever be again
    with pytest.raises(
        RefusedError, match=r"the run 'k' of the pipeline 'main' .* is there no more: it was deleted on"
    ):
        one("make")


def test_steps_at_the_same_moment_find_one_run_and_lose_nothing(joined):
    project, one = joined
    one("make")
    faults: list[BaseException] = []
    command = [sys.executable, "-c", "from nbops.cli.main import main; main()", "pipeline", "run", "main", "--run", "k"]

    def call(step: str) -> None:
        ran = subprocess.run([*command, "--only", step], cwd=project.root, capture_output=True, text=True, check=False)
        if ran.returncode:
            faults.append(AssertionError(ran.stderr))

    threads = [threading.Thread(target=call, args=(step,)) for step in ("each", "maybe")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    assert states(run) == {"make": "COMPLETED", "each": "COMPLETED", "maybe": "SKIPPED", "after": "SKIPPED"}
    assert (run.status, run.owner, run.detail["at_work"]) == (RunStatus.IN_PROGRESS, None, {})


def test_the_command_says_how_the_step_ended_and_stops_when_it_is_told_to(joined):
    project, _ = joined
    command = [sys.executable, "-c", "from nbops.cli.main import main; main()", "pipeline", "run", "main"]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], cwd=project.root, capture_output=True, text=True, check=False)

    for words, said in (
        (["--only", "make"], "--only STEP and --run KEY go together"),
        (["--only", "make", "--run", "k", "--dry-run"], "leave out --from, --dry-run"),
        (["--params-json", "[1]"], "write one object"),
        (["--params-json", "{"], "is no JSON"),
    ):
        wrong = call(*words)
        assert (wrong.returncode, said in wrong.stderr) == (2, True), wrong.stderr
    project.notebook("make.ipynb", "# parameters\nn = 3", "import time\nprint('here', flush=True)\ntime.sleep(600)")
    words = ["--only", "make", "--run", "k", "--params-json", '{"n": 2}']
    running = subprocess.Popen([*command, *words], cwd=project.root, stderr=subprocess.PIPE, text=True)
    store = project.ws().store
    ends = time.monotonic() + 250
    while not list(project.root.glob(".nbops/runs/*/make.ipynb")):  # its cells are being executed
        assert time.monotonic() < ends and running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    run = runs.get(store, run_id("main", "k"))
    assert (run.status, runs.params(store, run.id)) == (RunStatus.STOPPED, {"n": 2})
    assert names(project, run) == [("make", "STOPPED")]
    project.notebook("make.ipynb", "# parameters\nn = 3", "import nbops\nnbops.skip('nothing')")
    ended = call(*words, "--skip-exit-code", "99", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["state"]) == (99, "SKIPPED")
    assert runs.get(store, run.id).status == RunStatus.COMPLETED
