"""One notebook in a real kernel through real papermill: how it ends, what is kept of it, what is said."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nbops.core.errors import ExecutionError, NotebookError, ParameterError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline.execute import run_notebook
from nbops.pipeline.progress import StepEvent
from nbops.pipeline.sweep import run_sweep
from nbops.store import records, runs


def only_run(project, **how):
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.STEP], **how)
    return run


def executed(project, run):
    return json.loads((project.root / run.detail["executed"]).read_text())


def test_a_step_that_goes_well(project, texts):
    notebook = project.notebook(
        "deep/{a} b.ipynb",
        "# parameters\nmonth = 1\nrate = 0.5",
        "import os, pathlib\nprint(pathlib.Path.cwd().name, month, rate, os.environ['NBOPS_RUN_ID'])",
        "# raises\nprint('twice', month * 2)",
    )
    before, environment = notebook.read_bytes(), dict(os.environ)
    ws, news = project.ws(), []
    run = run_notebook(ws, notebook, params={"month": "3"}, progress=news.append, tags=["nightly"])
    assert (run.status, run.error, run.name, run.notebook) == (RunStatus.COMPLETED, None, "{a} b", "deep/{a} b.ipynb")
    assert run.tags == ("nightly",)
    assert "tracking" not in run.detail
    written = ws.home / "runs" / run.id / "{a} b.ipynb"
    assert project.root / run.detail["executed"] == written
    assert texts(written) == f"deep 3 0.5 {run.id}\ntwice 6\n"
    assert notebook.read_bytes() == before
    assert dict(os.environ) == environment
    # what was executed is kept by content, beside the records of every cell
    (kept,) = records.artifacts(ws.store, run.id, "notebook")
    assert ws.artifacts.read_bytes(kept.digest) == written.read_bytes()
    assert [r.execution_count for r in records.of_run(ws.store, run.id)] == [1, 2, 3, 4]
    assert runs.params(ws.store, run.id)["month"] == 3
    assert run.environment["packages"]["IPython"]
    assert list(dict.fromkeys((e.state, e.cell, e.cells) for e in news)) == [  # a long cell is told again
        ("started", 0, 0),
        *(("cell", n, 4) for n in (1, 2, 3, 4)),
        ("completed", 0, 0),
    ]


def test_every_parameter_of_the_notebook_is_recorded_with_its_value_but_no_secret(project, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "tulip moon lamp")
    monkeypatch.setenv("SHOP_URL", "mars brook fern")
    notebook = project.notebook(
        "n.ipynb",
        "# parameters\nimport os, nbops\nfrom datetime import date\nfrom pathlib import Path\n"
        "rate = nbops.param(0.1, ge=0)\nloss = nbops.param('mae', choices=['mae', 'mse'])\np: Path = Path('x')\n"
        "since = date(2011, 1, 2)\nmonths = nbops.param([1])\nfull = False\n"
        "key = nbops.param(secret=True, env='SHOP_KEY')\ncopy = key\nurl = os.environ['SHOP_URL']",
        "1",
    )
    ws = project.ws()
    run = run_notebook(ws, notebook, params={"loss": "mse"})
    found = runs.params(ws.store, run.id)
    assert "tulip" not in str(found) and "mars" not in str(found)
    assert {name: value for name, value in found.items() if name not in ("copy", "url", "key")} == {
        "rate": 0.1, "loss": "mse", "p": "x", "since": "2011-01-02", "months": [1], "full": False,
    }  # fmt: skip


def test_a_failing_cell_is_told_with_its_place_and_traceback_and_nothing_after_it_runs(project):
    notebook = project.notebook(
        "bad.ipynb",
        "print('fine')",
        "def deep():\n    raise ValueError('token=abcdef123456 is wrong')\ndeep()",
        "open('never', 'w')",
    )
    ws, news = project.ws(), []
    with pytest.raises(ExecutionError) as caught:
        run_notebook(ws, notebook, progress=news.append)
    said = str(caught.value)
    assert "step 'bad' (bad.ipynb) failed in cell 2 (In [2]): ValueError: token=[redacted] is wrong" in said
    assert "----> 2     raise ValueError(" in said
    assert "abcdef" not in said
    assert "\x1b" not in said
    run = only_run(project)
    assert (run.status, run.error) == (RunStatus.FAILED, "ValueError: token=[redacted] is wrong")
    assert run.detail["executed"] in said
    assert not (project.root / "never").exists()
    assert (news[-1].state, news[-1].why) == ("failed", "cell 2 (In [2]): ValueError: token=[redacted] is wrong")
    cells = executed(project, run)["cells"]
    assert [c["metadata"]["papermill"]["status"] for c in cells] == ["completed", "failed", "pending"]
    assert [r.status for r in records.of_run(ws.store, run.id)] == ["ok", "error"]
    assert len(records.artifacts(ws.store, run.id, "notebook")) == 1


def test_a_dead_kernel_fails_the_step(project):
    notebook = project.notebook("dead.ipynb", "1", "import os; os._exit(9)", "2")
    with pytest.raises(ExecutionError, match=r"step 'dead' .*its kernel died"):
        run_notebook(project.ws(), notebook)
    run = only_run(project)
    assert run.status == RunStatus.FAILED
    assert run.error is not None
    assert run.error.startswith("DeadKernelError: its kernel died in cell 2 of 3: it exited with code 9")
    cells = executed(project, run)["cells"]
    assert [c["metadata"]["papermill"]["status"] for c in cells] == ["completed", "failed", "pending"]


def test_a_step_that_takes_too_long_is_stopped(project):
    notebook = project.notebook("slow.ipynb", "import time", "time.sleep(60)")
    with pytest.raises(ExecutionError, match=r"not done after 2 s \(its timeout_s\)"):
        run_notebook(project.ws(), notebook, timeout_s=2)
    run = only_run(project)
    assert run.status == RunStatus.FAILED
    assert run.error == "TimeoutError: not done after 2 s (its timeout_s)"


def test_an_early_exit_is_no_failure(project):
    notebook = project.notebook("exit.ipynb", "raise SystemExit(0)", "open('never', 'w')")
    assert run_notebook(project.ws(), notebook).status == RunStatus.COMPLETED
    assert not (project.root / "never").exists()


@pytest.mark.parametrize(
    ("params", "error", "says"),
    [
        ({"mont": 3}, ParameterError, "no parameter 'mont'; did you mean 'month'"),
        ({"month": "July"}, ParameterError, "'month' must be"),
    ],
)
def test_wrong_parameters_are_refused_before_anything(project, params, error, says):
    notebook = project.notebook("a.ipynb", "# parameters\nmonth = 1")
    with pytest.raises(error, match=says):
        run_notebook(project.ws(), notebook, params=params)
    assert not project.ws().store.exists()


def test_parameters_for_a_notebook_that_takes_none_a_missing_notebook_and_a_broken_one(project):
    notebook = project.notebook("a.ipynb", "month = 1")
    with pytest.raises(ParameterError, match=r"takes no parameters.*give that cell the tag 'parameters'"):
        run_notebook(project.ws(), notebook, params={"month": 3})
    with pytest.raises(NotebookError, match=r"no notebook .*b\.ipynb"):
        run_notebook(project.ws(), project.root / "b.ipynb")
    notebook.write_text("{")
    with pytest.raises(NotebookError, match="not JSON at line 1"):
        run_notebook(project.ws(), notebook)
    assert not project.ws().store.exists()


def test_a_kernel_that_isnt_there_is_told_with_those_that_are_before_anything_is_recorded(project):
    asked = project.notebook("a.ipynb", "1", kernel="pyton3")
    known = (
        r"there is no kernel 'pyton3', which .*a\.ipynb' asks for; did you mean 'python3'\?; use another with --kernel"
    )
    with pytest.raises(NotebookError, match=known):
        run_notebook(project.ws(), asked)
    with pytest.raises(NotebookError, match=r"there is no kernel 'fortran77'; known: .*python3"):
        run_notebook(project.ws(), asked, kernel="fortran77")
    told = json.loads(asked.read_text())
    asked.write_text(json.dumps({**told, "metadata": {}}))
    with pytest.raises(
        NotebookError, match=r"a\.ipynb' names no kernel; say which with --kernel NAME; known: .*python3"
    ):
        run_notebook(project.ws(), asked)
    assert runs.listed(project.ws().store) == []


@pytest.mark.parametrize("limit", [0, -3, float("nan")])
def test_a_time_in_which_nothing_can_be_done_is_refused(project, limit):
    notebook = project.notebook("a.ipynb", "1")
    for name in ("timeout_s", "cell_timeout_s"):
        with pytest.raises(UsageError, match=f"{name} is {limit:g} s: it is more than 0"):
            run_notebook(project.ws(), notebook, **{name: limit})
    assert runs.listed(project.ws().store) == []


ECHO = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
class Echo(Kernel):
    implementation = language = "echo"
    implementation_version = language_version = banner = "1"
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}
    def do_execute(self, code, silent, **_):
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
IPKernelApp.launch_instance(kernel_class=Echo)
"""
IPYTHON = "from ipykernel import kernelapp; kernelapp.launch_new_instance()"


def kernelspec(folder: Path, name: str, code: str, language: str = "python", *, monkeypatch) -> str:
    spec = folder / "kernels" / name
    spec.mkdir(parents=True)
    argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": language}))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return name


@pytest.mark.parametrize(
    ("name", "code", "language", "says"),
    [
        ("bare", f"import sys; sys.modules['nbops'] = None; {IPYTHON}", "python", "untracked: nbops can't be imported"),
        (
            "old",
            f"import nbops; nbops.__version__ = '0.0.9'; {IPYTHON}",
            "python",
            "another version.*has 0.0.9, this is",
        ),
        ("echo", ECHO, "echo", "untracked: the kernel 'echo' speaks echo"),
        (
            "broken",
            f"import nbops; del nbops.load_ipython_extension; {IPYTHON}",
            "python",
            "untracked: nbops could not be loaded",
        ),
    ],
)
def test_a_kernel_that_cannot_be_tracked_is_said_in_one_sentence(
    project, tmp_path, name, code, language, says, monkeypatch, texts, caplog
):
    kernelspec(tmp_path / "jupyter", name, code, language, monkeypatch=monkeypatch)
    notebook = project.notebook("a.ipynb", "print(1)", kernel=name, language=language)
    run = run_notebook(project.ws(), notebook)
    assert run.status == RunStatus.COMPLETED
    sentence = run.detail["tracking"]
    assert re.search(says, sentence), sentence
    assert "\n" not in sentence
    assert sentence in caplog.text
    assert texts(project.root / run.detail["executed"]).rstrip() in ("1", "print(1)")
    with pytest.raises(ExecutionError, match="nothing was executed, as tracking is required"):
        run_notebook(project.ws(), notebook, require_tracking=True)
    failed = only_run(project, status=RunStatus.FAILED)
    assert executed(project, failed)["cells"][0]["outputs"] == []


RUNNER = """
import sys
from pathlib import Path
from nbops.pipeline.execute import run_notebook
from nbops.workspace import open_workspace
run_notebook(open_workspace(Path(sys.argv[1])), Path(sys.argv[1]))
"""


def started(notebook: Path, mark: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A process that runs the notebook, and its kernel's pid, once the notebook has written it to `mark`."""
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(notebook)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text().endswith(".")):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, int(mark.read_text()[:-1])


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if " Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.1)
    return False


WAITS = "import os, time, pathlib; pathlib.Path('mark').write_text(f'{os.getpid()}.'); time.sleep(120)"


def test_the_runner_killed_leaves_a_run_shown_as_lost(project):
    process, kernel = started(project.notebook("a.ipynb", "print(1)", WAITS), project.root / "mark")
    process.kill()
    process.communicate()
    run = only_run(project)
    assert run.status == RunStatus.LOST
    assert runs.as_stored(project.ws().store, run.id).status == RunStatus.IN_PROGRESS
    assert gone(kernel)
    # what it had done is there: the cells' records, and the notebook as far as it was saved
    assert [r.status for r in records.of_run(project.ws().store, run.id)][:1] == ["ok"]
    assert json.loads((project.ws().home / "runs" / run.id / "a.ipynb").read_text())["nbformat"] == 4


def test_ctrl_c_stops_the_kernel_and_the_run(project):
    process, kernel = started(project.notebook("a.ipynb", "print(1)", WAITS), project.root / "mark")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert gone(kernel)
    run = only_run(project)
    assert (run.status, run.error) == (RunStatus.STOPPED, "KeyboardInterrupt: stopped by the user")
    cells = executed(project, run)["cells"]
    assert [c["metadata"]["papermill"]["status"] for c in cells] == ["completed", "failed"]


def test_cells_whose_records_were_lost_are_said(project, postgres_server, monkeypatch):
    monkeypatch.setenv("NBOPS_STORE", postgres_server.database())
    waits = "import os, time, pathlib\npathlib.Path('{}').touch()\nwhile not os.path.exists('{}'): time.sleep(0.02)"
    notebook = project.notebook(
        "away.ipynb", "x = 1", waits.format("asks", "away"), waits.format("done", "back"), "y = 1"
    )
    seen = project.root.joinpath

    def away() -> None:
        for asked, do, says in (("asks", postgres_server.stop, "away"), ("done", postgres_server.start, "back")):
            while not seen(asked).exists():
                time.sleep(0.02)
            do()
            seen(says).touch()

    thread = threading.Thread(target=away)
    thread.start()
    ws = project.ws()
    with contextlib.closing(ws.store):
        run = run_notebook(ws, notebook)
        thread.join()
        assert run.status is RunStatus.COMPLETED
        said = "step ran untracked in part: cell 2 has no record; the executed notebook says why"
        assert run.detail["tracking"] == said, "and so it is not cached"


def test_what_is_interrupted_before_its_kernel_starts_was_stopped_too(project):
    def interrupt(_event: StepEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_notebook(project.ws(), project.notebook("n.ipynb", "x = 1"), progress=interrupt)
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.STEP])
    assert (run.status, run.error) == (RunStatus.STOPPED, "KeyboardInterrupt: stopped by the user")


def test_the_executed_notebook_can_be_read_while_it_runs_and_ctrl_c_stops_a_forked_kernel(project):
    notebook = project.notebook("a.ipynb", "print('early')", "print('late', flush=True)\n" + WAITS)
    script = (
        "import sys; from pathlib import Path; from nbops.workspace import open_workspace\n"
        "from nbops.pipeline.execute import run_notebook\n"
        "run_notebook(open_workspace(Path(sys.argv[1])), Path(sys.argv[2]), warm=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(project.root), str(notebook)], stderr=subprocess.PIPE)
    mark, seen = project.root / "mark", ""
    until = time.monotonic() + 200
    while "late" not in seen and time.monotonic() < until:
        time.sleep(0.02)
        for path in (project.root / ".nbops" / "runs").glob("*/a.ipynb"):
            seen = json.dumps([c["outputs"] for c in json.loads(path.read_text())["cells"]])  # whole, at any time
            assert not list(path.parent.glob("[!.]*.tmp"))
    assert "early" in seen
    assert "late" in seen
    assert process.poll() is None
    kernel = int(mark.read_text().rstrip("."))
    parent = int(Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1])
    assert "nbops.kernels.zygote" in Path(f"/proc/{parent}/cmdline").read_text()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert gone(kernel)
    assert gone(parent)
    run = only_run(project)
    assert (run.status, run.detail["kernel"]) == (RunStatus.STOPPED, "forked")
    cells = executed(project, run)["cells"]
    assert [c["metadata"]["papermill"]["status"] for c in cells] == ["completed", "failed"]


def test_the_notebook_itself_is_never_the_output_whatever_it_is_called(project):
    notebook = project.notebook("w.ipynb", "1 + 1")
    link = project.root / "link.ipynb"
    link.symlink_to(notebook)
    before = notebook.read_bytes()
    for output in (notebook, project.root / "deep" / ".." / "w.ipynb", link):
        (project.root / "deep").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=r"is the notebook itself, which is never written; name another file"):
            run_notebook(project.ws(), notebook, output)
    assert notebook.read_bytes() == before
    assert runs.listed(project.ws().store) == []


def test_cell_ids_that_are_missing_or_there_twice_are_no_news_for_whoever_runs_it(project, texts):
    notebook = project.notebook("ids.ipynb", "x = 1", "x += 1", "print(x)")
    data = json.loads(notebook.read_text())
    data["cells"][1]["id"] = data["cells"][0]["id"]
    del data["cells"][2]["id"]
    notebook.write_text(json.dumps(data))
    run = run_notebook(project.ws(), notebook)  # a warning would be an error here
    assert texts(project.root / run.detail["executed"]) == "2\n"


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Makes kernel specs: name, program, language."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))

    def made(name: str, *argv: str, language: str = "python") -> None:
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": language}))

    return made


def test_a_kernel_whose_environment_is_gone_and_one_that_ends_at_once_are_said(project, kernels):
    kernels("gone", "/no/such/python", "-m", "ipykernel_launcher", "-f", "{connection_file}")
    notebook = project.notebook("a.ipynb", "1")
    with pytest.raises(
        NotebookError, match=r"the kernel 'gone' can't be started: .*kernel.json' names the program '/no/"
    ):
        run_notebook(project.ws(), notebook, kernel="gone")
    assert runs.listed(project.ws().store) == []
    kernels("ends", sys.executable, "-c", "import sys; sys.exit(3)", "{connection_file}")
    with pytest.raises(ExecutionError, match="its kernel 'ends' ended while it was started; 'jupyter console --kernel"):
        run_notebook(project.ws(), notebook, kernel="ends")


def test_the_parameters_of_another_language_are_those_that_are_given(project, kernels, texts):
    kernels(
        "ir", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", language="R"
    )  # R's `=` is Python's
    project.notebook("r.ipynb", "# parameters\nrate = 1", "print(rate)", kernel="ir", language="R")
    project.toml('[pipelines.main.steps.a]\nnotebook = "r.ipynb"\nparams = { rate = 2 }\n')
    for given, printed in (({}, "2\n"), ({"rate": "3"}, "3\n")):
        run, _ = project.run(params=given)
        (step,) = runs.children(project.ws().store, run.id)
        assert texts(project.root / step.detail["executed"]) == printed
    with pytest.raises(ParameterError, match="no step of the pipeline 'main' has a parameter 'nothing'"):
        project.run(params={"nothing": 1})
    done = run_sweep(project.ws(), project.root / "r.ipynb", {"rate": "5,6"})
    assert [trial.point for trial in done.trials] == [{"rate": 5}, {"rate": 6}]
