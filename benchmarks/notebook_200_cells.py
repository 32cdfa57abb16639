"""One notebook of 200 small cells: nbops (every cell tracked, progress saved), nbclient alone, papermill.

python -m benchmarks notebook_200_cells      (NBOPS_BENCH_ROUNDS=3 by default here)
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.alternating import Contender, table, take_turns

ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "3"))
CELLS = 200


def run() -> list[dict[str, Any]]:
    """Print the table; return its rows."""
    contenders = {
        "nbclient": "nbclient: nothing tracked, saved at the end",
        "nbops": "nbops, forked kernel: every cell tracked",
        "nbops cold": "nbops, kernel from nothing: every cell tracked",
        "papermill": "papermill: saved after each cell",
    }
    taken = take_turns(
        [
            Contender(name=name, script="executed_notebooks.py", work=f"{who}:one", count=CELLS)
            for who, name in contenders.items()
        ],
        ROUNDS,
    )
    rows: list[dict[str, Any]] = table(f"one notebook of {CELLS} cells", taken)
    print("\n", ", ".join(f"{k} {v}" for k, v in rows[0].get("versions", {}).items()))
    return rows


if __name__ == "__main__":
    run()
