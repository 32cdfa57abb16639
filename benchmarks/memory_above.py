"""What tracking adds to a cell's peak memory, whatever the data's size: the same cells tracked and untracked, each in a
process of its own.

    python -m benchmarks memory_above        (NBOPS_BENCH_MEMORY_GB=1 leaves out what is larger)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.alternating import HERE, QUIET, TIMEOUT_S

AIM_MB = 64
MOST_GB = float(os.environ.get("NBOPS_BENCH_MEMORY_GB", "4"))
CASES = (
    ("a frame of floats", "floats", (0.1, 1, 4)),
    ("a frame of Python strings (object)", "objects", (0.1, 1)),
    ("a frame of text (str)", "strings", (0.1, 1)),
    ("a CSV that is read", "csv", (0.1, 1)),
    ("a CSV that is kept", "kept csv", (0.09, 1)),
    ("a frame that is kept ([store] keep)", "kept frame", (0.09, 1)),
    ("a model fitted on a frame", "fitted rows", (0.09, 1)),
    ("a model judged on a frame, its rows kept", "judged rows", (0.08,)),
)


def run() -> list[dict[str, Any]]:
    """Print the table; return its rows."""
    print(f"{'peak of the cell above what the process had, MB':<48}{'untracked':>11}{'tracked':>9}{'more':>7}")
    rows: list[dict[str, Any]] = []
    for name, work, sizes in CASES:
        for gigabytes in sizes:
            if gigabytes > MOST_GB:
                continue
            without, tracked = (_once(work, gigabytes, disabled) for disabled in ("1", "0"))
            row = {
                "case": name,
                "gigabytes": gigabytes,
                "untracked_mb": without["above_mb"],
                "tracked_mb": tracked["above_mb"],
                "more_mb": tracked["above_mb"] - without["above_mb"],
                "before_mb": tracked["base_mb"] - without["base_mb"],
                "versions": tracked["versions"],
            }
            over = "" if row["more_mb"] <= AIM_MB else f"   above the aim of {AIM_MB}"
            figures = f"{row['untracked_mb']:11.0f}{row['tracked_mb']:9.0f}{row['more_mb']:7.0f}"
            print(f"{name + f', {gigabytes:g} GB':<48}{figures}{over}")
            rows.append(row)
    most = max(row["before_mb"] for row in rows)
    print(f"whatever the data, our own code and what it imports: up to {most:.0f} MB")
    return rows


def _once(work: str, gigabytes: float, disabled: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="nbops-bench-", dir=os.environ.get("NBOPS_BENCH_DIR")) as folder:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("NBOPS_")}
        script = Path(HERE) / "contenders" / "cell_memory.py"
        done = subprocess.run(
            [sys.executable, script, work, str(gigabytes)],
            cwd=folder,
            env=environ | QUIET | {"IPYTHONDIR": f"{folder}/ipython", "NBOPS_DISABLED": disabled},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{work}, {gigabytes:g} GB: {done.stderr[-1500:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
