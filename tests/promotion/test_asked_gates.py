"""Gates that nbops.toml has to ask for: the run done again, the groups of rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted_runs import X, good, run_with, signature, use, workspace
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from nbops.core import wire
from nbops.core.errors import RefusedError
from nbops.core.models import GateResult
from nbops.pipeline.execute import run_notebook
from nbops.promotion.promote import promote
from nbops.store import runs

REPRODUCE = "[deployments.bikes.gates]\nreproduce = true\n"
TRAIN = """\
import numpy as np, pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
rng = np.random.default_rng({seed})
X = pd.DataFrame(rng.normal(size=(100, 2)), columns=["a", "b"])
y = X["a"] + rng.normal(size=100)
model = Ridge().fit(X[:60], y[:60])
mean_absolute_error(y[60:], model.predict(X[60:]))
"""


def gate(results: tuple[GateResult, ...], name: str) -> GateResult:
    return next(r for r in results if r.gate == name)


def notebook(path: Path, *cells: str) -> Path:
    body = [
        {"cell_type": "code", "id": f"c{i}", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for i, s in enumerate(cells)
    ]
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body}))
    return path


@pytest.mark.slow
def test_a_run_that_comes_out_the_same_is_promoted_and_one_that_does_not_is_refused(tmp_path: Path) -> None:
    ws = workspace(tmp_path, REPRODUCE)
    seeded = run_notebook(ws, notebook(tmp_path / "train.ipynb", TRAIN.format(seed=1)), require_tracking=True)
    done = gate(promote(ws, seeded.id, name="bikes").results, "reproducibility")
    assert (done.outcome, done.seen) == ("passed", "done again: identical"), done.why
    assert runs.as_stored(ws.store, done.values["check"]).parent == seeded.id

    drawn = run_notebook(ws, notebook(tmp_path / "dice.ipynb", TRAIN.format(seed="")), require_tracking=True)
    with pytest.raises(RefusedError, match="reproducibility") as refusal:
        promote(ws, drawn.id, name="bikes")
    refused = gate(refusal.value.promotion.results, "reproducibility")
    assert refused.seen == "it came out otherwise"
    assert "first in cell 1: data written" in refused.why
    assert "unseeded random numbers" in refused.why


def test_a_run_whose_code_is_gone_is_not_reproducible(tmp_path: Path) -> None:
    ws = workspace(tmp_path, REPRODUCE)
    with pytest.raises(RefusedError, match=r"reproducibility: the code of record 0 .* was not kept"):
        promote(ws, run_with(ws, (use(ws, good()),)).id, name="bikes")


def rows_by_season(spread: float) -> tuple[pd.DataFrame, pd.Series, Ridge]:
    """Winter's targets are noisier by `spread`; spring has few rows, and ten rows have no season."""
    rng = np.random.default_rng(3)
    season = np.repeat([1.0, 2.0, 3.0, np.nan], [95, 85, 10, 10])
    inputs = X[["a", "b"]].assign(season=season)
    noise = rng.normal(size=200) * np.where(season == 2, spread, 1)
    target = pd.Series(inputs["a"] + noise, name="y")
    filled = make_pipeline(SimpleImputer(), Ridge())
    return inputs, target, filled.fit(inputs, target)


def test_a_group_that_is_served_much_worse_is_named(tmp_path: Path) -> None:
    ws = workspace(tmp_path, "[deployments.bikes.gates]\nslices = { season = 1.4 }\n")
    inputs, target, model = rows_by_season(4.0)
    wide = {"signature": wire.to_json(signature(["a", "b", "season"]))}
    with pytest.raises(RefusedError, match="fairness slices") as refusal:
        promote(ws, run_with(ws, (use(ws, model, rows=(inputs, target), **wide),)).id, name="bikes")
    refused = gate(refusal.value.promotion.results, "fairness slices")
    assert refused.seen == "1 of 2 groups"
    error = np.abs(target - model.predict(inputs))
    assert f"season = 2.0: mean_absolute_error is {error[95:180].mean():.4g} on 85 rows" in refused.why
    assert "too few rows to judge: season = 3.0 (10 rows), season = missing (10 rows)" in refused.why

    inputs, target, model = rows_by_season(1.0)
    done = promote(ws, run_with(ws, (use(ws, model, rows=(inputs, target), **wide),)).id, name="bikes")
    assert gate(done.results, "fairness slices").outcome == "passed"


def test_columns_that_make_no_groups_are_no_pass(tmp_path: Path) -> None:
    ws = workspace(tmp_path, "[deployments.bikes.gates]\nslices = { a = 2, wind = 2 }\n")
    with pytest.raises(RefusedError, match=r"no column 'wind'; 'a' has 200 values, more than 20 groups"):
        promote(ws, run_with(ws, (use(ws, good()),)).id, name="bikes")
