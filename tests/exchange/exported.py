"""A small project whose pipeline is exported: notebooks, an nbops.toml, its workspace."""

from __future__ import annotations

import json
from pathlib import Path

from nbops.exchange.orchestrated import Told, told
from nbops.workspace import Workspace, open_workspace

TOML = """
[pipeline]
warm = false
[pipelines.train]
params = { months = 6 }
on_failure = "tell"
jobs = 2
limits = { gpu = 1, db = 3 }
[pipelines.train.steps.prepare]
notebook = "prepare.ipynb"
outputs = ["rows"]
retries = 1
retry_wait_s = 0.5
timeout_s = 600
[pipelines.train.steps."the holiday's"]
notebook = "holiday.ipynb"
needs = ["prepare"]
uses = ["db"]
[pipelines.train.steps.train]
notebook = "train.ipynb"
inputs = ["rows"]
needs = ["the holiday's"]
after_skip = true
uses = ["gpu"]
[pipelines.train.steps.tell]
notebook = "tell.ipynb"
"""
NIGHTLY = """
[schedules.nightly]
cron = "0 6 * * 1-5"
tz = "Europe/Berlin"
pipeline = "train"
params = { months = 12, note = "it's" }
retries = 2
backoff = "5m"
timeout = "2h"
on_failure = ["https://chat.example.org/hook?token=hunter2Zq"]
"""
PARAMETERS = """# parameters
from typing import Annotated, Literal
from annotated_types import Ge
from datetime import date
import nbops
months: Annotated[int, Ge(1)] = 1  # how many "months"
day: str = str(date.today())
lr = 0.5
mode: Literal["a", "b"] = "a"
nothing: int | None = None
big = float("inf")
parts = [1, 2]
password = "hunter2Zq"
token = nbops.param(secret=True, env="API_TOKEN")
note = ""
"""


def notebook(root: Path, name: str, *cells: str) -> None:
    """A cell beginning with ``# parameters`` gets that tag."""
    body = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "source": cell,
            "metadata": {"tags": ["parameters"] if cell.startswith("# parameters") else []},
            "outputs": [],
            "execution_count": None,
        }
        for i, cell in enumerate(cells)
    ]
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    (root / name).write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body})
    )


def project(root: Path, toml: str = TOML) -> Workspace:
    root.mkdir(exist_ok=True)
    (root / "nbops.toml").write_text(toml)
    notebook(root, "prepare.ipynb", PARAMETERS)
    notebook(root, "holiday.ipynb", "# parameters\nmonths = 3\nlr = 0.1")
    notebook(root, "train.ipynb", "x = 1")
    notebook(root, "tell.ipynb", "# parameters\nfailed = ''")
    return open_workspace(root, environ={})


def exported(root: Path, toml: str = TOML, schedule: str | None = None) -> tuple[Workspace, Told]:
    ws = project(root, toml)
    return ws, told(ws, "train", schedule)
