"""What counts as drift, how it is said, and how rarely chance is taken for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.deployments import ColumnDrift, Severity
from nbops.core.errors import SettingsError, UnknownNameError
from nbops.monitor.severity import DriftPolicy, compare, overall
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import profile_table

RNG = np.random.default_rng(20)


def table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "normal": rng.normal(10, 2, n),
            "skewed": rng.lognormal(0, 1, n),
            "hour": rng.integers(0, 24, n),
            "heap": np.where(rng.random(n) < 0.6, 0.0, rng.exponential(1, n)),
            "kind": rng.choice(["a", "b", "c", "d"], n, p=[0.5, 0.25, 0.15, 0.1]),
            "long_tail": pd.Series(rng.zipf(1.6, n).clip(0, 120)).astype(str),
            "flag": rng.random(n) < 0.3,
            "gaps": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
        }
    )


REFERENCE = table(4000, RNG)
PROFILE = profile_table(REFERENCE)


def verdict(current: pd.DataFrame, column: str, policy: DriftPolicy | None = None) -> ColumnDrift:
    return compare(PROFILE, profile_table(current), policy, [column])[0]


@pytest.mark.parametrize("n", [120, 200, 500, 2000, 20_000])
def test_chance_alone_hardly_ever_alerts(n: int) -> None:
    rng = np.random.default_rng(n)
    severities = [c.severity for _ in range(40) for c in compare(PROFILE, profile_table(table(n, rng)))]
    assert Severity.UNKNOWN not in severities
    assert severities.count(Severity.ALERT) <= 1  # of 320, each with several chances of one in a thousand
    assert severities.count(Severity.OK) >= 318


def test_small_references_do_not_alert_either() -> None:
    rng = np.random.default_rng(77)
    severities = [
        c.severity for _ in range(40) for c in compare(profile_table(table(120, rng)), profile_table(table(110, rng)))
    ]
    assert severities.count(Severity.ALERT) <= 1
    assert severities.count(Severity.WARN) <= 2


@pytest.mark.parametrize("n", [750, 10_000])
def test_a_shift_of_0_3_standard_deviations_alerts(n: int) -> None:
    current = table(n, np.random.default_rng(1))
    current["normal"] += 0.3 * REFERENCE["normal"].std()
    drift = verdict(current, "normal")
    assert drift.severity is Severity.ALERT
    assert drift.values["psi"] < 0.15  # PSI alone would not have seen it
    assert "standard deviations, its median moved from 9.918 to 10.5" in drift.why


@pytest.mark.parametrize("n", [750, 10_000])
def test_a_category_that_doubles_alerts(n: int) -> None:
    rng = np.random.default_rng(2)
    current = table(n, rng)
    current["kind"] = rng.choice(["a", "b", "c", "d"], n, p=[0.4118, 0.2059, 0.3, 0.0823])  # c: 15 % → 30 %
    drift = verdict(current, "kind")
    assert drift.severity is Severity.ALERT
    assert "'c' went from 1" in drift.why and "of the rows" in drift.why


def test_a_spread_that_grows_is_described() -> None:
    current = table(3000, np.random.default_rng(3))
    current["normal"] = 10 + 2 * (current["normal"] - 10)
    drift = verdict(current, "normal")
    assert drift.severity is Severity.ALERT and "its middle half went from 8" in drift.why


def test_a_column_that_never_varied_and_now_does() -> None:
    constant = profile_table({"x": np.full(300, 2.5)})
    (same,) = compare(constant, constant)
    (other,) = compare(constant, profile_table({"x": np.full(300, 2.6)}))
    assert same.severity is Severity.OK
    assert other.severity is Severity.ALERT and other.why.endswith("its median moved from 2.5 to 2.6")


def test_missing_values() -> None:
    current = table(2000, np.random.default_rng(4))
    current.loc[current.index[:160], "normal"] = np.nan
    assert verdict(current, "normal").severity is Severity.WARN
    assert "missing values went from 0.0 % to 8.0 %" in verdict(current, "normal").why
    current.loc[current.index[:400], "normal"] = np.nan
    assert verdict(current, "normal").severity is Severity.ALERT
    current["gaps"] = 0.5 * np.random.default_rng(4).random(2000) + 0.25  # no gaps any more
    assert "missing values went from" in verdict(current, "gaps").why
    current["gaps"] = np.nan
    assert verdict(current, "gaps").severity is Severity.ALERT


def test_new_categories() -> None:
    current = table(2000, np.random.default_rng(5))
    current.loc[current.index[:10], "kind"] = "new"
    assert verdict(current, "kind").severity is Severity.OK  # half a percent
    current.loc[current.index[:50], "kind"] = "new"
    drift = verdict(current, "kind")
    assert drift.severity is Severity.WARN
    assert "2.5 % of the rows have categories the reference never had, 'new' most often" in drift.why
    current.loc[current.index[:150], "kind"] = "new"
    assert verdict(current, "kind").severity is Severity.ALERT


def test_too_few_rows_is_unknown_never_ok() -> None:
    current = table(99, np.random.default_rng(6))
    drifts = compare(PROFILE, profile_table(current))
    assert {d.severity for d in drifts} == {Severity.UNKNOWN} and overall(drifts) is Severity.UNKNOWN
    assert "too few current rows to tell (99, at least 100 are needed)" in drifts[0].why
    assert verdict(current, "kind", DriftPolicy(min_rows=50)).severity is Severity.OK
    mostly_empty = table(120, np.random.default_rng(6))
    mostly_empty["normal"] = np.where(np.arange(120) < 60, np.nan, 1e9)
    half = profile_table(mostly_empty)
    assert compare(half, half, columns=["normal"])[0].severity is Severity.UNKNOWN


def test_columns_that_cannot_be_compared() -> None:
    n = 500
    frame = pd.DataFrame(
        {
            "id": [f"row {i}" for i in range(n)],
            "at": pd.date_range("2024-01-01", periods=n, freq="h"),
            "empty": pd.Series([None] * n, dtype="float64"),
            "temp": np.linspace(0, 1, n),
            "gone": 1.0,
        }
    )
    later = frame.assign(at=frame["at"] + pd.Timedelta(days=400), temp="warm").drop(columns="gone")
    drifts = {d.column: d for d in compare(profile_table(frame), profile_table(later))}
    assert {name: str(d.severity) for name, d in drifts.items()} == {
        "id": "ok", "at": "ok", "empty": "ok", "temp": "alert", "gone": "unknown",
    }  # fmt: skip
    assert drifts["temp"].why == "temp: was of type number, is string"
    assert drifts["gone"].why == "gone: not in the current data"
    assert overall(drifts.values()) is Severity.ALERT
    with pytest.raises(UnknownNameError, match="'tmp'"):
        compare(profile_table(frame), profile_table(later), columns=["tmp"])


def test_overall_is_the_worst_known() -> None:
    def made(*severities: str) -> list[ColumnDrift]:
        return [ColumnDrift(column="x", severity=Severity(s), values={}, why="") for s in severities]

    assert overall([]) is Severity.UNKNOWN
    assert overall(made("unknown", "ok")) is Severity.OK
    assert overall(made("ok", "warn", "unknown")) is Severity.WARN
    assert overall(made("ok", "alert")) is Severity.ALERT
    assert overall(made("ok", "alert"), DriftPolicy(alert_columns=2)) is Severity.WARN
    assert overall(made("alert", "alert"), DriftPolicy(alert_columns=2)) is Severity.ALERT


@pytest.mark.parametrize("wrong", [{"psi": (0.3, 0.1)}, {"new": (-1, 1)}, {"chance": 0}, {"min_rows": 0}])
def test_limits_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        DriftPolicy(**wrong)


def test_verdicts_can_be_stored_and_are_the_same_from_stored_profiles() -> None:
    current = table(900, np.random.default_rng(7)).assign(heap=3.0)
    drifts = compare(PROFILE, profile_table(current))
    again = compare(Profile.from_bytes(PROFILE.to_bytes()), Profile.from_bytes(profile_table(current).to_bytes()))
    assert again == drifts
    for drift in drifts:
        assert wire.from_json(ColumnDrift, parse(canonical(wire.to_json(drift)))) == drift
