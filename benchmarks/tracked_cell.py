"""What tracking costs a cell, beside the same cell untracked, MLflow doing the equivalent, and the floor (SQLite).

Cells are run by IPython's shell in one process, in a workspace on disk; each contender in a process of its own, in
turns. A cell's seconds are those of ``shell.run_cell``, the card and IPython's own history included.

    python -m benchmarks tracked_cell        (NBOPS_BENCH_ROUNDS=5 by default)
"""

from __future__ import annotations

from typing import Any

from benchmarks.alternating import MLFLOW, Contender, table, take_turns

CELLS = 51  # a round; the first is a case of its own
FITS = 11
UNTRACKED = {"NBOPS_DISABLED": "1"}


def floor(name: str, work: str, count: int) -> Contender:
    return Contender(name=name, script="sqlite_floor.py", work=work, count=count)


def cells(name: str, work: str, count: int, *, tracked: bool = True) -> Contender:
    environ = {} if tracked else UNTRACKED
    return Contender(name=name, script="notebook_cells.py", work=work, count=count, environ=environ)


def mlflow(name: str, work: str, count: int, *, scale: float = 1.0) -> Contender:
    return Contender(name=name, script="mlflow_runs.py", work=work, count=count, python=MLFLOW, scale=scale)


def run() -> list[dict[str, Any]]:
    """Print the tables; return their rows."""
    rows = [*small(), *first(), *steps(), *fits()]
    said = {f"{name} {number}" for row in rows for name, number in row.get("versions", {}).items()}
    print(f"\n{', '.join(sorted(said))}; p99 over all rounds, ratio: median of the rounds' ratios")
    return rows


def small() -> list[dict[str, Any]]:
    measured = take_turns(
        [
            floor("floor: SQLite, one transaction of 21 rows", "run", CELLS),
            cells("the cell, untracked", "block", CELLS, tracked=False),
            cells("nbops, %%track (a record of the session's run)", "cell", CELLS),
            cells("nbops, %%track NAME (a run of its own)", "block", CELLS),
            mlflow("mlflow, start_run, log_params, log_metrics", "batched", 16),
            mlflow("mlflow, 20 single log_ calls", "single", 6),
        ]
    )
    return table("10 parameters and 10 metrics, later cells (runs) of a process", measured, pick=_later)


def first() -> list[dict[str, Any]]:
    measured = take_turns(
        [
            cells("the cell, untracked", "block", 1, tracked=False),
            cells("nbops, %%track NAME: imports, store made", "block", 1),
            cells("nbops, with pandas and scikit-learn imported", "cell-beside-sklearn", 1),
            mlflow("mlflow (import not counted): set_experiment, run", "first", 1),
        ]
    )
    return table("the first one of a process", measured)


def steps() -> list[dict[str, Any]]:
    measured = take_turns(
        [
            floor("floor: SQLite, a commit each", "steps", 1),
            cells("nbops.log_metric", "steps", 3),
            mlflow("mlflow.log_metric (300 × 33.3)", "steps", 1, scale=10_000 / 300),
            mlflow("mlflow log_batch of 1,000", "steps-in-batches", 1),
        ]
    )
    return table("10,000 steps of a metric", measured)


def fits() -> list[dict[str, Any]]:
    measured = take_turns(
        [
            cells("plain", "fit", FITS, tracked=False),
            cells("nbops: model, data, metric; new data each time", "fit", FITS),
            cells("nbops: the same data again", "fit-same-data", FITS),
            mlflow("mlflow.sklearn.autolog, log_models=False", "fit-without-model", 3),
            mlflow("mlflow.sklearn.autolog", "fit", 2),
        ]
    )
    return table("fit, predict, accuracy: LogisticRegression 10⁴ × 20, not the first", measured, pick=_later)


def _later(seconds: tuple[float, ...]) -> tuple[float, ...]:
    return seconds[1:]


if __name__ == "__main__":
    run()
