"""The first 50 of a number of MLflow's runs, on its SQLite backend. The runs are filled in through its own models, each
with a parameter and a metric; filling them is not counted."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import mlflow
from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun
from mlflow.tracking import _get_store

WORK = {
    "newest": ("", ["attributes.start_time DESC"]),
    "by-metric": ("", ["metrics.mae ASC"]),
    "filtered": ("metrics.mae < 5000 and params.lr = '3'", ["attributes.start_time DESC"]),
}
REPEATS = 5


def main(work: str, count: int) -> None:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    experiment = mlflow.create_experiment("bench")
    with _get_store().ManagedSessionMaker() as session:
        for i in range(count):
            run = f"{i:032x}"
            session.add(
                SqlRun(
                    run_uuid=run,
                    name=f"run {i}",
                    user_id="bench",
                    experiment_id=int(experiment),
                    status="FINISHED",
                    start_time=1_767_225_600_000 + i * 1000,
                    end_time=1_767_225_600_000 + i * 1000,
                    lifecycle_stage=LifecycleStage.ACTIVE,
                    artifact_uri="",
                )
            )
            session.add(SqlParam(run_uuid=run, key="lr", value=str(i % 7)))
            session.add(
                SqlLatestMetric(
                    run_uuid=run, key="mae", value=float(i * 7919 % count), timestamp=0, step=0, is_nan=False
                )
            )
    text, order = WORK[work]
    client, seconds = mlflow.MlflowClient(), []
    for _ in range(1 + REPEATS):  # the first opens the database
        began = time.perf_counter()
        found = client.search_runs([experiment], text, order_by=order, max_results=50)
        seconds.append(time.perf_counter() - began)
        assert len(found) == 50, len(found)
    versions = {"mlflow": mlflow.__version__, "mlflow-skinny": version("mlflow-skinny")}
    print(json.dumps({"versions": versions, "seconds": seconds[1:]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
