"""Schedules that a deployment makes due: its drift, its degradation."""

from __future__ import annotations

from pathlib import Path

import pytest
from scheduled import well
from turning import later, learn, lived, notebook, served, settings

from deployed_model import rows
from nbops.automation import schedules
from nbops.automation.causes import unseen
from nbops.automation.jobs import carry, claim
from nbops.automation.tick import decide
from nbops.core.runs import RunStatus
from nbops.monitor.drift import drift
from nbops.scoring.score import score
from nbops.settings import ScheduleSettings
from nbops.workspace import Workspace


def fired(ws: Workspace) -> list[str]:
    """What is due; its jobs are done."""
    found = [decision.why for decision in schedules.fire(ws)]
    while (claimed := claim(ws, scheduled=True)) is not None:
        assert carry(ws, *claimed, well).status is RunStatus.COMPLETED
    return found


def test_a_degraded_deployment_makes_its_schedule_due_once(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings(degradation=1.3))
    notebook(ws)
    schedules.add(ws, "again", ScheduleSettings(on_degradation="taxi", notebook="train.ipynb"))
    lived(ws, "2012-01", seed=1)
    decide(ws)
    assert fired(later(ws, minutes=1)) == [], "well"
    data = lived(ws, "2012-02", seed=2, error=9.0, share=0.3)
    decide(ws)
    assert fired(later(ws, minutes=2)) == [], "too few labels"
    learn(ws, data.assign(y=data["y"] + 9.0))
    decide(ws)
    (why,) = fired(later(ws, minutes=3))
    assert why.startswith("taxi: mean_absolute_error of 2012-02 was 8.93") and why.endswith("degraded")
    assert fired(later(ws, minutes=4)) == []


def test_a_drift_report_that_alerts_makes_a_schedule_due(tmp_path: Path) -> None:
    ws = served(tmp_path / "w", settings())
    notebook(ws)
    lived(ws, "2012-01", seed=1)
    drift(ws, "taxi")
    schedules.add(ws, "moved", ScheduleSettings(on_drift="taxi", notebook="train.ipynb"))
    assert fired(later(ws, minutes=1)) == []
    moved = later(ws, minutes=2)
    rows(400, seed=9, shift=3.0).drop(columns="y").to_csv(ws.root / "m.csv", index=False)
    score(moved, "taxi", [ws.root / "m.csv"], ws.root / "out")
    drift(moved, "taxi")
    (why,) = fired(later(ws, minutes=3))
    assert why.startswith("taxi drifts in m (x")
    assert fired(later(ws, minutes=4)) == []


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (settings(degradation=0.0), ["is 0, so the schedule is never due", "promotes nothing"]),
        (settings(degradation=1.3), ["promotes nothing"]),
        (settings(pipeline=True, degradation=1.3), ["retrained for the same reason without the schedule"]),
        ('[deployments.taxi]\nmodel = "taxi"\npipeline = "train"\n', ["no error is known", "for the same reason"]),
    ],
)
def test_what_a_schedule_of_a_deployment_will_not_do_is_said(tmp_path: Path, toml: str, says: list[str]) -> None:
    ws = served(tmp_path / "w", toml)
    notebook(ws)
    made = schedules.make(ws, "s", ScheduleSettings(on_degradation="taxi", notebook="train.ipynb"))
    said = unseen(ws, made)
    assert len(said) == len(says) and all(part in one for part, one in zip(says, said, strict=True)), said
