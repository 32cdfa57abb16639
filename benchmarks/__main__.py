"""``python -m benchmarks [NAME …]``: each benchmark in turn. Nothing is saved unless ``--json FILE`` asks for it.

A benchmark is a module of this package with a function ``run()``. It prints its tables; the rows it returns, if any,
go to the file beside what it printed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

NAMES = (
    "tracked_cell",
    "process_start",
    "fingerprint_throughput",
    "kept_content",
    "memory_above",
    "drift_speed",
    "degradation_threshold",
    "lineage_walk",
    "pipeline_cached",
    "run_search",
    "scheduler_tick",
    "warm_kernels",
    "notebook_200_cells",
    "panel",
)
PACKAGES = (
    "nbops",
    "ipython",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "blake3",
    "joblib",
    "papermill",
    "nbclient",
    "ipykernel",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", help=f"by default all: {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.name if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {', '.join(map(repr, unknown))}; there are {', '.join(NAMES)}")
    found: dict[str, Any] = {"machine": machine(), "benchmarks": {}}
    print(", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    for name in wanted.name or NAMES:
        print(f"\n=== {name} ===")
        began = time.perf_counter()
        with _heard() as printed:
            rows = importlib.import_module(f"benchmarks.{name}").run()
        seconds = time.perf_counter() - began
        print(f"({name}: {seconds:.0f} s)")
        found["benchmarks"][name] = {"seconds": round(seconds, 1), "rows": rows, "printed": printed.getvalue()}
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def machine() -> dict[str, str]:
    """What a figure depends on: cores, system, Python, packages. The machine's name is nobody's business."""
    said = {
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            said[package] = version(package)
        except PackageNotFoundError:
            said[package] = "(not installed)"
    return said


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    """What is printed meanwhile is shown at once, and kept."""
    kept = io.StringIO()
    with contextlib.redirect_stdout(_Both(sys.stdout, kept)):
        yield kept


class _Both(io.TextIOBase):
    def __init__(self, *files: TextIO) -> None:
        self.files = files

    def write(self, text: str) -> int:
        for file in self.files:
            file.write(text)
            file.flush()
        return len(text)


if __name__ == "__main__":
    sys.exit(main())
