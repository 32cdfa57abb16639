"""Runs with real models in a real store, written the way capture writes them; no kernel needed."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_absolute_error

from nbops.core import wire
from nbops.core.ids import new_id
from nbops.core.models import Field, Signature
from nbops.core.runs import CellRecord, CellStatus, ModelUse, Run, RunKind, RunStatus
from nbops.modelfiles.save import save
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["a", "b", "c"]
_rng = np.random.default_rng(7)
X = pd.DataFrame(_rng.normal(size=(200, 3)), columns=NAMES)
Y = pd.Series(X.to_numpy() @ [1.0, 2.0, 3.0] + _rng.normal(scale=0.1, size=200), name="y")


class Tripling(LinearRegression):
    """A type that nobody has reviewed."""


class SteppingClock:
    """An hour passes between any two looks at it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        self.at += timedelta(hours=1)
        return self.at


def workspace(root: Path, toml: str = "", identity: str = "ann") -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "nbops.toml").write_text(toml)
    return open_workspace(root, clock=SteppingClock(), identity=identity, environ={})


def signature(names: list[str] | None = None, **changes: Any) -> Signature:
    made = Signature(
        inputs=tuple(Field(name=n, type="number", nullable=False) for n in names or NAMES),
        output=Field(name="y", type="number"),
        task="regression",
    )
    return dataclasses.replace(made, **changes)


def evaluation(ws: Workspace, inputs: pd.DataFrame, target: Any, name: str = "y") -> str:
    with ws.artifacts.writing() as pending:
        inputs.assign(**{name: np.asarray(target)}).to_parquet(pending.path)
    return pending.digest


def use(
    ws: Workspace,
    model: Any,
    *,
    name: str = "model",
    rows: tuple[pd.DataFrame, Any] | None = (X, Y),
    format: str = "skops",
    **changes: Any,
) -> ModelUse:
    """A fitted model as capture records it."""
    saved = save(model, ws.artifacts, format=format)
    inputs = list(getattr(model, "feature_names_in_", NAMES))
    made = ModelUse(
        name=name,
        type=saved.type,
        digest=saved.digest,
        reason=saved.reason,
        format=saved.format,
        params={k: v for k, v in model.get_params().items() if v is None or isinstance(v, (int, float, str))},
        signature=wire.to_json(signature(inputs)),
        evaluation=evaluation(ws, *rows) if rows else None,
        metrics={"mean_absolute_error": float(mean_absolute_error(rows[1], model.predict(rows[0][inputs])))}
        if rows
        else {},
    )
    return dataclasses.replace(made, **changes)


def run_with(ws: Workspace, *cells: tuple[ModelUse, ...], **changes: Any) -> Run:
    """A completed run, a record for each group of models."""
    run = Run(
        id=new_id(),
        kind=RunKind.STEP,
        name="train",
        experiment="train.ipynb",
        status=RunStatus.COMPLETED,
        started_at=ws.clock.now(),
        ended_at=ws.clock.now(),
        notebook="train.ipynb",
    )
    run = dataclasses.replace(run, **changes)
    with ws.store.transaction() as tx:
        runs.save(tx, run)
        for seq, models in enumerate(cells):
            record = CellRecord(
                run=run.id,
                seq=seq,
                cell_id=f"c{seq}",
                source="j1:sha256:00",
                execution_count=seq + 1,
                status=CellStatus.OK,
                models=models,
                started_at=START,
            )
            records.add(tx, record)
    return run


def good(seed: int = 0) -> Any:
    return Ridge(alpha=0.001 * (seed + 1)).fit(X, Y)


def bad() -> Any:
    return Ridge(alpha=1000.0).fit(X, Y)
