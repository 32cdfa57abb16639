"""How fast are profiles and their comparison? 1,000,000 rows × 10 columns, beside a floor and a naive way.

The floor is np.sort of each numeric column, which every exact quantile needs at least. The naive way reads
the raw values again on every comparison, with SciPy: KS, Wasserstein, decile PSI per numeric column and value
counts per category.

    OMP_NUM_THREADS=1 python -m benchmarks.drift_speed
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from nbops.monitor.severity import compare
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import profile_batches

ROWS = 1_000_000
NUMERIC = 7
REPEATS = 5
BATCH = 65_536


def made(seed: int) -> pd.DataFrame:
    """Seven numbers, an hour, a text of 50 values, a boolean."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{i}": rng.normal(i, 1 + i, ROWS) for i in range(NUMERIC)})
    frame["hour"] = rng.integers(0, 24, ROWS)
    frame["city"] = np.array([f"city {i}" for i in range(50)])[rng.integers(0, 50, ROWS)]
    frame["flag"] = rng.random(ROWS) < 0.3
    return frame


def naive(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """What one would write without profiles."""
    for name in reference.columns:
        x, y = reference[name], current[name]
        if name.startswith("x"):
            stats.ks_2samp(x, y, method="asymp")
            stats.wasserstein_distance(x, y)
            edges = np.quantile(x, np.linspace(0, 1, 11))
            np.histogram(x, edges)
            np.histogram(y, edges)
        else:
            counts = pd.concat([x.value_counts(), y.value_counts()], axis=1).fillna(0)
            stats.chi2_contingency(counts.to_numpy())


def median_s(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of `repeats` calls, after one to warm up."""
    call()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def run() -> None:
    """Print the table."""
    reference, current = made(0), made(1)
    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in (reference, current)]
    profiles = [profile_batches(table.to_batches(BATCH)) for table in tables]
    floor = median_s(lambda: [np.sort(current[f"x{i}"].to_numpy()) for i in range(NUMERIC)])
    profiling = median_s(lambda: profile_batches(tables[1].to_batches(BATCH)))
    stored = [profile.to_bytes() for profile in profiles]
    comparing = median_s(lambda: compare(*(Profile.from_bytes(content) for content in stored)))
    by_hand = median_s(lambda: naive(reference, current), 1)
    names = ("nbops", "numpy", "scipy", "pandas", "pyarrow")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"{ROWS:,} rows × {reference.shape[1]} columns ({NUMERIC} numeric); median of {REPEATS}, naive once")
    print(f"{'':44}{'seconds':>9}{'× floor':>9}")
    for what, seconds in (
        ("floor: np.sort of the numeric columns", floor),
        ("profile, one side", profiling),
        ("read two stored profiles and compare", comparing),
        ("profile + compare", profiling + comparing),
        ("naive SciPy on raw values, one comparison", by_hand),
    ):
        print(f"{what:44}{seconds:9.3f}{seconds / floor:9.2f}")
    print(f"naive / (profile + compare) = {by_hand / (profiling + comparing):.1f}")
    print(f"profile: {len(stored[1]) / 1e6:.2f} MB for {tables[1].nbytes / 1e6:.0f} MB of data")


if __name__ == "__main__":
    run()
