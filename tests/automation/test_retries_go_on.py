"""A schedule's retry goes on where its last attempt ended: what it did needn't be done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scheduled import do_all, later, notebook, opened, wish

from nbops.automation import schedules
from nbops.automation.jobs import Control
from nbops.automation.remedies import REMEDIES
from nbops.core.automation import Decision, Job
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline import checkpointing
from nbops.settings import ScheduleSettings
from nbops.store import runs
from nbops.workspace import Workspace


def here(ws: Workspace, decision: Decision, _job: Job, _control: Control) -> dict[str, Any]:
    return REMEDIES[decision.action](ws, decision, None)


def test_the_next_attempt_of_a_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)
    monkeypatch.setattr(checkpointing, "RISK_S", 0.0)
    ws = opened(tmp_path / "w")
    cells = (
        "import pathlib, time; pathlib.Path(f'ran-{time.time_ns()}').touch(); xs = [1]; time.sleep(0.2)",
        "assert pathlib.Path('go').exists()\nprint(xs)",
    )
    notebook(ws.root / "train.ipynb", *cells)
    notebook(ws.root / "alone.ipynb", *cells)
    alone = ScheduleSettings(cron="0 0 1 1 *", notebook="alone.ipynb", pin=True, retries=1)
    schedules.add(ws, "whole", wish(cron="0 0 1 1 *", retries=1))
    schedules.add(ws, "one", alone)
    for name in ("whole", "one"):
        schedules.run_now(ws, name)
        assert [(job.status, job.attempt) for job in do_all(ws, here)] == [(RunStatus.FAILED, 1)]
    (ws.root / "go").touch()
    assert [job.status for job in do_all(later(ws, hours=1), here)] == [RunStatus.COMPLETED] * 2
    assert len(list(ws.root.glob("ran-*"))) == 2, "once in each notebook"
    steps = runs.listed(ws.store, kinds=[RunKind.STEP], status=RunStatus.COMPLETED)
    assert {step.name: step.detail["resumed"]["from_cell"] for step in steps} == {"train": 2, "alone": 2}
    (pipeline,) = runs.listed(ws.store, kinds=[RunKind.PIPELINE], status=RunStatus.COMPLETED)
    assert "resumed" in pipeline.detail
