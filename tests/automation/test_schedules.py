"""Schedules: each cause is one job, whatever the clock, the workers and the overlap do; on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scheduled import NOW, again, at, badly, do_all, later, notebook, opened, well, wish
from scheduled import ws as ws  # a fixture

from nbops.automation import schedules
from nbops.automation.causes import unseen
from nbops.automation.job_process import in_process
from nbops.automation.jobs import LEASE, Control, StoppedError, carry, claim, stop
from nbops.core.automation import Job
from nbops.core.errors import (
    NotebookError,
    ParameterError,
    RefusedError,
    StoreAwayError,
    UnknownNameError,
    UsageError,
)
from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, CellStatus, DataUse, Owner, Run, RunKind, RunStatus
from nbops.settings import ScheduleSettings
from nbops.store import automation, records, runs
from nbops.store import schedules as kept
from nbops.store.database import migrations
from nbops.store.liveness import this_process
from nbops.workspace import Workspace

OLD_GLOB = sys.version_info < (3, 13)  # newer ones take more for a pattern, and pass over what can't be looked at


def fired(ws: Workspace) -> list[tuple[str, str]]:
    return [(d.cause[:16], d.action) for d in schedules.fire(ws)]


def test_a_schedule_fires_at_its_times_and_each_is_one_job(ws: Workspace) -> None:
    made = schedules.add(ws, "daily", wish(cron="0 6 * * *", tz="Europe/Berlin", params={"n": 1}))
    assert made.next_at == datetime(2026, 3, 3, 5, tzinfo=UTC)
    assert fired(ws) == fired(later(ws, hours=16)) == []
    tomorrow = at(ws, datetime(2026, 3, 3, 5, 0, 1, tzinfo=UTC))
    assert fired(tomorrow) == [("2026-03-03T05:00", "run")]
    assert fired(tomorrow) == fired(later(tomorrow, hours=1)) == []
    (job,) = do_all(tomorrow)
    assert (job.status, job.attempt, job.schedule) == (RunStatus.COMPLETED, 1, "daily")
    assert do_all(tomorrow) == []
    (state,) = schedules.overview(tomorrow)
    assert (state.kind, state.expression, state.target) == ("cron", "0 6 * * * (Europe/Berlin)", "pipeline train")
    assert state.next == datetime(2026, 3, 4, 5, tzinfo=UTC)
    assert state.last is not None and state.last.result == {"outcome": "completed", "by": 1}


def test_both_clock_changes_of_a_year(ws: Workspace) -> None:
    schedules.add(ws, "night", wish(cron="30 2 * * *", tz="Europe/Berlin", overlap="queue"))
    for start, expected in [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), ["2026-03-29T01:30"]),
        (datetime(2026, 10, 24, 23, tzinfo=UTC), ["2026-10-25T00:30"]),
    ]:
        fired(at(ws, start))  # what was missed until then
        found = [
            cause for minutes in range(0, 240, 5) for cause, _ in fired(at(ws, start + timedelta(minutes=minutes)))
        ]
        assert found == expected


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("once", ["2026-03-02T15:00"]),
        ("skip", []),
        ("all", ["2026-03-02T13:00", "2026-03-02T14:00", "2026-03-02T15:00"]),
    ],
)
def test_times_that_were_missed(ws: Workspace, missed: str, expected: list[str]) -> None:
    schedules.add(ws, "hourly", wish(cron="0 * * * *", missed=missed, overlap="queue"))
    back = at(ws, datetime(2026, 3, 2, 15, 40, tzinfo=UTC))
    assert [cause for cause, _ in fired(back)] == expected
    assert fired(back) == []
    assert [cause for cause, _ in fired(at(ws, datetime(2026, 3, 2, 16, 1, tzinfo=UTC)))] == ["2026-03-02T16:00"]


def test_years_of_missed_times_are_made_up_for_in_parts(ws: Workspace) -> None:
    schedules.add(ws, "often", wish(every="1m", missed="all", overlap="queue"))
    back = later(ws, minutes=250)
    assert [len(schedules.fire(back)) for _ in range(4)] == [100, 100, 50, 0]


def test_a_clock_that_jumps_loses_and_doubles_nothing(ws: Workspace) -> None:
    schedules.add(ws, "hourly", wish(cron="0 * * * *", overlap="queue"))
    assert fired(at(ws, datetime(2026, 3, 2, 13, 0, 5, tzinfo=UTC))) == [("2026-03-02T13:00", "run")]
    assert fired(at(ws, datetime(2027, 3, 2, 13, 30, tzinfo=UTC))) == [("2027-03-02T13:00", "run")], "a wrong year"
    assert fired(at(ws, datetime(2026, 3, 2, 13, 30, tzinfo=UTC))) == [], "set right again: 13:00 was done"
    assert fired(at(ws, datetime(2026, 3, 2, 14, 0, 5, tzinfo=UTC))) == [("2026-03-02T14:00", "run")]
    assert fired(at(ws, datetime(2026, 3, 2, 12, 30, tzinfo=UTC))) == [], "back by two hours"
    assert fired(at(ws, datetime(2026, 3, 2, 13, 0, 5, tzinfo=UTC))) == [], "13:00 comes again, and is done"
    assert fired(at(ws, datetime(2026, 3, 2, 15, 0, 5, tzinfo=UTC))) == [("2026-03-02T15:00", "run")]


def test_jobs_of_a_time_when_the_clock_was_wrong_are_done_when_it_is_right(ws: Workspace) -> None:
    schedules.add(ws, "held", wish(cron="0 * * * *"))
    schedules.add(ws, "waits", wish(cron="0 * * * *"))
    wrong, right = at(ws, datetime(2031, 3, 2, 13, 30, tzinfo=UTC)), later(ws, minutes=90)
    assert len(schedules.fire(wrong)) == 2
    claimed = claim(wrong)
    assert claimed is not None
    schedules.fire(right)
    (done,) = do_all(right)
    assert done.status is RunStatus.COMPLETED
    taken = claim(later(right, minutes=4))  # whoever had it can't be seen from here
    assert taken is not None and taken[1].id == claimed[1].id


@pytest.mark.parametrize("overlap", ["skip", "queue", "cancel-old"])
def test_a_run_that_is_due_while_the_last_one_is_not_done(ws: Workspace, overlap: str) -> None:
    schedules.add(ws, "s", wish(every="1h", overlap=overlap))
    schedules.fire(later(ws, hours=1))
    claimed = claim(later(ws, hours=1))
    assert claimed is not None
    soon = later(ws, hours=1, minutes=1)
    schedules.fire(later(ws, hours=2))
    old, *new = [f.job for f in reversed(schedules.history(ws, "s"))]
    assert old is not None and claim(at(ws, NOW + timedelta(hours=1))) is None, "one at a time"
    if overlap == "skip":
        assert new == [None]
        assert "isn't done" in schedules.history(ws, "s")[0].decision.why
        with pytest.raises(RefusedError, match="its last run isn't done"):
            schedules.run_now(soon, "s")
        return
    assert new[0] is not None and new[0].status is RunStatus.QUEUED
    asked: list[str] = []

    def long(_ws: Workspace, _decision: Any, _job: Job, control: Control) -> dict[str, Any]:
        if overlap == "cancel-old":
            assert control.stop.wait(20)
            asked.append(control.why)
            raise StoppedError(control.why)
        return {}

    done = carry(soon, *claimed, long)
    if overlap == "cancel-old":
        assert (done.status, done.error, asked) == (RunStatus.STOPPED, "cancelled", ["cancelled"])
    else:
        assert done.status is RunStatus.COMPLETED
    (job,) = do_all(later(ws, hours=2))
    assert (job.id, job.status) == (new[0].id, RunStatus.COMPLETED)


def test_a_run_that_replaces_one_which_waited_takes_its_turn(ws: Workspace) -> None:
    schedules.add(ws, "busy", wish(cron="* * * * *", overlap="queue"))
    schedules.add(ws, "newest", wish(cron="* * * * *", overlap="cancel-old"))
    for minutes in (1, 2, 3):
        schedules.fire(later(ws, minutes=minutes, seconds=1))
    order = [job.schedule for job in do_all(later(ws, minutes=4))]
    assert sorted(order[:2]) == ["busy", "newest"] and order[2:] == ["busy", "busy"]


def test_retries_wait_longer_each_time_and_then_it_has_failed(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(cron="0 0 1 * *", retries=2, backoff="10m"))
    schedules.run_now(ws, "s")
    (first,) = do_all(ws, badly)
    assert first.status is RunStatus.FAILED and first.error is not None and "hunter2Zq" not in first.error
    assert do_all(later(ws, minutes=9), badly) == []
    (second,) = do_all(later(ws, minutes=10), badly)
    assert do_all(later(ws, minutes=29), badly) == []
    (third,) = do_all(later(ws, minutes=30), badly)
    assert [first.attempt, second.attempt, third.attempt] == [1, 2, 3]
    assert do_all(later(ws, days=9), badly) == []
    (firing,) = schedules.history(ws, "s")
    assert firing.job is not None and firing.job.status is RunStatus.FAILED and "no data" in (firing.job.error or "")


def test_a_retry_that_goes_well(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(cron="0 0 1 * *", retries=1))
    schedules.run_now(ws, "s")
    do_all(ws, badly)
    (job,) = do_all(later(ws, minutes=1))
    assert (job.status, job.attempt, job.error) == (RunStatus.COMPLETED, 2, None)


def test_pause_resume_remove(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h"))
    schedules.pause(ws, "s")
    assert fired(later(ws, hours=5)) == [] and schedules.overview(ws)[0].next is None
    schedules.resume(later(ws, hours=5, minutes=30), "s")
    assert fired(later(ws, hours=5, minutes=40)) == []
    assert [c for c, _ in fired(later(ws, hours=6))] == ["2026-03-02T18:00"]
    schedules.remove(later(ws, hours=6), "s")
    assert do_all(later(ws, hours=6)) == [], "what waited was stopped"
    assert schedules.overview(ws) == []
    (firing,) = schedules.history(ws, "s")
    assert firing.job is not None and firing.job.status is RunStatus.STOPPED
    for act in (schedules.pause, schedules.resume, schedules.remove, schedules.run_now, schedules.history):
        with pytest.raises(UnknownNameError, match="no schedule 'nothing'"):
            act(ws, "nothing")


def test_many_who_ask_at_once_decide_once_and_do_it_once(ws: Workspace) -> None:
    for i in range(5):
        schedules.add(ws, f"s{i}", wish(every="1h"))
    moment = later(ws, hours=1)
    together = threading.Barrier(6)
    decided: list[int] = []
    done: list[Job] = []

    def worker() -> None:
        mine = dataclasses.replace(again(ws), clock=moment.clock)
        together.wait()
        decided.append(len(schedules.fire(mine)))
        done.extend(do_all(mine))
        mine.store.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done += do_all(moment)
    assert sum(decided) == 5
    assert sorted(job.schedule or "" for job in done) == [f"s{i}" for i in range(5)]
    assert {job.attempt for job in done} == {1}


def test_the_job_of_a_worker_that_is_gone_is_taken_over_and_it_may_not_write_any_more(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    claimed = claim(ws)
    assert claimed is not None and claim(ws) is None
    decision, job = claimed
    elsewhere = dataclasses.replace(job, worker=Owner(host="another machine", pid=1, started="1"))
    with ws.store.transaction() as tx:
        automation.save_job(tx, elsewhere)
    assert claim(later(ws, seconds=LEASE.total_seconds() - 1)) is None, (
        "nobody knows whether it lives: its lease counts"
    )
    taken = claim(at(ws, NOW + LEASE))
    assert taken is not None and taken[1].attempt == 2
    late = carry(ws, decision, job, well)
    assert late.attempt == 1
    known = automation.job_of(ws.store, decision.id)
    assert known is not None and (known.status, known.attempt) == (RunStatus.IN_PROGRESS, 2)
    assert carry(ws, *taken, well).status is RunStatus.COMPLETED


def test_a_child_that_outlives_its_worker_keeps_the_job(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    claimed = claim(ws)
    assert claimed is not None
    gone = Owner(host=this_process().host, pid=2**22 + 1, started="1")
    with ws.store.transaction() as tx:
        automation.save_job(tx, dataclasses.replace(claimed[1], worker=gone, child=this_process()))
    assert claim(ws) is None
    with ws.store.transaction() as tx:
        automation.save_job(tx, dataclasses.replace(claimed[1], worker=gone, child=gone))
    assert claim(ws) is not None


def test_a_job_that_kills_its_workers_fails_at_last(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    gone = Owner(host=this_process().host, pid=2**22 + 1, started="1")
    for _ in range(3):
        claimed = claim(ws)
        assert claimed is not None
        with ws.store.transaction() as tx:
            automation.save_job(tx, dataclasses.replace(claimed[1], worker=gone))
    assert claim(ws) is None
    (firing,) = schedules.history(ws, "s")
    assert firing.job is not None and (firing.job.status, firing.job.error) == (RunStatus.FAILED, "its worker died")


def test_a_store_that_was_away_is_no_failed_attempt(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    claimed = claim(ws)
    assert claimed is not None

    def away(*_: Any) -> dict[str, Any]:
        raise StoreAwayError("the store can't be reached")

    assert carry(ws, *claimed, away).status is RunStatus.QUEUED
    (job,) = do_all(later(ws, minutes=1))
    assert (job.status, job.attempt) == (RunStatus.COMPLETED, 2)


def test_a_job_waits_while_another_run_makes_what_it_would(ws: Workspace) -> None:
    made = '[pipelines.train.steps.train]\nnotebook = "train.ipynb"\noutputs = ["out"]\n'
    (ws.root / "nbops.toml").write_text(made)
    notebook(ws.root / "train.ipynb", "# parameters\nn = 0", "open('out', 'w').close()")
    ws = dataclasses.replace(ws, settings=opened(ws.root, toml=made).settings)
    other = Run(
        id="a" * 16,
        kind=RunKind.PIPELINE,
        name="train",
        experiment="train",
        status=RunStatus.IN_PROGRESS,
        started_at=NOW,
        owner=this_process(),
        detail={"outputs": ["out"]},
    )
    with ws.store.transaction() as tx:
        runs.save(tx, other)
    schedules.add(ws, "s", wish(every="1h"))
    schedules.run_now(ws, "s")
    (waiting,) = do_all(ws, in_process)
    assert waiting.status is RunStatus.QUEUED and "the pipeline 'train' is running (run aaaaaa)" in str(waiting.error)
    assert do_all(later(ws, seconds=10), in_process) == []
    with ws.store.transaction() as tx:
        runs.save(tx, dataclasses.replace(other, status=RunStatus.COMPLETED, ended_at=NOW))
    (done,) = do_all(later(ws, minutes=1), in_process)
    assert done.status is RunStatus.COMPLETED, done.error


def test_stopping(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(every="1h", overlap="queue"))
    schedules.run_now(ws, "s")
    schedules.run_now(ws, "s")
    claimed = claim(ws)
    assert claimed is not None
    assert schedules.stop_runs(ws, "s") == 2
    assert claim(ws) is None
    known = automation.job_of(ws.store, claimed[0].id)
    assert known is not None and known.status is RunStatus.STOPPING
    gone = Owner(host=this_process().host, pid=2**22 + 1, started="1")
    with ws.store.transaction() as tx:
        stop(tx, known, NOW)  # a second time changes nothing
        automation.save_job(tx, dataclasses.replace(known, worker=gone))
    assert claim(ws) is None, "its worker died while it was being stopped: it isn't done again"
    assert {f.job.status for f in schedules.history(ws, "s") if f.job} == {RunStatus.STOPPED}


def test_new_data(ws: Workspace) -> None:
    folder = ws.root / "in"
    folder.mkdir()
    (folder / "old.csv").write_text("x\n1\n")
    os.utime(folder / "old.csv", (1e9, 1e9))
    schedules.add(ws, "s", wish(on_data="in/*.csv"))
    assert schedules.fire(ws) == ()
    (folder / "new.csv").write_text("x\n2\n")
    assert schedules.fire(later(ws, seconds=10)) == (), "it may not be whole yet"
    os.utime(folder / "new.csv", (1.1e9, 1.1e9))
    assert schedules.fire(later(ws, seconds=11)) == (), "looked at a moment ago"
    (decision,) = schedules.fire(later(ws, seconds=20))
    assert decision.why == "in/*.csv: 2 files, in/new.csv the newest"
    (folder / "third.csv").write_text("x\n3\n")
    os.utime(folder / "third.csv", (1e9, 1e9))
    assert schedules.fire(later(ws, minutes=1)) == (), "not while it runs; but not lost either"
    do_all(later(ws, minutes=1))
    assert len(schedules.fire(later(ws, minutes=2))) == 1
    do_all(later(ws, minutes=2))
    (folder / "third.csv").unlink()
    assert len(schedules.fire(later(ws, minutes=3))) == 1, "data that went has changed too"
    assert schedules.fire(later(ws, minutes=4)) == ()


def test_a_file_that_is_always_being_written_hides_no_other(ws: Workspace) -> None:
    folder = ws.root / "in"
    folder.mkdir()
    (folder / "log.csv").write_text("x\n")
    made = schedules.add(ws, "s", wish(on_data="in/*.csv"))
    assert made.seen["files"].keys() == {"in/log.csv"}
    (folder / "new.csv").write_text("x\n2\n")
    os.utime(folder / "new.csv", (1e9, 1e9))
    for turn in range(3):
        (folder / "log.csv").write_text("x\n" * (turn + 2))
        fired = schedules.fire(later(ws, minutes=turn))
        assert [d.why for d in fired] == ["in/*.csv: 2 files, in/new.csv the newest"] * (turn == 0)
        do_all(later(ws, minutes=turn))
    os.utime(folder / "log.csv", (1e9, 1e9))
    (decision,) = schedules.fire(later(ws, minutes=3))
    assert decision.why == "in/*.csv: 2 files, in/log.csv the newest"


def test_the_same_change_after_a_schedule_was_made_anew_is_another_cause(ws: Workspace) -> None:
    for turn in (0, 10):
        now = later(ws, minutes=turn)
        schedules.add(now, "s", wish(on_data="*.csv"), replace=True)
        (ws.root / "a.csv").write_text("x\n")
        os.utime(ws.root / "a.csv", (1e9, 1e9))
        assert len(schedules.fire(later(now, minutes=1))) == 1
        do_all(later(now, minutes=1))
        (ws.root / "a.csv").unlink()


@pytest.mark.parametrize("pattern", ["", "/", ".", *(["in/**x"] if OLD_GLOB else []), "data:/"])
def test_what_is_no_pattern_of_files_is_refused(ws: Workspace, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"is no pattern of files|names no data"):
        schedules.add(ws, "s", wish(on_data=pattern))


@pytest.mark.skipif(not OLD_GLOB, reason="pathlib passes over what can't be looked at")
def test_a_pattern_whose_files_cannot_be_looked_at_says_so(ws: Workspace) -> None:
    schedules.add(ws, "s", wish(on_data=f"a/{'b' * 300}"))
    (ws.root / "a").mkdir()
    (decision,) = schedules.fire(later(ws, minutes=1))
    assert decision.action == "none" and "could not be looked at" in decision.why and "too long" in decision.why


def test_a_new_version_of_data(ws: Workspace) -> None:
    run = Run(id="r", kind=RunKind.SESSION, name="n", experiment="n", status=RunStatus.COMPLETED, started_at=NOW)

    def seen(seq: int, digest: str) -> None:
        use = DataUse(name="rides", fingerprint=Fingerprint(kind="pandas.DataFrame", digest=digest, shape=(1, 1)))
        what = {"run": "r", "seq": seq, "cell_id": "c", "source": "j1:sha256:00", "execution_count": 1}
        with ws.store.transaction() as tx:
            runs.save(tx, run)
            records.add(tx, CellRecord(**what, status=CellStatus.OK, reads=(use,)))

    schedules.add(ws, "s", wish(on_data="data:/rides"))
    assert schedules.fire(later(ws, minutes=1)) == ()
    seen(0, "f1:blake3:aaaa")
    (decision,) = schedules.fire(later(ws, minutes=2))
    assert decision.cause == "data:/rides@1"
    do_all(later(ws, minutes=2))
    seen(1, "f1:blake3:aaaa")
    assert schedules.fire(later(ws, minutes=3)) == ()
    seen(2, "f1:blake3:bbbb")
    (decision,) = schedules.fire(later(ws, minutes=4))
    assert decision.cause == "data:/rides@2"


def test_a_schedule_that_cannot_be_looked_at_says_so_and_others_go_on(ws: Workspace) -> None:
    schedules.add(ws, "good", wish(every="1h"))
    broken = dataclasses.replace(kept.get(ws.store, "good"), name="bad", every_s=None, on_drift="gone")
    with ws.store.transaction() as tx:
        kept.save(tx, broken, "added")
    assert sorted((d.schedule, d.action) for d in schedules.fire(later(ws, hours=1))) == [
        ("bad", "none"),
        ("good", "run"),
    ]
    assert "no deployment 'gone'" in schedules.history(ws, "bad")[0].decision.why


@pytest.mark.parametrize(
    ("wished", "error", "sentence"),
    [
        (wish(), UsageError, "exactly one of cron, every"),
        (wish(cron="0 6 * * *", every="1h"), UsageError, "2 are given"),
        (wish(cron="every day"), UsageError, "'every day' is no cron line"),
        (wish(cron="0 6 * * *", tz="Berlin"), UsageError, "no time zone 'Berlin'"),
        (wish(every="soon"), UsageError, "'soon' is no duration"),
        (wish(every="1h", pipeline="trian"), UnknownNameError, "did you mean 'train'"),
        (wish(every="1h", notebook="train.ipynb"), UsageError, "either a pipeline or a notebook"),
        (ScheduleSettings(every="1h"), UsageError, "either a pipeline or a notebook"),
        (ScheduleSettings(every="1h", notebook="nothing.ipynb"), NotebookError, "nothing.ipynb"),
        (ScheduleSettings(every="1h", notebook="train.ipynb", params={"lr": 1}), ParameterError, "lr"),
        (wish(every="1h", missed="never"), UsageError, "one of once, skip, all"),
        (wish(every="1h", overlap="both"), UsageError, "one of skip, queue, cancel-old"),
        (wish(every="1h", retries=-1), UsageError, "retries"),
        (wish(every="1h", keep=0), UsageError, "keep"),
        (wish(every="1h", timeout="0s"), UsageError, "no time at all"),
        (wish(on_drift="taxi"), UnknownNameError, "no deployment 'taxi'"),
        (wish(every="1h", on_failure=("me",)), UsageError, "can't be notified"),
        (wish(every="1h", on_failure=("mailto:me",)), UsageError, "no mail address"),
        (wish(every="1h", params={"api_key": "hunter2Zq"}), UsageError, "looks like a secret"),
        (wish(every="1h", params={"month": "postgresql://u:hunter2Zq@h/x"}), UsageError, "'month' looks like a secret"),
        (wish(every="1h", params={"month": "password=hunter2Zq"}), UsageError, "'month' looks like a secret"),
        (wish(every="1h", params={"month": "ghp_" + "hunter2Zq" * 3}), UsageError, "'month' looks like a secret"),
        (
            wish(every="1h", params={"months": [{"db": {"pw": "hunter2Zq"}}]}),
            UsageError,
            "'months' looks like a secret",
        ),
    ],
)
def test_wishes_that_make_no_sense(tmp_path: Path, wished: ScheduleSettings, error: type, sentence: str) -> None:
    ws = opened(tmp_path)
    with pytest.raises(error, match=sentence) as said:
        schedules.add(ws, "s", wished)
    assert "hunter2Zq" not in str(said.value)
    assert not ws.store.exists()


def test_the_secrets_of_a_notebook_needn_t_be_where_its_schedule_is_made(ws: Workspace) -> None:
    secret = "# parameters\nimport nbops\nkey = nbops.param(secret=True, env='SET_NOWHERE')"
    notebook(ws.root / "shop.ipynb", secret)
    assert schedules.add(ws, "s", ScheduleSettings(every="1h", notebook="shop.ipynb")).notebook == "shop.ipynb"
    with pytest.raises(ParameterError, match="'key' is a secret"):
        schedules.add(ws, "t", ScheduleSettings(every="1h", notebook="shop.ipynb", params={"key": "hunter"}))


def test_data_that_nobody_has_seen_is_said_when_the_schedule_is_made(ws: Workspace) -> None:
    (said,) = unseen(ws, schedules.make(ws, "s", wish(on_data="inn/*.csv")))
    assert said.startswith("no file is called 'inn/*.csv' now") and said.endswith("waits for the first")
    assert unseen(ws, schedules.make(ws, "s", wish(on_data="*.ipynb"))) == []
    (said,) = unseen(ws, schedules.add(ws, "s", wish(on_data="data:/rides")))
    assert said.startswith("there is no data 'rides'") and said.endswith("the schedule waits for its first version")


def test_names(ws: Workspace) -> None:
    for name in ("", "a b", "a\n"):
        with pytest.raises(UsageError, match="no name for a schedule"):
            schedules.add(ws, name, wish(every="1h"))
    schedules.add(ws, "größe/täglich", wish(every="1h"))
    with pytest.raises(UsageError, match="is a schedule 'größe/täglich' already"):
        schedules.add(ws, "größe/täglich", wish(every="2h"))
    assert schedules.add(ws, "größe/täglich", wish(every="2h"), replace=True).every_s == 7200


def test_the_notebooks_of_a_pin_are_kept_as_they_were(ws: Workspace) -> None:
    made = schedules.add(ws, "s", wish(every="1h", pin=True))
    notebook(ws.root / "train.ipynb", "x = 2")
    assert b"x = 1" in ws.artifacts.read_bytes(made.pinned["train.ipynb"])


def test_the_jobs_of_an_older_store_are_read_and_go_on(tmp_path: Path) -> None:
    """As the first schema had them, before jobs could wait or belong to schedules."""
    ws = opened(tmp_path)
    ws.store.path.parent.mkdir()
    connection = sqlite3.connect(ws.store.path, isolation_level=None)
    for statement in migrations()[0][1].split(";\n"):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    body = '{"action":"retrain","at":"2026-01-01T00:00:00.000000Z","cause":"c","deployment":"taxi","id":"d","seen":{},'
    connection.execute(
        "INSERT INTO decisions (id, deployment, \"trigger\", cause, body) VALUES ('d', 'taxi', 'drift', 'c', ?)",
        [body + '"trigger":"drift","why":"w"}'],
    )
    job = (
        '{"attempt":1,"created_at":"2026-01-01T00:00:00.000000Z","decision":"d","ended_at":null,"error":null,"id":"j",'
    )
    job += '"lease_until":"2026-01-01T06:00:00.000000Z","result":{},"status":"IN_PROGRESS",'
    connection.execute(
        "INSERT INTO jobs (id, decision, status, lease_until, body)"
        " VALUES ('j', 'd', 'IN_PROGRESS', '2026-01-01T06:00:00.000000Z', ?)",
        [job + '"worker":{"boot":"","host":"elsewhere","pid":1,"started":"1"}}'],
    )
    connection.close()
    (taken,) = do_all(ws)
    assert (taken.id, taken.attempt, taken.status, taken.schedule) == ("j", 2, RunStatus.COMPLETED, None)
    assert schedules.overview(ws) == []
