"""Workspaces with schedules, on either kind of store, whose jobs are done by functions of the tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nbops.automation.jobs import Control, carry, claim
from nbops.core.automation import Decision, Job
from nbops.core.clock import FixedClock
from nbops.settings import ScheduleSettings
from nbops.store.postgres import PostgresDatabase
from nbops.workspace import Workspace, open_workspace

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOML = '[pipelines.train.steps.train]\nnotebook = "train.ipynb"\n'


def notebook(path: Path, *sources: str) -> None:
    """A cell beginning with ``# parameters`` gets that tag."""
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "source": s,
            "metadata": {"tags": ["parameters"]} if s.startswith("# parameters") else {},
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(sources)
    ]
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    made = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
    path.write_text(json.dumps(made))


def opened(folder: Path, location: str = "", toml: str = TOML) -> Workspace:
    """A workspace whose clock stands at NOW; `location` is that of a PostgreSQL store."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbops.toml").write_text(toml)
    if not (folder / "train.ipynb").exists():
        notebook(folder / "train.ipynb", "# parameters\nn = 0", "x = 1")
    environ = {"NBOPS_STORE": location} if location else {}
    return open_workspace(folder, clock=FixedClock(NOW), identity="tester", environ=environ)


@pytest.fixture(params=["sqlite", "postgresql"])
def ws(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    location = "" if request.param == "sqlite" else request.getfixturevalue("postgres_server").database()
    made = opened(tmp_path / "w", location)
    yield made
    made.store.close()


def again(ws: Workspace) -> Workspace:
    """The same workspace as another process would open it."""
    other = opened(ws.root, ws.store.location if isinstance(ws.store, PostgresDatabase) else "")
    return dataclasses.replace(other, clock=ws.clock)


def at(ws: Workspace, moment: datetime) -> Workspace:
    return dataclasses.replace(ws, clock=FixedClock(moment))


def later(ws: Workspace, **how: float) -> Workspace:
    return at(ws, ws.clock.now() + timedelta(**how))


def wish(**what: Any) -> ScheduleSettings:
    return ScheduleSettings(**{"pipeline": "train", **what})


def well(_ws: Workspace, _decision: Decision, job: Job, _control: Control) -> dict[str, Any]:
    return {"outcome": "completed", "by": job.attempt}


def badly(_ws: Workspace, _decision: Decision, _job: Job, _control: Control) -> dict[str, Any]:
    raise ValueError("no data from postgresql://me:hunter2Zq@db/x")


def do_all(ws: Workspace, runner: Any = well) -> list[Job]:
    """Claim and do what can be done now."""
    done = []
    while (claimed := claim(ws)) is not None:
        done.append(carry(ws, *claimed, runner))
    return done
