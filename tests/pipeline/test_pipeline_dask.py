"""Steps on a Dask cluster: a real scheduler and two real workers, one of which is killed in the middle of a step."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nbops import __version__
from nbops.cli.main import main  # noqa: F401  registers the commands
from nbops.cli.program import program
from nbops.core.errors import ExecutionError, SettingsError
from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline import dask_step
from nbops.pipeline.attempt import Attempt
from nbops.pipeline.dask_cluster import Cluster, connected
from nbops.pipeline.dask_crew import Elsewhere
from nbops.pipeline.dask_step import order_for
from nbops.pipeline.on_cluster import run_on_cluster
from nbops.pipeline.progress import StepEvent
from nbops.pipeline.run import run_pipeline
from nbops.pipeline.step_log import log_of
from nbops.pipeline.step_run import TakenError, close_step, give_up, open_step
from nbops.pipeline.sweep import run_sweep
from nbops.store import records, runs
from nbops.store.postgres import without_password
from needs import missing

pytestmark = pytest.mark.xdist_group("dask")
DASK = str(Path(sys.executable).parent / "dask")
PATIENCE_S = 90


@dataclass
class Processes:
    """A scheduler and its workers, as a user starts them."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    address: str = ""

    def scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        self._start("scheduler", "--port", "0", "--scheduler-file", str(file))
        until = time.monotonic() + PATIENCE_S
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"]

    def worker(self, **environ: str) -> subprocess.Popen[bytes]:
        return self._start(
            "worker", self.address, "--no-nanny", "--nthreads", "1", "--local-directory", str(self.folder), **environ
        )

    def _start(self, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [DASK, *words, "--host", "127.0.0.1", "--no-dashboard"],
                stdout=log,
                stderr=log,
                env={**os.environ, "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False", **environ},
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    if not Path(DASK).exists():
        missing("Dask (pip install 'nbops[dask]')")
    found = Processes(tmp_path_factory.mktemp("dask"))
    try:
        found.scheduler()
        found.worker()
        found.worker()
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def shared(one_project):
    """One project for all that runs on the cluster, so that worker processes are kept from test to test."""
    project = one_project
    project.notebook("meets.ipynb", *MEETS)
    project.notebook("both.ipynb", *BOTH)
    project.notebook("each.ipynb", *EACH)
    project.notebook("slow.ipynb", "import time\ntime.sleep(60)")
    project.notebook("waits.ipynb", *WAITS)
    project.toml(TOML)
    return project


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def steps(project, pipeline: str, number: int = 0) -> list[Run]:
    """Of its newest run (or an older one), in the order in which they began."""
    found = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE], name=pipeline)
    return runs.children(project.ws().store, found[number].id) if found else []


def kernel_of(project, me: str) -> int:
    """The process of the kernel that waits."""
    (mark,) = until(lambda: list(project.root.glob(f"mark-{me}-*")))
    return int(mark.name.split("-")[2])


# each of two notebooks waits for the other: on one worker, one after the other, they would wait in vain
MEETS = (
    "# parameters\nme = ''\nother = ''",
    "import pathlib, time, nbops\npathlib.Path(me).touch()\nend = time.monotonic() + 60\n"
    "while not pathlib.Path(other).exists():\n    assert time.monotonic() < end\n    time.sleep(0.02)\n"
    "nbops.output(me, [me] * 3)",
)
BOTH = ("import nbops", "print(open('both.txt', 'w').write(str(nbops.input('a') + nbops.input('b'))))")
EACH = (
    "# parameters\nn = 0",
    "import nbops, pathlib\nif n == 0:\n    nbops.skip('nothing')\n"
    "seen = pathlib.Path('seen').exists()\npathlib.Path('seen').touch()\nassert seen",
)
# the first time, it waits in vain
WAITS = (
    "# parameters\nme = ''",
    "import os, pathlib, time\nfirst = not list(pathlib.Path().glob(f'mark-{me}-*'))\n"
    "pathlib.Path(f'mark-{me}-{os.getpid()}').touch()\nif first:\n    time.sleep(120)\n"
    "import nbops\nnbops.output(f'value {me}', 42)\nopen(f'made-{me}.txt', 'a').write('once')",
)
TOML = """
[pipeline]
warm = false
[pipelines.graph]
engine = "dask"
[pipelines.graph.steps.a]
notebook = "meets.ipynb"
params = { me = "a", other = "b" }
outputs = ["a"]
[pipelines.graph.steps.b]
notebook = "meets.ipynb"
params = { me = "b", other = "a" }
outputs = ["b"]
[pipelines.graph.steps.both]
notebook = "both.ipynb"
inputs = ["a", "b"]
outputs = ["both.txt"]

[pipelines.flow]
limits = { gpu = 1 }
[pipelines.flow.steps.each]
notebook = "each.ipynb"
foreach = { n = [0, 1] }
retries = 1
retry_wait_s = 0
uses = ["gpu"]
[pipelines.flow.steps.slow]
notebook = "slow.ipynb"
timeout_s = 0.5
needs = ["each"]

[pipelines.shop]
limits = { shop = 1 }
[pipelines.shop.steps.shop]
notebook = "shop.ipynb"
uses = ["shop"]

[pipelines.single.steps.a]
notebook = "meets.ipynb"
params = { me = "a", other = "a" }
outputs = ["a"]

[pipelines.lost.steps.given_up]
notebook = "waits.ipynb"
params = { me = "given_up" }
outputs = ["value given_up", "made-given_up.txt"]
[pipelines.lost.steps.killed]
notebook = "waits.ipynb"
params = { me = "killed" }
outputs = ["value killed", "made-killed.txt"]

[pipelines.interrupted.steps.a]
notebook = "waits.ipynb"
params = { me = "interrupted" }
[pipelines.orphaned.steps.a]
notebook = "waits.ipynb"
params = { me = "orphaned" }
"""


def test_a_graph_runs_on_the_cluster_as_it_does_here(shared, processes):
    told = []
    there = run_pipeline(shared.ws(), "graph", scheduler=processes.address, progress=told.append)
    assert {how["status"] for how in there.detail["steps"].values()} == {"COMPLETED"}
    assert (shared.root / "both.txt").read_text() == "['a', 'a', 'a', 'b', 'b', 'b']"
    workers = {run.name: run.owner.pid for run in steps(shared, "graph")}
    assert workers["a"] != workers["b"]
    assert os.getpid() not in workers.values()
    assert [e.cell for e in told if (e.step, e.state) == ("both", "cell")] == [1, 2]
    assert log_of(shared.ws(), steps(shared, "graph")[-1]).tail.startswith("30\n")
    # what was done there needn't be done here, and is the same when it is
    ws = shared.ws()
    pipelines = {"graph": dataclasses.replace(ws.settings.pipelines["graph"], engine="local")}
    here = dataclasses.replace(ws, settings=dataclasses.replace(ws.settings, pipelines=pipelines))
    assert {how["status"] for how in run_pipeline(here).detail["steps"].values()} == {"CACHED"}
    run_pipeline(here, from_step="both")
    here, there = (run for run in runs.listed(shared.ws().store, name="both", status=RunStatus.COMPLETED))
    assert (there.detail["outputs"], there.detail["cache"]) == (here.detail["outputs"], here.detail["cache"])


def test_retries_early_exits_and_timeouts_are_those_of_a_run_here(shared, processes):
    told = []
    with pytest.raises(ExecutionError, match=r"step 'slow' .* failed: not done after 0.5 s \(its timeout_s\)"):
        run_pipeline(shared.ws(), "flow", scheduler=processes.address, progress=told.append)
    assert [(r.name, r.status, r.detail.get("attempt")) for r in steps(shared, "flow")] == [
        ("each[0]", "SKIPPED", 1),
        ("each[1]", "FAILED", 1),
        ("each[1]", "COMPLETED", 2),
        ("slow", "FAILED", None),
    ]
    assert ("each[1]", "retrying", "attempt 2 of 2 in 0 s") in [(e.step, e.state, e.why) for e in told]


def test_a_store_on_a_server_and_artifacts_in_a_shared_folder(
    shared, processes, postgres_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("NBOPS_STORE", postgres_server.database())
    monkeypatch.setenv("NBOPS_ARTIFACTS", str(tmp_path))
    ws = shared.ws()
    with contextlib.closing(ws.store):
        done = run_pipeline(ws, "single", scheduler=processes.address)
        (step,) = runs.children(ws.store, done.id)
    assert (done.status, step.status, step.detail["outputs"]["a"]["kind"]) == ("COMPLETED", "COMPLETED", "handover")
    assert ws.artifacts.has(step.detail["outputs"]["a"]["digest"])
    assert ws.artifacts.root == tmp_path


def test_one_notebook_runs_on_the_cluster(shared, processes):
    output = shared.root / "out.ipynb"
    given = {"me": "m", "other": "m"}
    run = run_on_cluster(shared.ws(), shared.root / "meets.ipynb", output, scheduler=processes.address, params=given)
    assert (run.status, run.name, runs.params(shared.ws().store, run.id)) == ("COMPLETED", "meets", given)
    assert run.owner.pid != os.getpid()
    assert output.is_file()
    with pytest.raises(ExecutionError, match="AssertionError"):
        run_on_cluster(shared.ws(), shared.notebook("fails.ipynb", "assert 0"), scheduler=processes.address)


def test_a_secret_is_asked_for_where_the_step_is_executed(shared, processes, monkeypatch):
    secret = "# parameters\nimport nbops\nkey = nbops.param(secret=True, env='SHOP_KEY')"
    notebook = shared.notebook("shop.ipynb", secret, "print('key', key)\nassert key == 'tulip moon lamp'")
    monkeypatch.setenv("SHOP_KEY", "only here")
    said = r"on the Dask worker tcp://\S+, the notebook '.*shop.ipynb' needs the secret 'key'; set the environment"
    told: list[StepEvent] = []
    with pytest.raises(ExecutionError, match=said):
        run_pipeline(shared.ws(), "shop", scheduler=processes.address, progress=told.append)
    assert [(e.step, e.state) for e in told] == [("shop", "failed")]
    with pytest.raises(ExecutionError, match=said):
        run_on_cluster(shared.ws(), notebook, scheduler=processes.address)
    monkeypatch.delenv("SHOP_KEY")
    has_it = processes.worker(SHOP_KEY="tulip moon lamp", DASK_DISTRIBUTED__WORKER__RESOURCES__SHOP="1")
    with connected(processes.address) as cluster:
        until(lambda: cluster.offered(("shop",)))
    assert run_pipeline(shared.ws(), "shop", scheduler=processes.address).status is RunStatus.COMPLETED
    has_it.terminate()
    has_it.wait(30)


def test_what_a_lost_worker_did_is_done_elsewhere_once(shared, processes):
    told: list[StepEvent] = []
    left: list[int] = []

    def lose() -> None:
        left.extend([kernel_of(shared, "given_up"), kernel_of(shared, "killed")])
        begun = {run.name: run for run in steps(shared, "lost")}
        left.extend(run.owner.pid for run in begun.values())
        # what the runner does when it hears no more of a worker that is still there
        give_up(shared.ws(), begun["given_up"], RunStatus.LOST, "believed dead")
        (worker,) = (p for p in processes.started if p.pid == parent_of(begun["killed"].owner.pid))
        worker.kill()

    thread = threading.Thread(target=lose)
    thread.start()
    done = run_pipeline(shared.ws(), "lost", scheduler=processes.address, progress=told.append)
    thread.join()
    for name in ("given_up", "killed"):
        first, second = (run for run in steps(shared, "lost") if run.name == name)
        assert (first.status, second.status) == ("LOST", "COMPLETED")
        assert first.error == "the Dask worker that ran it died or was stopped; it was run again"
        assert done.detail["steps"][name]["run"] == second.id
        assert second.detail["resumed"]["attempt"] == first.id
        assert (shared.root / f"made-{name}.txt").read_text() == "once"
        kept = [len(records.artifacts(shared.ws().store, run.id, "handover")) for run in (first, second)]
        assert kept == [0, 1]
        assert ["outputs" in run.detail for run in (first, second)] == [False, True]
        assert (name, "retrying") in [(e.step, e.state) for e in told]
    until(lambda: all(gone(pid) for pid in left))


def test_a_run_that_was_given_up_is_never_completed_nor_begun(project):
    notebook, ws = project.notebook("a.ipynb", "1"), project.ws()
    run = open_step(ws, notebook, run_id=new_id())
    with pytest.raises(TakenError, match="begun, or given up, elsewhere"):
        open_step(ws, notebook, run_id=run.id)
    give_up(ws, run, RunStatus.LOST, "no word of it")
    late = close_step(ws, run.id, RunStatus.COMPLETED, detail={"executed": "a"})
    assert (late.status, late.error, late.detail["executed"]) == (RunStatus.LOST, "no word of it", "a")
    # one that was never opened can't be any more
    unborn = dataclasses.replace(run, id=new_id())
    give_up(ws, unborn, RunStatus.LOST, "no word of it")
    with pytest.raises(TakenError):
        open_step(ws, notebook, run_id=unborn.id)
    # and who has completed it was quicker
    other = open_step(ws, notebook, run_id=new_id())
    close_step(ws, other.id, RunStatus.COMPLETED)
    assert give_up(ws, other, RunStatus.LOST, "no word of it").status == RunStatus.COMPLETED
    with pytest.raises(TakenError, match="has ended"):
        open_step(ws, notebook, run_id=new_id(), parent=other.id)


RUNNER = """
import sys
from pathlib import Path
from nbops.pipeline.run import run_pipeline
from nbops.pipeline.sweep import run_sweep
from nbops.workspace import open_workspace
run_pipeline(open_workspace(Path(sys.argv[1])), sys.argv[3], scheduler=sys.argv[2])
"""


def test_when_the_runner_stops_its_kernels_do(shared, processes):
    processes.worker()  # in the place of the one that was killed
    ends = {"interrupted": signal.SIGINT, "orphaned": signal.SIGKILL}
    runners = {
        name: subprocess.Popen([sys.executable, "-c", RUNNER, str(shared.root), processes.address, name], stderr=-3)
        for name in ends
    }
    try:
        kernels = [kernel_of(shared, name) for name in ends]
        for name, end in ends.items():
            runners[name].send_signal(end)
        for runner in runners.values():
            runner.wait(PATIENCE_S)
    finally:
        for runner in runners.values():
            runner.kill()
            runner.wait()
    until(lambda: all(gone(pid) for pid in kernels))
    (pipeline,) = runs.listed(shared.ws().store, kinds=[RunKind.PIPELINE], name="interrupted")
    assert (pipeline.status, pipeline.detail["steps"]["a"]["status"]) == ("STOPPED", "STOPPED")
    assert [run.status for run in steps(shared, "interrupted")] == ["STOPPED"]
    (pipeline,) = runs.listed(shared.ws().store, kinds=[RunKind.PIPELINE], name="orphaned")
    assert pipeline.status == "LOST"
    until(lambda: [run.status for run in steps(shared, "orphaned")] == [RunStatus.STOPPED])
    assert not any((shared.root / f"made-{name}.txt").exists() for name in ends)


@pytest.mark.parametrize("how", [{}, {"optuna": 4}])
def test_the_trials_of_a_sweep_on_the_cluster(shared, processes: Processes, how: dict[str, int]) -> None:
    cells = ("# parameters\nx = 0", "import nbops\nnbops.log_metric('loss', (x - 2) ** 2)\nassert x < 4")
    notebook = shared.notebook("tried.ipynb", *cells)
    given = {"x": "1..4" if not how else "1..3"}
    here = {"metric": "loss", "maximize": False, **how}
    done = run_sweep(shared.ws(), notebook, given, scheduler=processes.address, **here)
    assert done.run.status is (RunStatus.COMPLETED if how else RunStatus.FAILED)
    assert len(done.trials) == 4
    assert done.best is not None
    assert os.getpid() not in {trial.run.owner.pid for trial in done.trials}


def test_a_scheduler_that_is_not_there_and_dask_that_is_not_there_are_said_before_anything_is_recorded(
    project, monkeypatch
):
    project.notebook("a.ipynb", "1")
    project.toml('[pipelines.main]\nengine = "dask"\n[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n')
    with socket.socket() as taken:  # nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            ExecutionError, match=f"the Dask scheduler '{address}' can't be reached: .*'dask scheduler'"
        ):
            run_pipeline(project.ws(), scheduler=address)
    with pytest.raises(SettingsError, match=r"needs to know which scheduler: .* --scheduler tcp://HOST:PORT"):
        run_pipeline(project.ws())
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match=r"pip install 'nbops\[dask\]'"):
        run_pipeline(project.ws(), scheduler=address)
    project.toml('[pipelines.main]\nengine = "dusk"\n[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n')
    with pytest.raises(SettingsError, match=r"engine = 'dusk' is neither .*; did you mean 'dask'"):
        run_pipeline(project.ws())
    assert runs.listed(project.ws().store) == []
    for words, said in [
        (["run", "a.ipynb", "--resume", "3f2a", "--scheduler", address], "leave out --scheduler"),
        (["pipeline", "run", "--only", "a", "--run", "k", "--scheduler", address], "--only runs one step, here"),
    ]:
        refused = CliRunner().invoke(program, words)
        assert (refused.exit_code, said in refused.output) == (2, True)


class Client:
    """Of a cluster whose workers have these versions of Python and nbops."""

    status = "running"

    def __init__(self, **workers: tuple[str, str | None]) -> None:
        self.known = workers

    def get_versions(self, packages):
        python = ".".join(map(str, sys.version_info[:3])) + ".final.0"
        return {
            "client": self._about(python, None),
            "scheduler": self._about(python, None),
            "workers": {w: self._about(p or python, v) for w, (p, v) in self.known.items()},
        }

    def scheduler_info(self, n_workers):
        return {"workers": {worker: {"nthreads": 1, "resources": {}} for worker in self.known}}

    def _about(self, python, nbops):
        return {"host": {"python": python}, "packages": {"nbops": nbops}}


@pytest.mark.parametrize(
    ("python", "nbops", "why"),
    [
        ("", None, "nbops isn't installed there: pip install"),
        ("", "0.0.1", f"it has nbops 0.0.1, this is {__version__}"),
        ("2.7.1.final.0", __version__, "it runs Python 2.7.1, this is 3."),
    ],
)
def test_workers_that_are_not_as_we_are_get_no_steps(python, nbops, why):
    with pytest.raises(ExecutionError, match=f"the Dask worker bad can't execute steps: {why}"):
        Cluster(Client(bad=(python, nbops)), "tcp://x").survey()
    some = Cluster(Client(bad=(python, nbops), good=("", __version__)), "tcp://x")
    some.survey()
    assert list(some.usable()) == ["good"]


def test_a_worker_that_sees_another_project_or_store_says_so(project, processes, tmp_path_factory):
    notebook, ws = project.notebook("a.ipynb", "1"), project.ws()
    run = open_step(ws, notebook)
    attempt = Attempt(name="a", notebook=notebook, params={}, parent=run.id, as_run=new_id())
    order, other = order_for(ws, attempt), str(tmp_path_factory.mktemp("other"))

    def said(**changed: Any) -> str:
        return dask_step.execute({**order, **changed})["unfit"]

    missing = {**order["attempt"], "notebook": "/no/such.ipynb"}
    assert "there is no '/no/such.ipynb' there" in said(attempt=missing)
    assert "is not the one that is to run" in said(notebook="a1:blake3:" + "0" * 64)
    assert f"isn't in its {other!r}" in said(artifacts=other)
    assert "isn't ours: it doesn't know the run" in said(store=f"{other}/nbops.sqlite")
    assert "the server" in said(store=f"postgresql://nbops@/postgres?host={other}")
    # and nobody goes on waiting for such workers
    told: list[Any] = []
    with connected(processes.address) as cluster:
        crew = Elsewhere(ws, cluster, 1, told.append)
        crew.start(dataclasses.replace(attempt, parent=new_id()))
        with pytest.raises(ExecutionError, match=r"can't execute steps: its store .* isn't ours"):
            crew.wait(None)
        crew.stop()


def test_the_password_of_the_store_is_not_sent(project):
    url = "postgresql://me:secret@db:5432/nbops?password=secret&host=x"
    assert without_password(url) == "postgresql://me@db:5432/nbops?host=x"
    assert without_password("/home/me:x@y/nbops.sqlite") == "/home/me:x@y/nbops.sqlite"


def test_when_all_workers_are_gone_it_is_said(project, processes):
    notebook, ws = project.notebook("a.ipynb", "1"), project.ws()
    with connected(processes.address) as cluster:
        for worker in processes.started[1:]:
            worker.kill()
        until(lambda: not cluster.workers())
        crew = Elsewhere(ws, cluster, None, print, nobody_s=0.5)
        assert crew.jobs == 1
        crew.start(Attempt(name="a", notebook=notebook, params={}, parent=None))
        with pytest.raises(
            ExecutionError, match=r"has had no worker for 0\.5 s, and 'a' waits for one; 'dask worker tcp"
        ):
            crew.wait(None)
        crew.stop()
    assert runs.listed(ws.store) == []
