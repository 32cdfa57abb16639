"""The hourly bike rentals of 2011 and 2012, from wherever they can be had.

In this order: a file the user names; ``NBOPS_DATA_DIR``; the user's cache; OpenML through scikit-learn, adapted to our
schema and kept in the cache; and, offline with none of these, a small simulated city of the same schema. Simulated
data is said to be simulated on every page that shows it.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.core.errors import InputDataError

if TYPE_CHECKING:
    import pandas as pd

FEATURES = ("hr", "weekday", "workingday", "holiday", "weathersit", "temp", "atemp", "hum", "windspeed")
COLUMNS = ("instant", "dteday", *FEATURES, "cnt")
FILE = "bike_hour.csv"
REACH_TIMEOUT_S = 5.0
FETCH_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Rides:
    """`frame` has one row an hour with the columns :data:`COLUMNS`; `source` says where it is from."""

    frame: pd.DataFrame
    real: bool
    source: str


def load(file: Path | None = None, *, cache: Path | None = None, offline: bool = False) -> Rides:
    """Find the data.

    Raises
    ------
    InputDataError
        If `file` is given and isn't there or isn't this table.
    """
    import pandas as pd

    if file is not None:
        return Rides(frame=_checked(_read(file), str(file)), real=True, source=str(file))
    folder = os.environ.get("NBOPS_DATA_DIR")
    if folder and (Path(folder) / FILE).exists():
        path = Path(folder) / FILE
        return Rides(frame=_checked(_read(path), str(path)), real=True, source=f"{FILE} (UCI data set 275)")
    kept = (cache or _cache()) / "bike_hour.parquet"
    if kept.exists():
        return Rides(frame=pd.read_parquet(kept), real=True, source="OpenML Bike_Sharing_Demand (cached)")
    if not offline and _reachable("www.openml.org"):
        from sklearn.datasets import fetch_openml

        limit = socket.getdefaulttimeout()
        socket.setdefaulttimeout(FETCH_TIMEOUT_S)  # scikit-learn's download sets none
        try:
            table = fetch_openml("Bike_Sharing_Demand", version=2, as_frame=True, parser="pandas", n_retries=1).frame
            frame = _checked(from_openml(table), "OpenML")
        except Exception as error:  # noqa: BLE001  whatever the network does, the demo can go on without
            print(f"OpenML could not be used ({error}); going on with a simulated city")  # noqa: T201
        else:
            kept.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(kept)
            return Rides(frame=frame, real=True, source="OpenML Bike_Sharing_Demand")
        finally:
            socket.setdefaulttimeout(limit)
    return Rides(frame=simulated(), real=False, source="a simulated city")


def from_openml(table: pd.DataFrame) -> pd.DataFrame:
    """OpenML's version of the table in the schema of UCI's.

    OpenML gives temperatures in °C (UCI divides by 41 and 50), the wind in km/h (divided by 67), words for the
    weather, and no dates: the day of the month is counted by the changes of the weekday within a month."""
    import pandas as pd

    year = table["year"].astype(int)
    month = table["month"].astype(int)
    weekday = table["weekday"].astype(int)
    new_day = (weekday != weekday.shift()) | (month != month.shift())
    day = new_day.astype(int).groupby([year, month]).cumsum()
    dates = pd.to_datetime({"year": 2011 + year, "month": month, "day": day})
    weather = {"clear": 1, "misty": 2, "rain": 3, "heavy_rain": 4}
    flag = {"True": 1, "False": 0, "1": 1, "0": 0}
    return pd.DataFrame(
        {
            "instant": range(1, len(table) + 1),
            "dteday": dates.dt.strftime("%Y-%m-%d"),
            "hr": table["hour"].astype(int),
            "weekday": weekday,
            "workingday": table["workingday"].astype(str).map(flag).astype(int),
            "holiday": table["holiday"].astype(str).map(flag).astype(int),
            "weathersit": table["weather"].astype(str).map(weather).astype(int),
            "temp": (table["temp"].astype(float) / 41).round(4),
            "atemp": (table["feel_temp"].astype(float) / 50).round(4),
            "hum": table["humidity"].astype(float).round(4),
            "windspeed": (table["windspeed"].astype(float) / 67).round(4),
            "cnt": table["count"].astype(int),
        }
    )


def simulated(seed: int = 0) -> pd.DataFrame:
    """A small city of the same schema: the day's and the year's rhythm, weather, a second year two thirds larger."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(seed)
    hours = pd.date_range("2011-01-01", "2012-12-31 23:00", freq="h")
    day, hour = hours.day_of_year.to_numpy(), hours.hour.to_numpy()
    weekday = ((hours.day_of_week + 1) % 7).to_numpy()
    working = ((weekday >= 1) & (weekday <= 5)).astype(int)
    season = 0.5 - 0.28 * np.cos(2 * np.pi * (day - 20) / 365)
    daily = np.repeat(random.normal(0, 0.06, len(hours) // 24), 24)
    temp = np.clip(season + daily + 0.08 * np.sin(2 * np.pi * (hour - 9) / 24), 0.02, 1).round(4)
    hum = np.clip(0.63 + np.repeat(random.normal(0, 0.14, len(hours) // 24), 24), 0.15, 1).round(4)
    wind = np.clip(random.gamma(2.5, 0.075, len(hours)), 0, 0.85).round(4)
    wet = np.repeat(random.choice([1, 2, 3], len(hours) // 24, p=[0.66, 0.26, 0.08]), 24)
    rush = np.exp(-((hour - 8) ** 2) / 3) + 1.2 * np.exp(-((hour - 17.5) ** 2) / 5)
    leisure = 1.1 * np.exp(-((hour - 14) ** 2) / 18)
    base = 12 + 330 * np.where(working == 1, rush, leisure) * (0.25 + temp) * np.array([1, 0.85, 0.45])[wet - 1]
    growth = 1 + 0.65 * (hours.year.to_numpy() == 2012)
    return pd.DataFrame(
        {
            "instant": np.arange(1, len(hours) + 1),
            "dteday": hours.strftime("%Y-%m-%d"),
            "hr": hour,
            "weekday": weekday,
            "workingday": working,
            "holiday": 0,
            "weathersit": wet,
            "temp": temp,
            "atemp": np.clip(temp * 0.95 + 0.01, 0, 1).round(4),
            "hum": hum,
            "windspeed": wind,
            "cnt": random.poisson(base * growth),
        }
    )


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputDataError(f"{file} can't be read as the bike rentals ({why}); expected UCI's hour.csv") from error


def _checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    absent = [c for c in COLUMNS if c not in frame.columns]
    if absent:
        raise InputDataError(f"{where} lacks the columns {', '.join(absent)}; expected UCI's hour.csv (data set 275)")
    months = frame["dteday"].str[:7].nunique()
    if months < 9:
        raise InputDataError(f"{where} has {months} months; the loop needs at least nine (six to train on, then some)")
    frame = frame[list(COLUMNS)]
    if frame["instant"].dtype.kind != "i":
        # A copy in circulation has a damaged byte in one number; it is the row's position, counted from 1.
        frame = frame.assign(instant=range(1, len(frame) + 1))
    return frame


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("nbops", appauthor=False))


def _reachable(host: str) -> bool:
    """Does the host answer within REACH_TIMEOUT_S seconds? In a thread: looking a name up knows no time limit."""
    answered = threading.Event()

    def knock() -> None:
        try:
            with socket.create_connection((host, 443), timeout=REACH_TIMEOUT_S):
                answered.set()
        except OSError:
            pass

    knocking = threading.Thread(target=knock, daemon=True)
    knocking.start()
    knocking.join(REACH_TIMEOUT_S)
    return answered.is_set()
