"""The smoke score: a clean process loads the model file and comes to the same predictions, or says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from deployed_model import fitted, rows
from nbops.core.errors import ExecutionError
from nbops.modelfiles.save import save
from nbops.scoring.prediction import predict, predictions_digest
from nbops.scoring.smoke import evaluation_digest, smoke
from nbops.store.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


class Homeless(LinearRegression):
    """Defined in a test module: a clean process has never heard of it."""


def test_a_clean_process_predicts_the_same(store: ArtifactStore, tmp_path: Path) -> None:
    model, kept = fitted(rows(200)), rows(150, seed=1)[["x", "n", "city", "y"]]
    kept.to_parquet(tmp_path / "rows.parquet", index=False)
    saved = save(model, store)
    result = smoke(store.path(saved.digest or ""), saved.format, tmp_path / "rows.parquet")
    assert result.error is None and result.ok and result.rows == 100
    assert (100, result.predictions_digest) == evaluation_digest(model, tmp_path / "rows.parquet")
    other = fitted(rows(200, seed=9))
    assert evaluation_digest(other, tmp_path / "rows.parquet")[1] != result.predictions_digest


def test_a_model_fitted_without_names_is_given_none(store: ArtifactStore, tmp_path: Path) -> None:
    data = rows(100)
    model = LinearRegression().fit(data[["x", "n"]].to_numpy(), data["y"])
    data[["x", "n", "y"]].to_parquet(tmp_path / "rows.parquet")
    saved = save(model, store)
    result = smoke(store.path(saved.digest or ""), saved.format, tmp_path / "rows.parquet")
    assert result.ok, result.error


def test_a_type_the_clean_process_does_not_know_is_named(store: ArtifactStore, tmp_path: Path) -> None:
    data = rows(100)
    data[["x", "n", "y"]].to_parquet(tmp_path / "rows.parquet")
    saved = save(Homeless().fit(data[["x", "n"]], data["y"]), store)
    refused = smoke(store.path(saved.digest or ""), saved.format, tmp_path / "rows.parquet")
    assert not refused.ok and "UntrustedModelError" in (refused.error or "") and "Homeless" in (refused.error or "")
    allowed = smoke(store.path(saved.digest or ""), saved.format, tmp_path / "rows.parquet", allow=saved.untrusted)
    assert not allowed.ok and "test_smoke_score" in (allowed.error or "")


def test_a_process_that_dies_or_hangs_is_a_result(store: ArtifactStore, tmp_path: Path) -> None:
    data = rows(100)
    data[["x", "n", "y"]].to_parquet(tmp_path / "rows.parquet")
    saved = save(LinearRegression().fit(data[["x", "n"]], data["y"]), store)
    path = store.path(saved.digest or "")
    hung = smoke(path, saved.format, tmp_path / "rows.parquet", timeout_s=0.01)
    assert not hung.ok and hung.error == "the clean process did not finish within 0.01 s"
    lost = smoke(path, saved.format, tmp_path / "none.parquet")
    assert not lost.ok and "FileNotFoundError" in (lost.error or "")


def test_predictions_that_are_not_finite_fail(store: ArtifactStore, tmp_path: Path) -> None:
    data = rows(20)
    model = LinearRegression().fit(data[["x"]], data["y"])
    model.coef_ = np.array([np.nan])
    data[["x", "y"]].to_parquet(tmp_path / "rows.parquet")
    saved = save(model, store)
    result = smoke(store.path(saved.digest or ""), saved.format, tmp_path / "rows.parquet")
    assert not result.ok and "20 of 20 predictions are not finite" in (result.error or "")


def test_no_evaluation_rows_is_said(tmp_path: Path) -> None:
    data = rows(20)
    data.head(0).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ExecutionError, match="has no evaluation rows"):
        evaluation_digest(fitted(data), tmp_path / "rows.parquet")


def test_predictions_of_another_shape_are_refused() -> None:
    data = rows(20)
    two = LinearRegression().fit(data[["x"]], data[["y", "n"]])
    with pytest.raises(ExecutionError, match=r"shape \(20, 2\) for 20 rows"):
        predict(two, data[["x"]])


def test_the_digest_sees_a_change_and_not_the_last_bits() -> None:
    values = np.array([1.0, 2.0, 3.0])
    assert predictions_digest(values) == predictions_digest(values * (1 + 1e-15))
    assert predictions_digest(values) != predictions_digest(values * (1 + 1e-6))
    assert predictions_digest(np.array([1, 2])) != predictions_digest(np.array(["1", "2"]))
    assert predictions_digest(pd.Series(["a", "b"]).to_numpy()) == predictions_digest(np.array(["a", "b"]))
