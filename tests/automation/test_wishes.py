"""nbops.toml is the wish, the store is the state; and the commands say both."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scheduled import TOML, claim, notebook, opened, wish
from scheduled import ws as ws  # a fixture

from nbops import settings
from nbops.automation import schedules, wishes
from nbops.core.errors import ParameterError, SettingsError, UsageError
from nbops.core.runs import RunStatus
from nbops.store import schedules as stored
from nbops.workspace import Workspace


def wished(ws: Workspace, text: str) -> Workspace:
    (ws.root / "nbops.toml").write_text(TOML + text)
    return dataclasses.replace(ws, settings=settings.load(ws.root / "nbops.toml"))


def changes(ws: Workspace) -> list[tuple[str, str]]:
    return [(c.action, c.schedule) for c in wishes.plan(ws)]


def test_the_difference_is_shown_and_settled(ws: Workspace) -> None:
    schedules.add(ws, "by-hand", wish(every="1h"))
    toml = (
        '[schedules.a]\nevery = "1h"\npipeline = "train"\n[schedules.b]\ncron = "0 6 * * *"\nnotebook = "train.ipynb"\n'
    )
    asked = wished(ws, toml)
    assert changes(asked) == [("add", "a"), ("add", "b")]
    assert wishes.apply(asked) and changes(asked) == [] == wishes.apply(asked)
    assert [s.name for s in schedules.overview(ws)] == ["a", "b", "by-hand"]
    schedules.pause(asked, "a")
    schedules.run_now(asked, "b")
    assert claim(asked) is not None
    asked = wished(ws, '[schedules.a]\nevery = "2h"\npipeline = "train"\nparams = { n = 1 }\n')
    first, second = wishes.plan(asked)
    assert (first.action, first.differs) == ("change", (("every_s", "3600.0", "7200.0"), ("params", "{}", "{'n': 1}")))
    assert (second.action, second.schedule) == ("remove", "b")
    wishes.apply(asked)
    assert changes(asked) == []
    found = {s.name: s for s in schedules.overview(asked)}
    assert set(found) == {"a", "by-hand"} and found["a"].paused and found["a"].expression == "2h"
    (gone,) = schedules.history(asked, "b")
    assert gone.job is not None and gone.job.status is RunStatus.STOPPING
    assert wishes.apply(wished(ws, "")) and [s.name for s in schedules.overview(ws)] == ["by-hand"]


def test_a_secret_is_refused_and_one_that_was_kept_is_not_shown(ws: Workspace) -> None:
    toml = '[schedules.a]\nevery = "1h"\npipeline = "train"\nparams = { n = %s }\n'
    for act in (wishes.plan, wishes.apply):
        with pytest.raises(UsageError, match="'a': the parameter 'n' looks like a secret") as said:
            act(wished(ws, toml % '"postgresql://u:hunter2Zq@h/x"'))
        assert "hunter2Zq" not in str(said.value)
    assert not ws.store.exists()
    asked = wished(ws, toml % "1")
    wishes.apply(asked)
    with asked.store.transaction() as tx:  # as an earlier version would have
        kept = stored.listed(tx)[0]
        stored.save(tx, dataclasses.replace(kept, params={"n": "postgresql://u:hunter2Zq@h/x"}), "changed")
    (change,) = wishes.plan(asked)
    assert change.differs == (("params", "{'n': 'postgresql://u:[redacted]@h/x'}", "{'n': 1}"),)


def test_who_made_it_may_change_it(ws: Workspace) -> None:
    schedules.add(ws, "a", wish(every="1h"))
    asked = wished(ws, '[schedules.a]\nevery = "1h"\npipeline = "train"\n')
    for act in (wishes.plan, wishes.apply):
        with pytest.raises(UsageError, match="made one of that name"):
            act(asked)
    with pytest.raises(UsageError, match="change it there"):
        schedules.add(asked, "a", wish(every="1h"), replace=True)
    schedules.remove(ws, "a")
    wishes.apply(asked)
    with pytest.raises(UsageError, match="take it out there"):
        schedules.remove(asked, "a")


def test_a_wish_that_makes_no_sense_changes_nothing(ws: Workspace) -> None:
    asked = wished(ws, '[schedules.a]\nevery = "1h"\npipeline = "train"\n[schedules.b]\nevery = "1h"\n')
    with pytest.raises(UsageError, match="schedule 'b'"):
        wishes.apply(asked)
    assert schedules.overview(ws) == []
    with pytest.raises(SettingsError, match="did you mean 'every'"):
        wished(ws, '[schedules.a]\nevry = "1h"\n')


def test_a_pinned_wish_stays_pinned(ws: Workspace) -> None:
    asked = wished(ws, '[schedules.a]\nevery = "1h"\npipeline = "train"\npin = true\n')
    wishes.apply(asked)
    notebook(ws.root / "train.ipynb", "x = 2")
    assert changes(asked) == []
    asked = wished(ws, '[schedules.a]\nevery = "1h"\npipeline = "train"\n')
    assert changes(asked) == [("change", "a")]


def test_the_commands(tmp_path: Path) -> None:
    ws = opened(tmp_path)

    def nbops(*words: str) -> Any:
        ran = subprocess.run(
            [sys.executable, "-c", "from nbops.cli.main import main; main()", *words, "--json"],
            cwd=ws.root,
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(ran.stdout) if ran.returncode == 0 else (ran.returncode, ran.stderr)

    added = nbops(
        "schedule", "add", "s", "--cron", "0 6 * * *", "--tz", "Europe/Berlin", "--pipeline", "train", "-p", "n=1"
    )
    assert (added["cron"], added["tz"], added["params"]) == ("0 6 * * *", "Europe/Berlin", {"n": "1"})
    assert nbops("schedule", "add", "t", "--every", "soon", "--pipeline", "train") == (
        2,
        "nbops: 'soon' is no duration; write it like 90s, 15m, 1h30m, 2d\n",
    )
    queued = nbops("schedule", "run-now", "s")
    assert queued["status"] == "QUEUED"
    (listed,) = nbops("schedule")
    assert (listed["name"], listed["kind"], listed["last"]["id"]) == ("s", "cron", queued["id"])
    (firing,) = nbops("schedule", "history", "s")
    assert firing["decision"]["trigger"] == "demand" and firing["job"]["id"] == queued["id"]
    assert nbops("plan") == []


def test_parameters_that_no_step_of_the_pipeline_takes_are_refused_before_anything_is_kept(tmp_path: Path) -> None:
    ws = opened(tmp_path)
    notebook(ws.root / "train.ipynb", "# parameters\nmonth = 1\nrate = 0.1")
    with pytest.raises(ParameterError, match=r"no step of the pipeline 'train' has a parameter 'months'.*mean 'month'"):
        schedules.add(ws, "nightly", wish(every="1h", params={"months": 12}))
    with pytest.raises(ParameterError, match=r"train\.ipynb.*'rate' must be a number, not 'fast'"):
        schedules.add(ws, "nightly", wish(every="1h", params={"rate": "fast"}))
    asked = wished(ws, '[schedules.a]\nevery = "1h"\npipeline = "train"\nparams = { months = 12 }\n')
    for act in (wishes.plan, wishes.apply):
        with pytest.raises(ParameterError, match="did you mean 'month'"):
            act(asked)
    assert schedules.overview(ws) == []
