"""Some months of the real bike rentals, as the training notebook reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def months_of(data_dir: Path, *months: str) -> Any:
    import pandas as pd

    rides = pd.read_csv(data_dir / "bike_hour.csv").drop(columns="instant")
    return rides[rides["dteday"].str[:7].isin(months)].reset_index(drop=True)
