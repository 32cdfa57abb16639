"""The same with MLflow: SQLite backend and local artifacts, both on disk. Its import is not counted."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mlflow

logging.getLogger("mlflow").setLevel(logging.ERROR)


def batched(number: int) -> None:
    with mlflow.start_run():
        mlflow.log_params({f"p{i}": number * 10 + i for i in range(10)})
        mlflow.log_metrics({f"m{i}": number + i / 10 for i in range(10)})


def single(number: int) -> None:
    with mlflow.start_run():
        for i in range(10):
            mlflow.log_param(f"p{i}", number * 10 + i)
        for i in range(10):
            mlflow.log_metric(f"m{i}", number + i / 10)


def first(number: int) -> None:
    """With what comes once: the database and its tables."""
    _begin()
    batched(number)


def steps(_: int) -> None:
    """300 of the 10,000 (all of them take minutes)."""
    with mlflow.start_run():
        for step in range(300):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)


def steps_in_batches(_: int) -> None:
    from mlflow.entities import Metric

    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        for begin in range(0, 10_000, 1000):
            batch = [Metric("loss", 1 / (step + 1), 0, step) for step in range(begin, begin + 1000)]
            client.log_batch(run.info.run_id, metrics=batch)


def fit(number: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score

    X, y = _data()
    global took
    began = time.perf_counter()
    with mlflow.start_run():
        model = LogisticRegression(C=1 + number)
        model.fit(X, y)
        accuracy_score(y, model.predict(X))
    took = time.perf_counter() - began


took = 0.0
WORK: dict[str, Callable[[int], None]] = {
    "batched": batched,
    "single": single,
    "first": first,
    "steps": steps,
    "steps-in-batches": steps_in_batches,
    "fit": fit,
    "fit-without-model": fit,
}


def main(work: str, count: int) -> None:
    if work != "first":
        _begin()
    if work.startswith("fit"):
        mlflow.sklearn.autolog(log_models=work == "fit", silent=True)
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        WORK[work](number)
        seconds.append(took or time.perf_counter() - began)
    versions = {"mlflow": mlflow.__version__, "mlflow-skinny": version("mlflow-skinny")}
    print(json.dumps({"versions": versions, "seconds": seconds}))


def _begin() -> None:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("bench")


def _data() -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 20))
    return X, (X @ rng.normal(size=20) + rng.normal(size=10_000) > 0).astype(int)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
