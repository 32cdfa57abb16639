"""From scoring through drift and labels to the tick, on data made by others: silence where nothing has changed, an
alert where something has."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_absolute_error

from deployed_model import register, workspace
from nbops.automation.tick import tick
from nbops.core.deployments import Alert, Severity
from nbops.monitor.drift import drift
from nbops.monitor.labels import add_labels
from nbops.scoring.score import score
from nbops.store import automation, deployments
from nbops.workspace import Workspace

pytestmark = pytest.mark.data

NOT_INPUTS = ["id", "year", "employed", "prediction", "predicted_probability"]


def toml(name: str, *, metric: str, key: str, reference: float) -> str:
    return (
        f'[deployments.{name}]\nmodel = "{name}"\nmetric = "{metric}"\nkey = ["{key}"]\n'
        f"triggers = {{ reference = {reference!r}, drift = true }}\n"
    )


def live(ws: Workspace, name: str, period: str, data: pd.DataFrame, *, target: str, key: str) -> list[Alert]:
    """Score a period, look for drift, learn its labels, tick; the alerts there are now."""
    file, labels = ws.root / f"{period}.parquet", ws.root / f"{period}-labels.parquet"
    data.drop(columns=target).to_parquet(file)
    score(ws, name, [file], ws.root / "out")
    drift(ws, name)
    data[[key, target]].to_parquet(labels)
    add_labels(ws, name, labels, column=target)
    tick(ws)
    return deployments.alerts(ws.store, name)


@pytest.fixture(scope="module")
def employment(data_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    reference = pd.read_parquet(data_dir / "employment_MA_reference.parquet")
    analysis = pd.read_parquet(data_dir / "employment_MA_analysis.parquet")
    target = pd.read_parquet(data_dir / "employment_MA_analysis_target.parquet")
    return reference, analysis.merge(target, on="id", validate="one_to_one")


@pytest.fixture(scope="module")
def employed(employment: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    reference, _ = employment
    inputs = reference.drop(columns=NOT_INPUTS)
    target = reference["employed"]
    held = np.random.default_rng(0).random(len(reference)) < 0.3
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(inputs[~held], target[~held])
    expected = log_loss(target[held], model.predict_proba(inputs[held]))
    ws = workspace(
        tmp_path_factory.mktemp("employment"), toml("jobs", metric="log_loss", key="id", reference=float(expected))
    )
    register(ws, model, inputs, target, name="jobs")
    return ws


def test_no_alert_of_any_kind_on_employment_and_a_seeded_shift_raises_one(
    employed: Workspace, employment: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    ws, (_, analysis) = employed, employment
    parts = {str(year): rows.reset_index(drop=True) for year, rows in analysis.groupby("year")}
    assert len(parts) >= 3
    for year, data in parts.items():
        assert live(ws, "jobs", year, data, target="employed", key="id") == [], year
    found = automation.decisions(ws.store, "jobs")
    assert {d.action for d in found} == {"none"}
    assert sum(d.trigger == "degradation" for d in found) == len(parts), "every year was judged by its labels"

    last = parts[max(parts)]
    age = last["AGEP"]
    moved = last.assign(id=last["id"] + 10**9, AGEP=age + 0.3 * age.std())
    (alert,) = live(ws, "jobs", "moved", moved, target="employed", key="id")
    assert (alert.kind, alert.period, alert.about["columns"]) == ("drift", "moved", ["AGEP"])

    disabled = last["DIS"].copy()
    once = np.flatnonzero(disabled == "1")  # one in eight
    others = np.random.default_rng(1).choice(np.flatnonzero(disabled != "1"), len(once), replace=False)
    disabled.iloc[others] = "1"
    doubled = last.assign(id=last["id"] + 2 * 10**9, DIS=disabled)
    more = live(ws, "jobs", "doubled", doubled, target="employed", key="id")
    assert [a.about["columns"] for a in more if a.kind == "drift" and a.period == "doubled"] == [["DIS"]]


def test_march_2012_of_the_bikes_is_degraded_as_its_labels_say(data_dir: Path, tmp_path: Path) -> None:
    bikes = pd.read_csv(data_dir / "bike_hour.csv")
    month = bikes["dteday"].str[:7]
    inputs = [c for c in bikes.columns if c not in ("instant", "dteday", "cnt", "casual", "registered")]
    train, held = bikes[month < "2011-06"], bikes[month == "2011-06"]
    tried = HistGradientBoostingRegressor(random_state=0).fit(train[inputs], train["cnt"])
    expected = float(mean_absolute_error(held["cnt"], tried.predict(held[inputs])))
    train = bikes[month < "2011-07"]
    frozen = HistGradientBoostingRegressor(random_state=0).fit(train[inputs], train["cnt"])
    ws = workspace(tmp_path / "w", toml("bikes", metric="mean_absolute_error", key="instant", reference=expected))
    register(ws, frozen, train[inputs], train["cnt"], name="bikes")
    march = bikes.loc[month == "2012-03", ["instant", *inputs, "cnt"]].reset_index(drop=True)
    found = live(ws, "bikes", "2012-03", march, target="cnt", key="instant")
    (alert,) = (a for a in found if a.kind == "degradation")
    assert (alert.severity, alert.period) == (Severity.ALERT, "2012-03")
    (decision,) = (d for d in automation.decisions(ws.store, "bikes") if d.trigger == "degradation")
    assert alert.about == {"decision": decision.id}
    realised = mean_absolute_error(march["cnt"], frozen.predict(march[inputs]))
    assert decision.seen["value"] == pytest.approx(realised) and realised > 1.3 * expected
    later = dataclasses.replace(ws.clock, at=datetime(2012, 6, 1, tzinfo=UTC))  # type: ignore[type-var]
    assert tick(dataclasses.replace(ws, clock=later)).decisions == ()
