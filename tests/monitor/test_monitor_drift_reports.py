"""Drift reports from stored profiles, and alerts told once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from deployed_model import deployed, register, rows, workspace
from nbops.core.deployments import Severity
from nbops.core.errors import UnknownNameError, UsageError
from nbops.monitor.drift import drift
from nbops.monitor.labels import add_labels
from nbops.monitor.performance import update
from nbops.scoring.score import score
from nbops.store import deployments
from nbops.workspace import Workspace


def scored(ws: Workspace, data: pd.DataFrame, period: str) -> None:
    data.to_csv(ws.root / f"{period}.csv", index=False)
    score(ws, "taxi", [ws.root / f"{period}.csv"], ws.root / "out")


def test_a_quiet_month_and_a_shifted_one(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    scored(ws, rows(600, seed=1), "2012-01")
    quiet = drift(ws, "taxi")
    assert (quiet.period, quiet.rows, quiet.version) == ("2012-01", 600, 1)
    assert [c.column for c in quiet.columns] == ["x", "n", "city", "prediction"]
    assert quiet.severity is not Severity.ALERT and deployments.alerts(ws.store) == []
    scored(ws, rows(600, seed=2, shift=1.0), "2012-02")
    moved = drift(ws, "taxi")
    found = {c.column: c.severity for c in moved.columns}
    assert moved.severity is found["x"] is Severity.ALERT and found["n"] is found["city"] is Severity.OK
    (alert,) = deployments.alerts(ws.store)
    assert (alert.kind, alert.severity, alert.period) == ("drift", Severity.WARN, "2012-02")
    assert "input drift without label evidence" in alert.message and "x:" in alert.message
    assert drift(ws, "taxi") == moved and drift(ws, "taxi", period="2012-01") == quiet
    assert len(deployments.drift_reports(ws.store, "taxi")) == 2


def test_the_input_is_not_read_again(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    scored(ws, rows(600, seed=1), "2012-01")
    (ws.root / "2012-01.csv").unlink()
    shutil.rmtree(ws.root / "out")
    assert drift(ws, "taxi").rows == 600


def test_the_same_columns_drifting_on_are_not_told_again_and_others_are(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    for month, shift in (("01", 1.0), ("02", 1.2), ("03", 0.0), ("04", 1.0)):
        data = rows(600, seed=int(month), shift=shift)
        if month == "02":
            data["city"] = "Kyiv"
        scored(ws, data, f"2012-{month}")
        drift(ws, "taxi")
    told = [(a.period, [c for c in a.about["columns"] if c != "prediction"]) for a in deployments.alerts(ws.store)]
    assert told == [("2012-01", ["x"]), ("2012-02", ["city"]), ("2012-04", ["x"])]


def test_the_predictions_reference_is_the_evaluation_rows_else_the_first_scoring(tmp_path: Path) -> None:
    for kept, expected in ((True, Severity.ALERT), (False, Severity.UNKNOWN)):
        ws = deployed(tmp_path / str(kept), evaluation=kept)
        scored(ws, rows(600, seed=1, shift=3.0), "2012-01")
        first = {c.column: c for c in drift(ws, "taxi").columns}["prediction"]
        assert first.severity is expected
        scored(ws, rows(600, seed=2, shift=0.0), "2012-02")
        second = {c.column: c.severity for c in drift(ws, "taxi").columns}["prediction"]
        assert second is (Severity.ALERT if expected is Severity.UNKNOWN else Severity.OK)


def test_too_few_rows_are_unknown_and_settings_are_heard(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    scored(ws, rows(50, seed=1, shift=2.0), "2012-01")
    assert drift(ws, "taxi").severity is Severity.UNKNOWN and deployments.alerts(ws.store) == []
    bold = deployed(tmp_path / "bold", '[deployments.taxi.drift]\nmin_rows = 40\nignore = ["city", "n"]\n')
    scored(bold, rows(50, seed=1, shift=2.0), "2012-01")
    report = drift(bold, "taxi")
    assert [c.column for c in report.columns] == ["x", "prediction"] and report.severity is Severity.ALERT


def test_an_earlier_period_can_be_the_reference_and_raises_nothing(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    scored(ws, rows(600, seed=1, shift=1.0), "2011-02")
    scored(ws, rows(600, seed=2, shift=1.0), "2012-02")
    season = drift(ws, "taxi", reference="2011-02")
    assert season.severity is not Severity.ALERT
    assert deployments.drift_reports(ws.store, "taxi") == [] and deployments.alerts(ws.store) == []
    assert drift(ws, "taxi").severity is Severity.ALERT


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    with pytest.raises(UsageError, match="nothing has been scored yet"):
        drift(ws, "taxi")
    scored(ws, rows(200), "2012-01")
    with pytest.raises(UnknownNameError, match=r"no scored period '2012-1'; did you mean '2012-01'"):
        drift(ws, "taxi", period="2012-1")
    with pytest.raises(UnknownNameError, match="no deployment 'x'"):
        drift(ws, "x")


def test_employment_raises_no_alert_and_a_seeded_shift_does(tmp_path: Path, data_dir: Path) -> None:
    """Massachusetts 2015 → 2016–2018: nothing moved. Then one column + 0.3 sd; one category doubled."""
    reference = pd.read_parquet(data_dir / "employment_MA_reference.parquet")
    analysis = pd.read_parquet(data_dir / "employment_MA_analysis.parquet")
    inputs = [
        c for c in reference.columns if c not in ("id", "employed", "year", "prediction", "predicted_probability")
    ]
    ws = workspace(tmp_path / "w")
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0, categorical_features="from_dtype")
    train, kept = reference.iloc[:-10_000], reference.iloc[-10_000:]
    model.fit(train[inputs], train["employed"])
    register(ws, model, train[inputs], train["employed"], evaluation=kept[[*inputs, "employed"]])

    def month(name: str, data: pd.DataFrame) -> Severity:
        data.to_parquet(tmp_path / f"{name}.parquet")
        scoring = score(ws, "taxi", [tmp_path / f"{name}.parquet"], ws.root / "out")
        assert scoring.rejected == 0
        return drift(ws, "taxi").severity

    for year, part in analysis.groupby("year"):
        assert month(str(year), part) is not Severity.ALERT
    assert deployments.alerts(ws.store) == []

    last = analysis[analysis["year"] == 2018]
    older = last.assign(AGEP=last["AGEP"] + 0.3 * reference["AGEP"].std())
    assert month("older", older) is Severity.ALERT
    (alert,) = deployments.alerts(ws.store)
    assert "AGEP" in alert.message
    share = (last["MAR"].astype(str) == "1").mean()
    others = last.index[last["MAR"].astype(str) != "1"]
    chosen = np.random.default_rng(0).choice(others, int(share * len(last)), replace=False)
    married = last.copy()
    married.loc[chosen, "MAR"] = "1"
    month("married", married)
    told = deployments.alerts(ws.store)[1:]
    assert len(told) == 1 and "MAR" in told[0].about["columns"]


def test_march_2012_of_the_bikes_shows_its_harm_through_its_labels_only(tmp_path: Path, data_dir: Path) -> None:
    """Demand grew: little input drift, but the labels show the harm (issue: 2012-03, MAE 92 against 32.1)."""
    hours = pd.read_csv(data_dir / "bike_hour.csv")
    month = hours["dteday"].str[:7]
    inputs = ["hr", "weekday", "workingday", "holiday", "weathersit", "temp", "atemp", "hum", "windspeed"]
    ws = workspace(tmp_path / "w", '[deployments.taxi]\nkey = ["dteday", "hr"]\n')
    train = hours[month <= "2011-06"]
    model = HistGradientBoostingRegressor(random_state=0).fit(train[inputs], train["cnt"])
    register(ws, model, train[inputs], train["cnt"])
    for period in ("2011-07", "2012-03"):
        hours[month == period].drop(columns="cnt").to_csv(tmp_path / f"{period}.csv", index=False)
        assert score(ws, "taxi", [tmp_path / f"{period}.csv"], ws.root / "out").rejected == 0
        drift(ws, "taxi")
    hours[["dteday", "hr", "cnt"]].to_csv(tmp_path / "labels.csv", index=False)
    add_labels(ws, "taxi", tmp_path / "labels.csv", column="cnt")
    july, march = update(ws, "taxi")
    assert july.metrics["mean_absolute_error"] == pytest.approx(27.4, abs=0.3)
    assert march.metrics["mean_absolute_error"] == pytest.approx(92.2, abs=0.3)
    assert march.metrics["bias"] == pytest.approx(-89, abs=1)
