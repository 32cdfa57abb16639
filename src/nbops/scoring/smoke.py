"""Does the model file predict in a process that knows nothing of this one?

What trained a model has imported its modules, defined its functions and set its options; what will serve it has
not. So a fresh interpreter loads the file, predicts a few of the kept evaluation rows, and must come to the same
predictions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbops.scoring.prediction import evaluation_digest

__all__ = ["SmokeResult", "evaluation_digest", "smoke"]

TIMEOUT_S = 60.0
_CHILD = ("-m", "nbops.scoring.smoke_child")


@dataclass(frozen=True, kw_only=True)
class SmokeResult:
    """What the clean process said. `predictions_digest` is that of :func:`evaluation_digest`; `error` is one
    sentence, None if `ok`."""

    ok: bool
    rows: int
    seconds: float
    predictions_digest: str | None
    error: str | None


def smoke(
    model_path: Path, format: str, rows_path: Path, allow: Sequence[str] = (), *, timeout_s: float = TIMEOUT_S
) -> SmokeResult:
    """Load a model in a clean process and predict at most 100 rows.

    Parameters
    ----------
    model_path : Path
        The model file, its digest already verified.
    format : {"skops", "pickle"}
    rows_path : Path
        Kept evaluation rows: Parquet, the inputs and then the target as the last column.
    allow : sequence of str
        Types that somebody allowed beyond the reviewed list.
    timeout_s : float
        How long the process may take.

    Returns
    -------
    SmokeResult
        Never raises for what the model does: that is the result.
    """
    asked = {"model": str(model_path), "format": format, "rows": str(rows_path), "allow": list(allow)}
    began = time.perf_counter()
    try:
        done = subprocess.run(
            # isolated: neither the caller's folder nor PYTHONPATH nor the user's own packages come in
            [sys.executable, "-I", *_CHILD],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _bad(began, f"the clean process did not finish within {timeout_s:g} s")
    lines = done.stdout.splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return _bad(began, f"the clean process ended with exit code {done.returncode}: {last}")
    if answer["error"] is not None:
        return _bad(began, answer["error"])
    return SmokeResult(
        ok=True,
        rows=answer["rows"],
        seconds=time.perf_counter() - began,
        predictions_digest=answer["digest"],
        error=None,
    )


def _bad(began: float, error: str) -> SmokeResult:
    return SmokeResult(ok=False, rows=0, seconds=time.perf_counter() - began, predictions_digest=None, error=error)
