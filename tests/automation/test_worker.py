"""Workers: real processes that run real notebooks, are killed, stopped, cut off from their store."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scheduled import again, later, notebook, opened, well, wish
from scheduled import ws as ws  # a fixture

from nbops.automation import schedules
from nbops.automation.job_process import in_process
from nbops.automation.jobs import Control, JobError, StoppedError, carry, claim, finish
from nbops.automation.tick import tick
from nbops.automation.worker import Worker, workers
from nbops.core.automation import Decision, Job
from nbops.core.clock import SystemClock
from nbops.core.errors import StoreError
from nbops.core.runs import RunStatus
from nbops.settings import ScheduleSettings
from nbops.store import automation, runs
from nbops.store import schedules as kept
from nbops.store.liveness import alive
from nbops.workspace import Workspace
from postgres_server import Server


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)


def live(ws: Workspace) -> Workspace:
    """With a clock that goes."""
    return dataclasses.replace(ws, clock=SystemClock())


def until(what: Callable[[], Any], seconds: float = 100.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)
    return found


def job(ws: Workspace, name: str) -> Job | None:
    try:
        return schedules.history(ws, name, 1)[0].job
    except (IndexError, StoreError):
        return None


def ended(ws: Workspace, *names: str) -> bool:
    return all((found := job(ws, name)) is not None and found.status.ended for name in names)


def one(notebook: str, **what: Any) -> ScheduleSettings:
    return ScheduleSettings(cron="0 0 1 1 *", notebook=notebook, **what)


def test_a_worker_with_more_due_than_one_look_takes_looks_again_at_once(ws: Workspace) -> None:
    made = schedules.make(ws, "s", wish(cron="0 6 * * *"))
    with ws.store.transaction() as tx:
        for i in range(schedules.AT_ONCE + 10):
            kept.save(tx, dataclasses.replace(made, name=f"s{i}"), "added")
    worker = Worker(later(ws, days=1), jobs=0, poll_s=7.0)
    assert [worker._turned() for _ in range(3)] == [0.0, 7.0, 7.0]
    assert len(automation.jobs(ws.store)) == schedules.AT_ONCE + 10


@pytest.fixture
def working(tmp_path: Path) -> Iterator[tuple[Workspace, list[str]]]:
    """A workspace on SQLite with a worker in a thread, as a Jupyter server has one."""
    ws = live(opened(tmp_path / "w"))
    said: list[str] = []
    worker = Worker(ws, jobs=2, poll_s=0.1, grace_s=0.0, say=said.append)
    worker.start()
    yield ws, said
    worker.stop()
    ws.store.close()


@pytest.mark.slow
def test_what_two_jobs_have_pinned_stays_until_both_are_done(working: tuple[Workspace, list[str]]) -> None:
    ws, _ = working
    text = "import os, time; open('begun', 'w').close()\nwhile wait and not os.path.exists('go'): time.sleep(0.05)"
    notebook(ws.root / "shared.ipynb", "# parameters\nwait = False", text)
    schedules.add(ws, "long", one("shared.ipynb", pin=True, params={"wait": True}))
    schedules.add(ws, "short", one("shared.ipynb", pin=True))
    schedules.run_now(ws, "long")
    until((ws.root / "begun").exists)
    schedules.run_now(ws, "short")
    until(lambda: ended(ws, "short"))
    (pinned,) = ws.root.glob(".pinned*")
    assert pinned.read_bytes() == (ws.root / "shared.ipynb").read_bytes()
    (ws.root / "go").touch()
    until(lambda: ended(ws, "long"))
    assert list(ws.root.glob(".pinned*")) == []


@pytest.mark.slow
def test_a_worker_in_a_thread_runs_notebooks_and_each_ends_as_it_should(working: tuple[Workspace, list[str]]) -> None:
    ws, said = working
    notebook(ws.root / "well.ipynb", "open('made', 'a').write('old')")
    notebook(ws.root / "badly.ipynb", "raise RuntimeError('no data from postgresql://me:hunter2Zq@db/x')")
    notebook(ws.root / "late.ipynb", "import time; open('late', 'w').close(); time.sleep(600)")
    notebook(ws.root / "crash.ipynb", "import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    schedules.add(ws, "well", one("well.ipynb", pin=True, keep=1))
    notebook(ws.root / "well.ipynb", "open('made', 'a').write('new')")
    (ws.root / "tell.sh").write_text("cat > told\n")
    schedules.add(ws, "badly", one("badly.ipynb", on_failure=("exec:sh tell.sh",)))
    schedules.add(ws, "late", one("late.ipynb", timeout="15s"))
    schedules.add(ws, "crash", one("crash.ipynb"))
    for name in ("well", "badly", "late", "crash"):
        schedules.run_now(ws, name)
    until(lambda: ended(ws, "well", "badly", "late", "crash"))
    found = {name: job(ws, name) for name in ("well", "badly", "late", "crash")}
    assert {n: j.status.value for n, j in found.items() if j} == {
        "well": "COMPLETED",
        "badly": "FAILED",
        "late": "FAILED",
        "crash": "FAILED",
    }
    good, bad, late, crash = (found[n] for n in ("well", "badly", "late", "crash"))
    assert good and bad and late and crash
    assert (ws.root / "made").read_text() == "old", "the pinned notebook ran, in its own folder"
    assert b"'old'" in ws.artifacts.read_bytes(good.result["notebooks"]["well.ipynb"])
    assert list(ws.root.glob(".pinned*")) == []
    run = runs.get(ws.store, str(good.result["run"]))
    assert run.status is RunStatus.COMPLETED and "schedule:well" in run.tags
    assert bad.error is not None and "RuntimeError" in bad.error and "hunter2Zq" not in bad.error
    assert runs.get(ws.store, str(bad.result["run"])).status is RunStatus.FAILED
    assert late.error == "ExecutionError: not done after 15 s (its timeout)"
    begun = runs.listed(ws.store, name="late")
    assert {r.status for r in begun} <= {RunStatus.STOPPED}, "or it hadn't begun"
    assert [late.result["run"] for _ in begun] == [r.id for r in begun]
    assert crash.error is not None and "was killed by SIGKILL (out of memory?)" in crash.error
    until(lambda: "told" in job(ws, "badly").result)  # type: ignore[union-attr]
    assert job(ws, "badly").result["told"] == [{"target": "exec:sh tell.sh", "sent": True}]  # type: ignore[union-attr]
    assert '"schedule": "badly"' in (ws.root / "told").read_text()
    # the next run of it: of its executed notebooks only the newest stays
    schedules.run_now(ws, "well")
    until(lambda: (j := job(ws, "well")) is not None and j.id != good.id and j.status.ended)
    until(lambda: not (ws.home / "runs" / run.id).exists())
    assert (ws.home / "runs" / str(job(ws, "well").result["run"]) / f".pinned-{_short(good)}-well.ipynb").exists()  # type: ignore[union-attr]
    # and one that is stopped while it runs
    (ws.root / "late").unlink(missing_ok=True)
    schedules.add(ws, "stopped", one("late.ipynb"))
    schedules.run_now(ws, "stopped")
    until((ws.root / "late").exists)
    assert workers(ws)[0]["pid"] == os.getpid()
    schedules.stop_runs(ws, "stopped")
    until(lambda: ended(ws, "stopped"))
    stopped = job(ws, "stopped")
    assert stopped is not None and stopped.status is RunStatus.STOPPED
    assert runs.listed(ws.store, name="late", limit=1)[0].status is RunStatus.STOPPED
    assert any("badly" in sentence and "failed" in sentence for sentence in said)


def _short(done: Job) -> str:
    return str(done.result["notebooks"]["well.ipynb"])[-12:]


def worker_process(ws: Workspace, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", "worker", *options],
        cwd=ws.root,
        stdout=subprocess.PIPE,
        text=True,
    )


SLOW = "import os, time\nopen('log', 'a').write('s')\nwhile not os.path.exists('go'):\n    time.sleep(0.05)"


@pytest.mark.slow
def test_a_killed_worker_leaves_its_job_to_another_which_is_stopped_and_leaves_it_to_a_third(tmp_path: Path) -> None:
    ws = live(opened(tmp_path / "w"))
    notebook(ws.root / "slow.ipynb", SLOW + "\nopen('log', 'a').write('e')")
    schedules.add(ws, "slow", one("slow.ipynb"))
    schedules.run_now(ws, "slow")
    first = worker_process(ws)
    until(lambda: (ws.root / "log").exists())
    until(lambda: (j := job(ws, "slow")) is not None and j.child is not None)
    child = job(ws, "slow").child  # type: ignore[union-attr]
    first.kill()
    first.communicate()
    second = worker_process(ws, "--grace", "1s")
    until(lambda: (ws.root / "log").read_text() == "ss")
    assert child is not None and not alive(child), "what the dead worker had started has ended"
    second.send_signal(signal.SIGTERM)
    said, _ = second.communicate(timeout=60)
    assert said.endswith("stopped\n") and second.returncode == 0
    given_back = job(ws, "slow")
    assert given_back is not None and (given_back.status, given_back.attempt) == (RunStatus.QUEUED, 2)
    (ws.root / "go").touch()
    (done,) = tick(ws).jobs
    assert (done.status, done.attempt) == (RunStatus.COMPLETED, 3)
    assert (ws.root / "log").read_text() == "ssse"
    assert runs.listed(ws.store, name="slow", limit=1)[0].status is RunStatus.COMPLETED
    ws.store.close()


@pytest.mark.slow
def test_a_job_that_was_taken_over_from_a_suspended_worker_is_done_once(tmp_path: Path) -> None:
    ws = live(opened(tmp_path / "w"))
    text = (
        "import os, time; open(f'begun-{os.getpid()}', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.05)"
    )
    notebook(ws.root / "long.ipynb", text)
    schedules.add(ws, "s", one("long.ipynb"))
    schedules.run_now(ws, "s")
    first = claim(ws)
    assert first is not None
    said: list[str] = []

    def suspended() -> None:  # nobody renews the lease
        with pytest.raises(JobError) as stopped:
            in_process(ws, *first, Control())
        said.append(str(stopped.value))
        ws.store.close()

    thread = threading.Thread(target=suspended)
    thread.start()
    until(lambda: list(ws.root.glob("begun-*")))
    second = claim(later(ws, minutes=4))
    assert second is not None and second[1].attempt == 2
    thread.join(60)
    assert said == ["ExecutionError: its process was interrupted"]
    (ws.root / "go").touch()
    assert in_process(ws, *second, Control())["outcome"] == "completed"
    marks = len(list(ws.root.glob("begun-*")))
    assert finish(ws, *first, RunStatus.COMPLETED, {}, None).status is RunStatus.LOST
    third = claim(later(ws, minutes=8))  # the second was suspended before it could say so
    assert third is not None
    assert carry(ws, *third, in_process).status is RunStatus.COMPLETED
    assert len(list(ws.root.glob("begun-*"))) == marks
    ws.store.close()


def test_a_store_that_goes_away_and_comes_back(tmp_path: Path, postgres_server: Server) -> None:
    ws = live(opened(tmp_path / "w", postgres_server.database()))
    doing, go = threading.Event(), threading.Event()
    done: list[tuple[str, int]] = []

    def runner(_ws: Workspace, decision: Decision, job: Job, _control: Control) -> dict[str, Any]:
        doing.set()
        assert go.wait(60)
        done.append((decision.schedule or "", job.attempt))
        return {"outcome": "completed"}

    said: list[str] = []
    schedules.add(ws, "a", wish(every="1h"))
    schedules.add(ws, "b", wish(every="1s", overlap="skip"))
    schedules.run_now(ws, "a")
    worker = Worker(ws, jobs=1, runner=runner, poll_s=0.1, say=said.append)
    worker.start()
    try:
        doing.wait(30)
        postgres_server.stop()
        go.set()
        until(lambda: any("is done, waiting to say so" in sentence for sentence in said))
        time.sleep(1)
        postgres_server.start()
        until(lambda: ended(ws, "a"))
        until(lambda: len([name for name, _ in done if name == "b"]) >= 2)
    finally:
        worker.stop()
    assert ("the store is back" in said) and [d for d in done if d[0] == "a"] == [("a", 1)]
    found = job(ws, "a")
    assert found is not None and (found.status, found.attempt) == (RunStatus.COMPLETED, 1)
    assert {j.attempt for f in schedules.history(ws, "b", 1000) if (j := f.job)} <= {0, 1}
    ws.store.close()


def test_a_store_that_is_locked_for_a_while(tmp_path: Path) -> None:
    ws = opened(tmp_path / "w")
    ws = live(dataclasses.replace(ws, store=type(ws.store)(ws.store.path, lock_timeout_s=0.2)))
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    other = sqlite3.connect(ws.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said: list[str] = []
    worker = Worker(ws, runner=well, poll_s=0.1, say=said.append)
    worker.start()
    try:
        until(lambda: any("is locked by another process" in sentence for sentence in said))
        other.rollback()
        other.close()
        until(lambda: ended(ws, "s"))
    finally:
        worker.stop()
    assert "the store is back" in said
    ws.store.close()


def test_several_workers_share_the_work(ws: Workspace) -> None:
    for i in range(12):
        schedules.add(live(ws), f"s{i}", wish(every="1h"))
        schedules.run_now(live(ws), f"s{i}")
    done: list[tuple[str, str]] = []

    def runner(_ws: Workspace, decision: Decision, _job: Job, _control: Control) -> dict[str, Any]:
        done.append((decision.schedule or "", threading.current_thread().name))
        time.sleep(0.05)
        return {}

    team = [Worker(live(again(ws)), jobs=2, runner=runner, poll_s=0.05) for _ in range(3)]
    for worker in team:
        worker.start()
    until(lambda: ended(ws, *(f"s{i}" for i in range(12))))
    assert len(workers(live(ws))) == 3
    for worker in team:
        worker.stop()
    assert sorted(name for name, _ in done) == sorted(f"s{i}" for i in range(12))
    assert workers(live(ws)) == []


def test_a_worker_that_is_told_to_stop_lets_its_job_end_within_its_grace(ws: Workspace) -> None:
    schedules.add(live(ws), "s", wish(every="1h"))
    schedules.run_now(live(ws), "s")
    doing = threading.Event()

    def runner(*_: Any) -> dict[str, Any]:
        doing.set()
        time.sleep(0.5)
        return {"outcome": "completed"}

    worker = Worker(live(ws), runner=runner, poll_s=0.05, grace_s=30)
    worker.start()
    assert doing.wait(30) and worker.busy == 1
    worker.stop()
    assert job(ws, "s").status is RunStatus.COMPLETED  # type: ignore[union-attr]


def test_a_worker_that_is_told_twice_to_stop_puts_its_job_back_at_once(ws: Workspace) -> None:
    schedules.add(live(ws), "s", wish(every="1h"))
    schedules.run_now(live(ws), "s")
    doing = threading.Event()

    def runner(_ws: Workspace, _decision: Decision, _job: Job, control: Control) -> dict[str, Any]:
        doing.set()
        control.stop.wait()
        raise StoppedError(control.why)

    worker = Worker(live(ws), runner=runner, poll_s=0.05, grace_s=3600)
    worker.start()
    assert doing.wait(30)
    worker.ask_to_stop()
    worker.ask_to_stop()
    until(lambda: job(ws, "s").status is RunStatus.QUEUED)  # type: ignore[union-attr]
    worker.stop()
