"""How long until the first 50 of 100,000 runs are there: the newest, the best by a metric, those of a filter?

It is :func:`nbops.store.run_search.search`, what the server, the panel and ``nbops runs list`` call, in the process:
with the number of all that match, their parameters and metrics, without HTTP. Beside it MLflow's ``search_runs`` on
a tenth, and nbops on that.

    python -m benchmarks run_search
"""

from __future__ import annotations

from typing import Any

from benchmarks.alternating import MLFLOW, Contender, table, take_turns

RUNS, MLFLOW_RUNS, ROUNDS = 100_000, 10_000, 1
CASES = {
    "the newest": "newest",
    "the best by a metric": "by-metric",
    "metrics.mae < 5000 and params.lr = 3": "filtered",
    "the same, by the metric": "filtered-by-metric",
}


def run() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for case, work in CASES.items():
        contenders = [
            Contender(name=f"nbops, {n:,} runs", script="run_search.py", work=work, count=n)
            for n in (RUNS, MLFLOW_RUNS)
        ]
        if work != "filtered-by-metric":
            contenders.append(
                Contender(
                    name=f"mlflow search_runs, {MLFLOW_RUNS:,} runs",
                    script="mlflow_search.py",
                    work=work,
                    count=MLFLOW_RUNS,
                    python=MLFLOW,
                )
            )
        rows += table(f"The first 50 runs: {case}", take_turns(contenders, ROUNDS))
    return rows


if __name__ == "__main__":
    run()
