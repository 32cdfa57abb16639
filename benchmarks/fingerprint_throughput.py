"""How fast a fingerprint is, beside the floor (reading the memory or the file once), joblib.hash and
pandas' hash_pandas_object. Medians of alternating runs, so that a busy moment of the machine hits all alike.

    python -m benchmarks.fingerprint_throughput        (NBOPS_BENCH_ROWS=10000000 by default)
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROWS = int(os.environ.get("NBOPS_BENCH_ROWS", "10000000"))
ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "5"))
FILE_MB = int(os.environ.get("NBOPS_BENCH_FILE_MB", "1024"))


def run() -> None:
    """Print one table: case, contender, median seconds, ratio to the floor."""
    packages = ("pandas", "numpy", "pyarrow", "blake3", "joblib")
    print("fingerprint throughput:", ", ".join(f"{name} {version(name)}" for name in packages))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of {ROUNDS} alternating runs\n")
    print(f"{'case':<46} {'contender':<22} {'median s':>9} {'× floor':>8}")
    numeric("column-major", "F")
    numeric("row-major", "C")
    mixed()
    file()


def numeric(layout: str, order: Any) -> None:
    import joblib
    import numpy as np
    import pandas as pd

    from nbops.fingerprints.fingerprint import fingerprint

    values = np.empty((ROWS, 10), order=order)
    rng = np.random.default_rng(0)
    for j in range(10):
        values[:, j] = rng.random(ROWS)
    values[::1000, 3] = np.nan
    frame = pd.DataFrame(values, copy=False)
    assert np.shares_memory(frame.to_numpy(), values)
    case(
        f"{ROWS:,} × 10 float64, {layout}",
        {
            "floor: np.sum": lambda: np.sum(values),
            "floor: np.sum by column": lambda: np.sum(values, axis=0),
            "nbops": lambda: fingerprint(frame),
            "joblib.hash": lambda: joblib.hash(frame),
            "hash_pandas_object": lambda: pd.util.hash_pandas_object(frame),
        },
    )


def mixed() -> None:
    import joblib
    import numpy as np
    import pandas as pd

    from nbops.fingerprints.fingerprint import fingerprint

    rows = ROWS // 10
    rng = np.random.default_rng(0)
    words = np.array([f"item {i}" for i in range(5000)], dtype=object)
    frame = pd.DataFrame(
        {
            "text": pd.Series(words[rng.integers(0, 5000, rows)], dtype="str"),
            "object": pd.Series([f"no {i}" for i in range(rows)], dtype=object),
            "category": pd.Categorical.from_codes(rng.integers(0, 50, rows), [f"c{i}" for i in range(50)]),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s"),
        }
    )
    case(
        f"{rows:,} rows: str, object, category, datetime",
        {
            "floor: read the values": lambda: [sum(map(len, frame["object"])), frame["text"].str.len().sum()],
            "nbops": lambda: fingerprint(frame),
            "joblib.hash": lambda: joblib.hash(frame),
            "hash_pandas_object": lambda: pd.util.hash_pandas_object(frame),
        },
    )


def file() -> None:
    import joblib

    from nbops.fingerprints.fingerprint import fingerprint

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.bin"
        with path.open("wb") as out:
            for _ in range(FILE_MB):
                out.write(os.urandom(1 << 20))
        case(
            f"a file of {FILE_MB:,} MiB, in the page cache",
            {
                "floor: read in 1 MiB": lambda: read(path),
                "floor: read_bytes": path.read_bytes,
                "nbops": lambda: fingerprint(path),
                "joblib.hash of bytes": lambda: joblib.hash(path.read_bytes()),
            },
        )


def read(path: Path) -> None:
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as opened:
        while opened.readinto(buffer):
            pass


def case(name: str, contenders: dict[str, Callable[[], object]]) -> None:
    seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    for _ in range(ROUNDS):
        for contender, function in contenders.items():
            gc.collect()
            start = time.perf_counter()
            function()
            seconds[contender].append(time.perf_counter() - start)
    medians = {contender: statistics.median(taken) for contender, taken in seconds.items()}
    floor = next(iter(medians.values()))
    for contender, median in medians.items():
        print(f"{name:<46} {contender:<22} {median:>9.3f} {median / floor:>8.1f}")
    print()


if __name__ == "__main__":
    run()
