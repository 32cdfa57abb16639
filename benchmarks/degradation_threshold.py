"""How much does a model's error move from period to period where nothing is wrong?

The default bound of the degradation trigger (act at 1.3 times the reference error) should lie above that. Measured on
data sets other than the demo's: a model is fitted on the older part, its error on the next `ROWS` rows is the reference
(what a gate would have seen), and each later stretch of `ROWS` rows gives one ratio to it. Every stretch serves as the
reference once, so that a lucky reference shows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ROWS = 700  # about a month of the hourly data the demo has


def run() -> None:
    """Print the distribution of the ratios for each data set."""
    folder = Path(os.environ.get("NBOPS_DATA_DIR", "../shared/data"))
    print(f"error of {ROWS} rows, relative to the error of other {ROWS} rows of the same model: nothing is wrong here")
    print(f"{'data set':<24}{'metric':<12}{'stretches':>10}{'median':>8}{'95 %':>8}{'99 %':>8}{'max':>8}{'> 1.3':>8}")
    for name, metric, errors in (_employment(folder), _taxi(folder), _ames(folder)):
        ratios = sorted(b / a for i, a in enumerate(errors) for b in errors[i + 1 :])
        print(
            f"{name:<24}{metric:<12}{len(errors):>10}{_at(ratios, 0.5):>8.2f}{_at(ratios, 0.95):>8.2f}"
            f"{_at(ratios, 0.99):>8.2f}{ratios[-1]:>8.2f}{sum(r > 1.3 for r in ratios) / len(ratios):>8.1%}"
        )


def _employment(folder: Path) -> tuple[str, str, list[float]]:
    import pandas as pd

    reference = pd.read_parquet(folder / "employment_MA_reference.parquet")
    analysis = pd.read_parquet(folder / "employment_MA_analysis.parquet").merge(
        pd.read_parquet(folder / "employment_MA_analysis_target.parquet"), on="id"
    )
    features = [
        c for c in reference.columns if c not in ("id", "employed", "year", "prediction", "predicted_probability")
    ]
    return "employment_MA", "log loss", _classified(reference, analysis.iloc[:70_000], features, "employed")


def _taxi(folder: Path) -> tuple[str, str, list[float]]:
    import pandas as pd

    trips = pd.read_csv(folder / "chicago_taxi_train.csv").sort_values("trip_start_timestamp")
    trips["big_tip"] = (trips["tips"] > 0.2 * trips["fare"]).astype(int)
    numbers = [c for c in trips.select_dtypes("number") if c not in ("tips", "big_tip", "trip_start_timestamp")]
    numbers = [c for c in numbers if trips.iloc[:3000][c].nunique() > 1]
    return "chicago_taxi", "log loss", _classified(trips.iloc[:3000], trips.iloc[3000:], numbers, "big_tip")


def _ames(folder: Path) -> tuple[str, str, list[float]]:
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import mean_absolute_error

    houses = pd.read_csv(folder / "ames_housing.tsv", sep="\t").sort_values(["Yr Sold", "Mo Sold"])
    features = [c for c in houses.select_dtypes("number") if c not in ("Order", "PID", "SalePrice")]
    old, new = houses.iloc[:830], houses.iloc[830:]
    model = HistGradientBoostingRegressor(random_state=0).fit(old[features], old["SalePrice"])
    predicted = model.predict(new[features])
    # Only 2,930 houses: stretches of 350, about two to the year
    return (
        "ames_housing (350 rows)",
        "MAE",
        [
            float(mean_absolute_error(new["SalePrice"].iloc[i : i + 350], predicted[i : i + 350]))
            for i in range(0, len(new) - 349, 350)
        ],
    )


def _classified(old: Any, new: Any, features: list[str], target: str) -> list[float]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss

    model = HistGradientBoostingClassifier(random_state=0).fit(old[features], old[target])
    chance = model.predict_proba(new[features])
    return [
        float(log_loss(new[target].iloc[i : i + ROWS], chance[i : i + ROWS], labels=model.classes_))
        for i in range(0, len(new) - ROWS + 1, ROWS)
    ]


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    run()
