"""A deployment whose error has grown, and processes that tick on it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from deployed_model import at, deployed, rows
from nbops.automation.tick import tick
from nbops.core.clock import FixedClock
from nbops.monitor.labels import add_labels
from nbops.scoring.score import score
from nbops.workspace import Workspace, open_workspace

NOW = datetime(2012, 3, 1, tzinfo=UTC)

TRAIN = """\
import pathlib
import time
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
marker = pathlib.Path("started")
if pathlib.Path("slowly").exists() and not marker.exists():
    marker.touch()
    time.sleep(120)
data = pd.read_csv("train.csv")
train, test = data.head(400), data.tail(200)
encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough")
model = make_pipeline(encoder, LinearRegression()).fit(train[["x", "n", "city"]], train["y"])
mean_absolute_error(test["y"], model.predict(test[["x", "n", "city"]]))
"""

STEP = '[pipelines.train.steps.train]\nnotebook = "train.ipynb"\ncache = false\n'


def settings(*, pipeline: bool = False, **triggers: object) -> str:
    wished = {"reference": 0.5, **triggers}
    inline = ", ".join(f"{key} = {json.dumps(value)}" for key, value in wished.items())
    text = STEP if pipeline else ""
    text += '[deployments.taxi]\nmodel = "taxi"\nmetric = "mean_absolute_error"\nkey = ["id"]\n'
    return text + ('pipeline = "train"\n' if pipeline else "") + f"triggers = {{ {inline} }}\n"


def served(folder: Path, toml: str) -> Workspace:
    return at(deployed(folder, toml), NOW)


def notebook(ws: Workspace, code: str = TRAIN) -> None:
    cell = {"cell_type": "code", "id": "a", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    made = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": [cell]}
    (ws.root / "train.ipynb").write_text(json.dumps(made))
    rows(600, seed=3).to_csv(ws.root / "train.csv", index=False)


def lived(ws: Workspace, period: str, *, seed: int, error: float = 0.0, share: float = 1.0) -> pd.DataFrame:
    """Score a period, then learn the labels of a share of its rows, which are off by `error`."""
    data = rows(200, seed=seed)
    file = ws.root / f"{period}.csv"
    data.drop(columns="y").to_csv(file, index=False)
    score(ws, "taxi", [file], ws.root / "out")
    learn(ws, data.assign(y=data["y"] + error), share)
    return data


def learn(ws: Workspace, data: pd.DataFrame, share: float = 1.0) -> None:
    labels = ws.root / "labels.csv"
    if share:
        data[["id", "y"]].head(int(share * len(data))).to_csv(labels, index=False)
        add_labels(ws, "taxi", labels, column="y")


def later(ws: Workspace, **how: float) -> Workspace:
    return at(ws, ws.clock.now() + timedelta(**how))


if __name__ == "__main__":  # tick in a process of its own, as soon as told to
    turning = open_workspace(Path(sys.argv[1]), clock=FixedClock(NOW), identity="worker", environ={})
    print("ready", flush=True)
    sys.stdin.readline()
    turn = tick(turning)
    print(json.dumps([len(turn.decisions), [[job.status, job.attempt, job.error] for job in turn.jobs]]), flush=True)
