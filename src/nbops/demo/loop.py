"""Two years of bike rentals, month by month, as an operator would have lived them.

A model is trained on the first six months and promoted. Then, for each month: the labels that have become known by its
start arrive (those of month m at the start of month m + 2), the tick decides and perhaps retrains, and the month is
scored by whoever is champion. A second deployment, pinned to the first version, shows what would have been without
retraining. Everything goes through the public functions and is kept in the store; the loop itself keeps nothing, so
running it again goes on where it was left.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.automation.tick import Tick, tick
from nbops.core.clock import FixedClock
from nbops.core.errors import SettingsError
from nbops.demo import examples
from nbops.demo.rides import COLUMNS, Rides
from nbops.monitor.drift import drift
from nbops.monitor.labels import add_labels
from nbops.monitor.performance import update
from nbops.pipeline.run import run_pipeline
from nbops.promotion.deploy import deploy
from nbops.promotion.promote import promote
from nbops.scoring.score import score
from nbops.store import deployments, models
from nbops.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    import pandas as pd

DEPLOYED, FROZEN = "bikes", "bikes-frozen"
TRAINING_MONTHS = 6
LABEL_DELAY = 2  # labels of month m are known at the start of month m + LABEL_DELAY
MARK = "demo.json"


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The months of the data ("2011-01" …), and what each holds."""

    months: tuple[str, ...]
    by_month: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, rides: Rides) -> Calendar:
        groups = {str(m): g for m, g in rides.frame.groupby(rides.frame["dteday"].str[:7])}
        return cls(months=tuple(sorted(groups)), by_month=groups)

    @property
    def scored(self) -> tuple[str, ...]:
        return self.months[TRAINING_MONTHS:]

    def start(self, index: int) -> datetime:
        """The first moment of a month, also of months after the last."""
        year, month = (int(part) for part in self.months[0].split("-"))
        years, past = divmod(month - 1 + index, 12)
        return datetime(year + years, past + 1, 1, tzinfo=UTC)


def run(folder: Path, rides: Rides, say: Callable[[str], None]) -> float:
    """Live through the data in `folder`; return the seconds it took.

    Raises
    ------
    SettingsError
        If the folder holds something that isn't this demo, or a demo of other data.
    """
    began = time.monotonic()
    calendar = Calendar.of(rides)
    _settle_in(folder, rides, calendar)
    _first_model(_workspace(folder, calendar, TRAINING_MONTHS), say)
    for index, month in enumerate(calendar.months):
        if index >= TRAINING_MONTHS:
            _live_month(folder, calendar, index, month, say)
    for index in range(len(calendar.months), len(calendar.months) + LABEL_DELAY):
        workspace = _workspace(folder, calendar, index)
        _labels_arrive(workspace, calendar, index - LABEL_DELAY)
        for name in (DEPLOYED, FROZEN):
            update(workspace, name)
    return time.monotonic() - began


def _settle_in(folder: Path, rides: Rides, calendar: Calendar) -> None:
    mark = folder / MARK
    told = {"source": rides.source, "real": rides.real, "months": list(calendar.months), "rows": len(rides.frame)}
    if mark.exists():
        if json.loads(mark.read_text()) != told:
            raise SettingsError(f"{folder} holds a demo of other data; give another folder or remove this one")
    elif folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} isn't empty and holds no demo; give an empty or new folder")
    examples.copy("bikes", folder)
    for sub in ("data/labelled", "data/incoming", "data/labels"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    for month in calendar.months[:TRAINING_MONTHS]:
        _write(folder / "data/labelled" / f"{month}.csv", calendar.by_month[month][list(COLUMNS)])
    mark.write_text(json.dumps(told, indent=1) + "\n")


def _first_model(workspace: Workspace, say: Callable[[str], None]) -> None:
    if models.aliased(workspace.store, DEPLOYED, "production") is None:
        say("training the first model on six months, through papermill …")
        trained = run_pipeline(workspace, "train", progress=_steps(say))
        promotion = promote(workspace, trained.id, name=DEPLOYED)
        say(f"promoted as version {promotion.to_version}: " + "; ".join(r.why for r in promotion.results[:2]))
    if deployments.find(workspace.store, FROZEN) is None:
        deploy(workspace, FROZEN, DEPLOYED, version=1)


def _live_month(folder: Path, calendar: Calendar, index: int, month: str, say: Callable[[str], None]) -> None:
    workspace = _workspace(folder, calendar, index)
    if {d.period for d in deployments.drift_reports(workspace.store, FROZEN)} >= {month}:
        return  # lived through in an earlier run of this demo
    said = [month]
    known = index - LABEL_DELAY
    if known >= TRAINING_MONTHS:
        _labels_arrive(workspace, calendar, known)
        turn = tick(workspace, progress=_steps(say))
        said += _told(turn)
    incoming = folder / "data/incoming" / f"{month}.csv"
    _write(incoming, calendar.by_month[month].drop(columns="cnt"))
    for name in (DEPLOYED, FROZEN):
        scoring = score(workspace, name, [incoming], folder / "scores" / name, period=month)
        report = drift(workspace, name, period=month)
        if name == DEPLOYED:
            said.append(f"{scoring.rows} rows scored by v{scoring.version}, drift {report.severity}")
    say("  ".join(said))


def _labels_arrive(workspace: Workspace, calendar: Calendar, index: int) -> None:
    month = calendar.months[index]
    rides = calendar.by_month[month]
    labels = workspace.root / "data/labels" / f"{month}.csv"
    _write(labels, rides[["instant", "cnt"]])
    for name in (DEPLOYED, FROZEN):
        add_labels(workspace, name, labels, column="cnt")
    _write(workspace.root / "data/labelled" / f"{month}.csv", rides[list(COLUMNS)])


def _told(turn: Tick) -> list[str]:
    said = [f"{d.trigger}: {d.why}" for d in turn.decisions if d.action != "none"]
    for job in turn.jobs:
        outcome = job.result.get("outcome", job.error)
        version = f" as v{job.result['version']}" if "version" in job.result else ""
        said.append(f"retrained, {outcome}{version}")
    return said


def _steps(say: Callable[[str], None]) -> Callable[..., None]:
    def progress(event: Any) -> None:
        if event.state != "cell":
            say(f"    {event.step}: {event.state}" + (f" ({event.why})" if event.why else ""))

    return progress


def _write(file: Path, frame: pd.DataFrame) -> None:
    if not file.exists():
        part = file.with_suffix(".part")
        frame.to_csv(part, index=False)
        part.replace(file)


def _workspace(folder: Path, calendar: Calendar, index: int) -> Workspace:
    """The demo's workspace, as the calendar's month begins. Settings of the surroundings don't lead it astray."""
    ours = {k: v for k, v in os.environ.items() if k not in ("NBOPS_HOME", "NBOPS_STORE", "NBOPS_ARTIFACTS")}
    return open_workspace(folder, clock=FixedClock(calendar.start(index)), identity="demo", environ=ours)


def closing_workspace(folder: Path, rides: Rides) -> Workspace:
    """The workspace as the demo ends."""
    calendar = Calendar.of(rides)
    return _workspace(folder, calendar, len(calendar.months) + LABEL_DELAY)
