"""A tick: each cause is decided once and carried out by one, whatever happens to those who carry it out."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from turning import NOW, later, learn, lived, notebook, served, settings

from deployed_model import at, rows
from nbops.automation.jobs import LEASE
from nbops.automation.tick import carry_out, tick
from nbops.core.automation import MAX_ATTEMPTS, Job
from nbops.core.deployments import Alert
from nbops.core.errors import CorruptArtifactError, SettingsError, UnknownNameError
from nbops.core.models import Action
from nbops.core.runs import Owner, RunStatus
from nbops.monitor.drift import drift
from nbops.scoring.score import score
from nbops.store import automation, deployments, models
from nbops.store.liveness import this_process
from nbops.workspace import Workspace


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)


def alerts(ws: Workspace, kind: str) -> list[Alert]:
    return [alert for alert in deployments.alerts(ws.store, "taxi") if alert.kind == kind]


def worker(ws: Workspace) -> subprocess.Popen[str]:
    folder = Path(__file__).parent
    child = subprocess.Popen(
        [sys.executable, str(folder / "turning.py"), str(ws.root)],
        env=os.environ | {"PYTHONPATH": str(folder.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def answer(child: subprocess.Popen[str]) -> Any:
    said, _ = child.communicate(timeout=100)
    return json.loads(said)


def test_nothing_to_decide(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    assert tick(ws) == tick(ws)
    assert automation.decisions(ws.store) == automation.jobs(ws.store) == []
    with pytest.raises(UnknownNameError, match="no deployment 'bus'"):
        tick(ws, only="bus")
    with pytest.raises(UnknownNameError, match="no deployment 'bus'"):
        tick(ws, retrain="bus")


def test_a_period_that_went_well(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    lived(ws, "2012-01", seed=1)
    (decision,) = tick(ws).decisions
    assert (decision.trigger, decision.action, decision.seen["period"]) == ("degradation", "none", "2012-01")
    assert tick(ws).decisions == () and alerts(ws, "degradation") == []


def test_a_degraded_period_is_told_once(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    lived(ws, "2012-01", seed=1)
    lived(ws, "2012-02", seed=2, error=5.0)
    turn = tick(ws)
    (decision,) = turn.decisions
    assert (decision.action, decision.seen["period"], turn.jobs) == ("tell", "2012-02", ())  # no pipeline is named
    (alert,) = alerts(ws, "degradation")
    assert alert.period == "2012-02" and alert.about == {"decision": decision.id} and "degraded" in alert.message
    assert tick(ws) == tick(later(ws, days=1)) and len(alerts(ws, "degradation")) == 1


def test_too_few_labels_decide_nothing_and_more_labels_decide_again(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    data = lived(ws, "2012-01", seed=1, share=0.49)
    assert tick(ws).decisions == ()
    learn(ws, data, 0.6)
    (well,) = tick(ws).decisions
    assert (well.action, well.seen["rows"]) == ("none", 120)
    learn(ws, data.assign(y=data["y"].where(data.index < 120, data["y"] + 50)))
    (worse,) = tick(ws).decisions
    assert (worse.action, worse.seen["rows"]) == ("tell", 200)
    assert tick(ws).decisions == ()


def test_only_what_the_present_champion_scored_counts(tmp_path: Path) -> None:
    from deployed_model import fitted, register

    ws = served(tmp_path / "w", settings())
    lived(ws, "2012-01", seed=1, error=5.0)
    train = rows(600, seed=9)
    register(ws, fitted(train), train[["x", "n", "city"]], train["y"].rename("y"))
    assert tick(ws).decisions == ()


def test_drift_where_it_is_asked_for(tmp_path: Path) -> None:
    for asked in (False, True):
        ws = served(tmp_path / str(asked), settings(drift=asked))
        rows(400, seed=4, shift=2.0).drop(columns="y").to_csv(ws.root / "2012-01.csv", index=False)
        score(ws, "taxi", [ws.root / "2012-01.csv"], ws.root / "out")
        drift(ws, "taxi")
        found = tick(ws).decisions
        assert [(d.trigger, d.action, d.seen["severity"]) for d in found] == [("drift", "tell", "alert")] * asked
        assert tick(ws).decisions == ()


def test_a_schedule(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings(schedule="0 6 * * 1"))  # Mondays; it was deployed on Sunday, 2012-01-01
    assert tick(at(ws, datetime(2012, 1, 2, 5, tzinfo=UTC))).decisions == ()
    monday = at(ws, datetime(2012, 1, 2, 7, tzinfo=UTC))
    (decision,) = tick(monday).decisions
    assert (decision.trigger, decision.action, decision.cause) == ("schedule", "retrain", "2012-01-02T06:00:00.000000Z")
    assert tick(later(monday, days=6)).decisions == ()
    (missed,) = tick(at(ws, datetime(2012, 2, 1, tzinfo=UTC))).decisions  # four Mondays are one cause
    assert missed.cause == "2012-01-30T06:00:00.000000Z"


def test_a_schedule_that_is_none_is_said_and_others_go_on(tmp_path: Path) -> None:
    toml = settings(schedule="every day") + '[deployments.z]\nmodel = "taxi"\ntriggers = { schedule = "0 0 * * *" }\n'
    ws = served(tmp_path / "w", toml)
    with ws.store.transaction() as tx:
        deployments.save(tx, dataclasses.replace(deployments.get(tx, "taxi"), name="z"))
    with pytest.raises(SettingsError, match="'every day' is no cron line"):
        tick(ws)
    assert [d.deployment for d in automation.decisions(ws.store)] == ["z"]


def test_damaged_labels_of_one_deployment_are_said(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    lived(ws, "2012-01", seed=1)
    path = ws.artifacts.path(deployments.label_batches(ws.store, "taxi")[0].digest)
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    with pytest.raises(CorruptArtifactError):
        tick(ws)


def test_on_demand_without_a_pipeline_fails_three_times_and_says_so(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    (job,) = tick(ws, retrain="taxi").jobs
    assert (job.status, job.attempt) == (RunStatus.FAILED, 1) and "names no pipeline" in (job.error or "")
    for attempt in range(2, MAX_ATTEMPTS + 1):
        (job,) = tick(ws).jobs
        assert (job.status, job.attempt) == (RunStatus.FAILED, attempt)
    assert tick(ws).jobs == ()
    assert len(alerts(ws, "failure")) == MAX_ATTEMPTS


@pytest.mark.slow
def test_a_failing_pipeline(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings(pipeline=True))
    notebook(ws, "raise RuntimeError('no data from postgresql://me:hunter2Zq@db/x')")
    lived(ws, "2012-02", seed=2, error=5.0)
    seen = [tick(later(ws, hours=i)).jobs for i in range(MAX_ATTEMPTS + 1)]
    assert [[(j.status, j.attempt) for j in jobs] for jobs in seen] == [
        [(RunStatus.FAILED, 1)],
        [(RunStatus.FAILED, 2)],
        [(RunStatus.FAILED, 3)],
        [],
    ]
    assert len(alerts(ws, "degradation")) == 1
    failures = alerts(ws, "failure")
    assert [f"attempt {i} of 3" in alert.message for i, alert in enumerate(failures, 1)] == [True] * 3
    assert "RuntimeError" in failures[0].message and "hunter2Zq" not in repr(failures)
    assert models.history(ws.store, "taxi")[-1].to_version == 1, "the champion stays"


def test_threads_that_tick_at_once_decide_once(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    lived(ws, "2012-02", seed=2, error=5.0)
    together = Barrier(6)

    def turn(_: int) -> int:
        together.wait()
        try:
            return len(tick(ws).decisions)
        finally:
            ws.store.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(turn, range(6))) == 1
    assert len(automation.decisions(ws.store)) == len(alerts(ws, "degradation")) == 1
    assert len(deployments.performances(ws.store, "taxi")) == 1


@pytest.mark.slow
def test_processes_that_tick_at_once_retrain_once(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings(pipeline=True))
    notebook(ws)
    lived(ws, "2012-02", seed=2, error=5.0)
    workers = [worker(ws), worker(ws)]
    for child in workers:
        go(child)
    said = [answer(child) for child in workers]
    assert sum(decisions for decisions, _ in said) == 1
    assert [job for _, jobs in said for job in jobs] == [["COMPLETED", 1, None]]
    (decision,) = automation.decisions(ws.store)
    job = automation.job_of(ws.store, decision.id)
    assert job is not None and job.result["outcome"] in ("promoted", "refused")
    last = models.history(ws.store, "taxi")[-1]
    assert (last.cause, last.id) == (decision.id, job.result["promotion"])
    assert (last.action is Action.PROMOTED) == (job.result["outcome"] == "promoted")


@pytest.mark.slow
def test_the_job_of_a_worker_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings(pipeline=True))
    notebook(ws)
    (ws.root / "slowly").touch()
    lived(ws, "2012-02", seed=2, error=5.0)
    child = worker(ws)
    go(child)
    while not (ws.root / "started").exists():
        assert child.poll() is None
        time.sleep(0.05)
    assert tick(ws).jobs == (), "it is in a living worker's hands"
    child.kill()
    child.communicate(timeout=30)
    turn = tick(ws)
    assert turn.decisions == ()
    (job,) = turn.jobs
    assert (job.status, job.attempt, job.error) == (RunStatus.COMPLETED, 2, None)
    assert job.worker == this_process()
    assert len(automation.jobs(ws.store)) == 1 and tick(ws).jobs == ()


def gone(ws: Workspace, **changes: Any) -> Job:
    """The only decision's job, as a worker left it that was killed."""
    (decision,) = automation.decisions(ws.store)
    job = Job(
        id="j",
        decision=decision.id,
        status=RunStatus.IN_PROGRESS,
        attempt=1,
        worker=Owner(host=this_process().host, pid=2**22 + 1, started="1"),
        lease_until=NOW + LEASE,
        created_at=NOW,
    )
    job = dataclasses.replace(job, **changes)
    with ws.store.transaction() as tx:
        automation.save_job(tx, job)
    return job


def test_leases(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    tick(ws, retrain="taxi")
    elsewhere = Owner(host="another machine", pid=1, started="1")
    gone(ws, worker=elsewhere)
    assert tick(ws).jobs == (), "nobody knows whether it lives: its lease counts"
    (job,) = tick(at(ws, NOW + LEASE)).jobs
    assert job.attempt == 2
    gone(ws, status=RunStatus.STOPPED)
    (job,) = tick(ws).jobs
    assert (job.attempt, job.status) == (2, RunStatus.FAILED)


def test_a_worker_killed_at_its_last_attempt_ends_the_job_and_is_told(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    tick(ws, retrain="taxi")
    gone(ws, attempt=MAX_ATTEMPTS)
    before = len(alerts(ws, "failure"))
    assert tick(ws).jobs == ()
    (job,) = automation.jobs(ws.store)
    assert (job.status, job.error) == (RunStatus.FAILED, "its worker died")
    assert len(alerts(ws, "failure")) == before + 1
    assert tick(ws).jobs == () and len(alerts(ws, "failure")) == before + 1


def test_whoever_lost_the_lease_does_not_write_over_the_other_s_result(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    tick(ws, retrain="taxi")
    (decision,) = automation.decisions(ws.store)
    gone(ws)
    taken_over: list[Job] = []

    class Overtaken(dict):  # type: ignore[type-arg]
        """Settings that, looked at by the remedy, let a second worker finish first."""

        def get(self, *args: Any) -> Any:
            if not taken_over:
                taken_over.append(gone(ws, attempt=3, status=RunStatus.COMPLETED, result={"outcome": "promoted"}))
            return super().get(*args)

    slow = dataclasses.replace(
        ws, settings=dataclasses.replace(ws.settings, deployments=Overtaken(ws.settings.deployments))
    )
    carry_out(slow, decision)
    (job,) = automation.jobs(ws.store)
    assert job == taken_over[0]
