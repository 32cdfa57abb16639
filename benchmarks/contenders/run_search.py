"""The first 50 of a number of nbops's runs, each with a parameter and a metric; filling the store is not counted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import nbops
from browser.many_runs import fill
from nbops.store import run_search
from nbops.workspace import open_workspace

WORK = {
    "newest": {},
    "by-metric": {"sort": "metrics.mae", "descending": False},
    "filtered": {"filter": "metrics.mae < 5000 and params.lr = 3"},
    "filtered-by-metric": {"filter": "metrics.mae < 5000 and params.lr = 3", "sort": "metrics.mae"},
}
REPEATS = 30


def main(work: str, count: int) -> None:
    (Path.cwd() / "nbops.toml").touch()
    fill(Path.cwd(), count)
    store = open_workspace(Path.cwd(), environ={}).store
    seconds = []
    for _ in range(1 + REPEATS):  # the first opens the database
        began = time.perf_counter()
        page = run_search.search(store, **WORK[work])
        seconds.append(time.perf_counter() - began)
        assert len(page.items) == 50, len(page.items)
    store.close()
    print(json.dumps({"versions": {"nbops": nbops.__version__}, "seconds": seconds[1:]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
