"""Cells run by IPython in this process, with nbops tracking them or (``NBOPS_DISABLED=1``) not.

Every cell's text differs, as in a notebook; each is looked up in the store afterwards: what isn't recorded doesn't
count as tracked. A cell begins when IPython's own thread has written the history of the one before, as it does where a
front end sends them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

TRACKED = os.environ.get("NBOPS_DISABLED") != "1"
STEPS = 10_000


def small(number: int, line: str) -> str:
    params = "\n".join(f"p{i} = {number * 10 + i}" for i in range(10))
    metrics = "\n".join(f"nbops.log_metric('m{i}', {number + i / 10})" for i in range(10))
    return f"{line}{params}\n{metrics}\n"


def steps(number: int, line: str) -> str:
    return f"{line}for step in range({STEPS}):\n    nbops.log_metric('loss{number}', 1 / (step + 1), step=step)\n"


def fit(number: int, line: str) -> str:
    return (
        f"{line}model = LogisticRegression(C={1 + number})\n"
        "model.fit(X, y)\n"
        "accuracy = accuracy_score(y, model.predict(X))\n"
    )


BEFORE_FIT = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
rng = np.random.default_rng(0)
X = rng.normal(size=(10_000, 20))
y = (X @ rng.normal(size=20) + rng.normal(size=10_000) > 0).astype(int)
"""
# name → (what an earlier cell imports and makes, the cells, the marking line, an untracked cell between them)
WORK: dict[str, tuple[str, Callable[[int, str], str], str, str]] = {
    "block": ("", small, "%%track bench\n", ""),
    "cell": ("", small, "%%track\n", ""),
    "cell-beside-sklearn": ("import pandas, sklearn.linear_model, sklearn.metrics", small, "%%track\n", ""),
    "steps": ("", steps, "%%track bench\n", ""),
    "fit": (BEFORE_FIT, fit, "%%track bench\n", "X[:, 0] += 1"),
    "fit-same-data": (BEFORE_FIT, fit, "%%track bench\n", ""),
}


def main(work: str, count: int) -> None:
    before, cell, line, between = WORK[work]
    Path(".nbops").mkdir()  # the workspace is this folder, whatever lies above it
    shell = InteractiveShell.instance()
    cells = [cell(i, line if TRACKED else "") for i in range(count)]
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        for text in ("%load_ext nbops\nimport nbops", before):
            if text:
                shell.run_cell(text, store_history=True).raise_error()
        seconds = []
        for text in cells:
            seconds.append(timed(shell, text))
            if between:
                shell.run_cell(between, store_history=True).raise_error()
        if TRACKED:
            shell.run_line_magic("unload_ext", "nbops")
    if TRACKED:
        recorded(work, count)
    versions = {name: version(name) for name in ("nbops", "ipython")}
    if work.startswith("fit"):
        versions["scikit-learn"] = version("scikit-learn")
    print(json.dumps({"versions": versions, "seconds": seconds}))


def timed(shell: Any, text: str) -> float:
    while shell.history_manager.db_input_cache:
        time.sleep(0.001)
    began = time.perf_counter()
    result = shell.run_cell(text, store_history=True)
    took = time.perf_counter() - began
    result.raise_error()
    return took


def recorded(work: str, count: int) -> None:
    """Fail where the store doesn't hold what was to be tracked."""
    from nbops.store import records, runs
    from nbops.workspace import open_workspace

    store = open_workspace(Path.cwd()).store
    found = [record for run in runs.listed(store, limit=count + 9) for record in records.of_run(store, run.id)]
    assert len(found) == count, f"{count} cells, {len(found)} records"
    for record in found:
        assert not record.notes, record.notes
        if work == "steps":
            assert len(records.metrics(store, record.run)) == STEPS
        elif work.startswith("fit"):
            assert record.models, "no model"
            assert any(a.kind == "model" for a in record.artifacts), [a.kind for a in record.artifacts]
            assert [m.name for m in record.metrics] == ["accuracy_score"], record.metrics
            assert {use.name for use in record.reads if use.fingerprint.digest} >= {"X", "y"}, record.reads
        else:
            assert (len(record.params), len(record.metrics)) == (10, 10), record


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
