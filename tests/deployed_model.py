"""A workspace with one deployed model, for tests of scoring and monitoring: real files, a real store, a real model."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nbops.core.clock import FixedClock
from nbops.core.deployments import Deployment
from nbops.core.ids import new_id
from nbops.core.models import Action, Field, ModelVersion, Promotion, Signature
from nbops.modelfiles.save import save
from nbops.profiles.profiler import profile_table
from nbops.store import deployments, models
from nbops.workspace import Workspace, open_workspace

AT = datetime(2012, 1, 1, tzinfo=UTC)
CITIES = ["Bonn", "Kyiv", "Łódź"]


def workspace(folder: Path, toml: str = "") -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbops.toml").write_text(toml, encoding="utf-8")
    return open_workspace(folder, clock=FixedClock(AT), identity="tester", environ={})


def at(ws: Workspace, moment: datetime) -> Workspace:
    """The same workspace at another time."""
    return dataclasses.replace(ws, clock=FixedClock(moment))


def rows(n: int, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """x (number), n (integer), city (string), and what follows from them: y."""
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1.0, n)
    whole = random.integers(0, 20, n)
    city = random.choice(CITIES, n)
    y = 3 * x + whole + (city == "Kyiv") * 5 + random.normal(0, 0.5, n)
    return pd.DataFrame({"id": [f"r{seed}-{i}" for i in range(n)], "x": x, "n": whole, "city": city, "y": y})


def fitted(train: pd.DataFrame, target: str = "y", classifier: bool = False) -> Any:
    last = LogisticRegression() if classifier else LinearRegression()
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough", verbose_feature_names_out=False
    )
    return make_pipeline(encoder, last).fit(train[["x", "n", "city"]], train[target])


def field_of(series: pd.Series) -> Field:
    kind = pa.Array.from_pandas(series).type
    name = "number"
    if pa.types.is_dictionary(kind):
        name = "category"
    elif pa.types.is_integer(kind):
        name = "integer"
    elif pa.types.is_boolean(kind):
        name = "boolean"
    elif not pa.types.is_floating(kind):
        name = "string"
    return Field(name=str(series.name), type=name, nullable=bool(series.isna().any()))


def register(
    ws: Workspace,
    model: Any,
    train: pd.DataFrame,
    target: pd.Series,
    *,
    name: str = "taxi",
    evaluation: pd.DataFrame | None = None,
    promote: bool = True,
) -> ModelVersion:
    """The model as the next version of `name`; with `promote`, served by the deployment of the same name."""
    kept = None
    if evaluation is not None:
        with ws.artifacts.writing() as pending:
            pq.write_table(pa.Table.from_pandas(evaluation, preserve_index=False), pending.file)
        kept = pending.digest
    saved = save(model, ws.artifacts)
    assert saved.digest is not None, saved.reason
    profile = profile_table(train.assign(**{str(target.name): target}))
    classes = tuple(np.asarray(model.classes_).tolist()) if hasattr(model, "classes_") else ()
    with ws.store.transaction() as tx:
        version = ModelVersion(
            name=name,
            number=models.next_number(tx, name),
            run=new_id(),
            artifact=saved.digest,
            format=saved.format,
            type=saved.type,
            signature=Signature(
                inputs=tuple(field_of(train[c]) for c in train.columns),
                output=field_of(target),
                task="classification" if classes else "regression",
                classes=classes,
            ),
            profile=ws.artifacts.put_bytes(profile.to_bytes()),
            evaluation=kept,
            metrics={},
            libraries={},
            created_at=AT,
            created_by="tester",
        )
        models.add(tx, version)
    if promote:
        serve(ws, version)
    return version


def serve(ws: Workspace, version: ModelVersion) -> None:
    """Move the alias ``production`` of the version's model to it."""
    with ws.store.transaction() as tx:
        before = models.aliased(tx, version.name, "production")
        deployment = Deployment(
            name=version.name, model=version.name, alias="production", created_at=AT, created_by="tester"
        )
        models.record(
            tx,
            Promotion(
                id=new_id(),
                model=version.name,
                alias="production",
                deployment=version.name,
                action=Action.PROMOTED,
                from_version=before.number if before else None,
                to_version=version.number,
                run=version.run,
                results=(),
                by="tester",
                at=AT,
            ),
        )
        deployments.save(tx, deployment)


def deployed(folder: Path, toml: str = "", *, classifier: bool = False, evaluation: bool = True) -> Workspace:
    """A workspace whose deployment ``taxi`` serves version 1."""
    ws = workspace(folder, toml)
    train = rows(600)
    if classifier:
        train["y"] = np.where(train["y"] > 10, "late", "on time")
    kept = train[["x", "n", "city", "y"]].head(120) if evaluation else None
    register(
        ws, fitted(train, classifier=classifier), train[["x", "n", "city"]], train["y"].rename("y"), evaluation=kept
    )
    return ws
