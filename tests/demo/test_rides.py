"""The demo's data: found where it should be, adapted rightly, simulated as a last resort."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbops.core.errors import InputDataError
from nbops.demo import rides
from nbops.demo.show import announced


def test_the_real_file(data_dir: Path) -> None:
    found = rides.load(data_dir / "bike_hour.csv")
    assert found.real
    assert len(found.frame) == 17_379
    assert (found.frame["dteday"] >= "2011-07").sum() == 13_129


def test_openmls_table_becomes_the_same(data_dir: Path) -> None:
    """OpenML's table, made from UCI's by the published differences, comes back as UCI's."""
    import pandas as pd

    real = rides.load(data_dir / "bike_hour.csv").frame
    words = {1: "clear", 2: "misty", 3: "rain", 4: "heavy_rain"}
    openml = pd.DataFrame(
        {
            "year": real["dteday"].str[3].astype(int) - 1,
            "month": real["dteday"].str[5:7].astype(int),
            "hour": real["hr"],
            "holiday": real["holiday"].map({0: "False", 1: "True"}),
            "weekday": real["weekday"],
            "workingday": real["workingday"].map({0: "False", 1: "True"}),
            "weather": real["weathersit"].map(words),
            "temp": real["temp"] * 41,
            "feel_temp": real["atemp"] * 50,
            "humidity": real["hum"],
            "windspeed": real["windspeed"] * 67,
            "count": real["cnt"],
        }
    )
    pd.testing.assert_frame_equal(rides.from_openml(openml), real.reset_index(drop=True), check_dtype=False, atol=1e-4)


def test_the_simulated_city_has_the_schema_and_is_always_the_same() -> None:
    import pandas as pd

    city = rides.simulated()
    assert tuple(city.columns) == rides.COLUMNS
    assert city["dteday"].str[:7].nunique() == 24
    assert city.notna().all().all()
    pd.testing.assert_frame_equal(city, rides.simulated())


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputDataError, match="lacks the columns instant"):
        rides.load(file)
    with pytest.raises(InputDataError, match="can't be read"):
        rides.load(tmp_path / "nothing.csv")


def test_offline_with_nothing_it_is_simulated_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBOPS_DATA_DIR", raising=False)
    found = rides.load(cache=tmp_path, offline=True)
    assert not found.real
    assert "simulated" in found.source
    said = announced(found)
    assert "(SIMULATED)" in said
    assert "LEFT OUT: the real rides" in said
    assert "--data hour.csv" in said
