"""Kernels with their imports done: one until it is ready; twenty notebooks of one cell, each in a clean kernel.

python -m benchmarks warm_kernels      (NBOPS_BENCH_ROUNDS=3 by default here)
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.alternating import Contender, table, take_turns

ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "3"))
NOTEBOOKS = 20


def run() -> list[dict[str, Any]]:
    """Print the tables; return their rows."""
    rows: list[dict[str, Any]] = []
    for case, what, count, contenders in (
        (
            "a kernel with pandas and scikit-learn imported, from nothing to its first cell's end",
            "ready",
            1,
            {"nbops": "nbops, forked", "cold": "started from nothing"},
        ),
        (
            f"{NOTEBOOKS} notebooks of one cell, each in its own kernel, two workers that have their imports",
            "many",
            NOTEBOOKS,
            {
                "nbops": "nbops, every cell tracked",
                "nbops+start": "nbops, with the start of the kernels' parent",
                "papermill": "papermill, API",
                "nbclient": "nbclient",
                "papermill-cli": "papermill, command line",
            },
        ),
    ):
        taken = take_turns(
            [
                Contender(name=name, script="executed_notebooks.py", work=f"{who}:{what}", count=count)
                for who, name in contenders.items()
            ],
            ROUNDS,
        )
        rows += table(case, taken)
    print("\n", ", ".join(f"{k} {v}" for k, v in rows[0].get("versions", {}).items()))
    return rows


if __name__ == "__main__":
    run()
