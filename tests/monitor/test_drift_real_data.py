"""Drift on data made by others: published figures, a negative control, and shifts put into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from nbops.core.deployments import Severity
from nbops.monitor.severity import compare, overall
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import profile_table

pytestmark = pytest.mark.data

# month: PSI of temp, KS of temp, PSI of hum, hr, cnt against 2011-01 … 2011-06, computed on the raw values
BIKES = {
    "2011-07": (6.11, 0.75, 0.16, 0.001, 0.37),
    "2011-09": (3.50, 0.55, 1.56, 0.001, 0.21),
    "2011-12": (2.70, 0.37, 0.26, 0.000, 0.05),
    "2012-01": (2.14, 0.39, 0.11, 0.000, 0.04),
    "2012-03": (0.86, 0.22, 0.03, 0.001, 0.39),
    "2012-06": (4.20, 0.59, 0.13, 0.001, 0.84),
    "2012-08": (5.72, 0.72, 0.23, 0.001, 0.91),
    "2012-09": (3.92, 0.54, 0.19, 0.001, 0.87),
    "2012-10": (2.55, 0.36, 0.31, 0.001, 0.73),
    "2012-12": (2.27, 0.37, 0.27, 0.001, 0.16),
}


@pytest.fixture(scope="module")
def bikes(data_dir: Path) -> pd.DataFrame:
    return pd.read_csv(data_dir / "bike_hour.csv")


@pytest.fixture(scope="module")
def half_year(bikes: pd.DataFrame) -> Profile:
    return profile_table(bikes[bikes.dteday < "2011-07"])


@pytest.mark.parametrize("month", BIKES)
def test_bikes_have_the_published_figures(bikes: pd.DataFrame, half_year: Profile, month: str) -> None:
    rows = bikes[bikes.dteday.str.startswith(month)]
    drifts = compare(half_year, profile_table(rows))
    seen = {d.column: d.values for d in drifts}
    temp, ks, hum, hr, cnt = BIKES[month]
    assert seen["temp"]["psi"] == pytest.approx(temp, abs=0.01)
    assert seen["temp"]["ks"] == pytest.approx(ks, abs=0.006)
    exact = ks_2samp(bikes.temp[bikes.dteday < "2011-07"], rows.temp).statistic
    assert seen["temp"]["ks"] == pytest.approx(exact, rel=1e-9)
    assert seen["hum"]["psi"] == pytest.approx(hum, abs=0.01)
    assert seen["hr"]["psi"] == pytest.approx(hr, abs=0.001)
    assert seen["cnt"]["psi"] == pytest.approx(cnt, abs=0.01)


def test_hour_and_weekday_never_drift_and_temperature_does(bikes: pd.DataFrame, half_year: Profile) -> None:
    for month, rows in bikes[bikes.dteday >= "2011-07"].groupby(bikes.dteday.str[:7]):
        hour, weekday, temp = compare(half_year, profile_table(rows), columns=["hr", "weekday", "temp"])
        assert (hour.severity, weekday.severity) == (Severity.OK, Severity.OK), month
        if month in BIKES:
            assert temp.severity is Severity.ALERT
    assert overall([hour, weekday, temp]) is Severity.ALERT


def test_the_reason_in_plain_words(bikes: pd.DataFrame, half_year: Profile) -> None:
    (temp,) = compare(half_year, profile_table(bikes[bikes.dteday.str.startswith("2011-07")]), columns=["temp"])
    assert temp.why == "temp: PSI 6.11, values moved by 1.65 standard deviations, its median moved from 0.42 to 0.76"


NOT_INPUTS = ["id", "year", "employed", "period"]


@pytest.fixture(scope="module")
def employment(data_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    reference, analysis = (
        pd.read_parquet(data_dir / f"employment_MA_{part}.parquet") for part in ("reference", "analysis")
    )
    return reference, analysis


def inputs(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=NOT_INPUTS, errors="ignore")


@pytest.mark.parametrize("year", [2016, 2017, 2018])
def test_employment_stays_silent(employment: tuple[pd.DataFrame, pd.DataFrame], year: int) -> None:
    reference, analysis = employment
    drifts = compare(profile_table(inputs(reference)), profile_table(inputs(analysis[analysis.year == year])))
    assert len(drifts) == 18
    assert {d.severity for d in drifts} == {Severity.OK}
    assert max(d.values["psi"] for d in drifts) < 0.015  # ANC in 2018
    assert np.median([d.values["psi"] for d in drifts]) < 0.001


def test_shifts_put_into_employment_alert(employment: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    reference, analysis = (inputs(frame) for frame in employment)
    before = profile_table(reference)
    rng = np.random.default_rng(0)
    year = analysis[employment[1].year == 2016]
    for rows in (year.sample(1500, random_state=0), year):
        older = rows.assign(AGEP=rows["AGEP"] + 0.3 * reference["AGEP"].std())
        (drift,) = compare(before, profile_table(older), columns=["AGEP"])
        assert drift.severity is Severity.ALERT and drift.values["wasserstein"] == pytest.approx(0.3, abs=0.06)

        for name in ("MAR", "DIS"):
            shares = reference[name].value_counts(normalize=True)
            grows = shares[shares < 0.5].index[0]
            into = (rows[name] != grows) & (rng.random(len(rows)) < shares[grows] / (1 - shares[grows]))
            doubled = rows.assign(**{name: rows[name].where(~into, grows)})
            (drift,) = compare(before, profile_table(doubled), columns=[name])
            assert drift.severity is Severity.ALERT, (name, drift)
            assert f"{grows!r} went from" in drift.why or drift.values["share_change"] > 0.1

        others = {d.column: d.severity for d in compare(before, profile_table(older)) if d.column != "AGEP"}
        assert Severity.ALERT not in others.values()
