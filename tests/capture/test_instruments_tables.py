"""What an estimator is given is the same table, whatever is made of it on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nbops.capture.instruments.tables import batch_of, signature_of, with_target
from nbops.fingerprints.rows import sample_rows
from nbops.profiles.profiler import PART_CELLS, profile_table

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 4))
X[::7, 1] = np.nan
X[::9, 2] = -0.0
X[5:9] = X[0]


@pytest.mark.parametrize("values", [X, np.asfortranarray(X), X[::2, 1:], X[:0]], ids=["C", "F", "strided", "no rows"])
@pytest.mark.parametrize("kind", ["int64", "uint64", "bool", "float32", "float64"])
def test_a_small_array_is_the_same_table_without_a_dataframe(values: np.ndarray, kind: str) -> None:
    y = (RNG.normal(size=len(values)) * 9).astype(kind)
    if kind.startswith("float"):
        y[::5] = np.nan
    batch, frame = batch_of(values, y, "x1"), with_target(values, y, "x1")
    assert profile_table(batch) == profile_table(frame)
    assert sample_rows(batch, target=True).to_bytes() == sample_rows(frame, target=True).to_bytes()
    assert batch.schema.names == list(frame.columns)


@pytest.mark.parametrize(
    ("values", "y"),
    [
        (pd.DataFrame(X), X[:, 0]),
        (X.astype("float32"), X[:, 0]),
        (X, X[:, :1]),
        (X, X[:9, 0]),
        (X, pd.Series(X[:, 0])),
        (X, np.array(["a"] * len(X))),
        (X, X[:, 0].astype(">f8")),
        (np.broadcast_to(1.0, (PART_CELLS, 2)), np.zeros(PART_CELLS)),
    ],
)
def test_everything_else_is_a_dataframe(values: object, y: object) -> None:
    assert batch_of(values, y) is None


def test_an_arrays_signature_is_that_of_its_dataframe() -> None:
    names = [f"x{i}" for i in range(X.shape[1])]
    y = X[:, 0] > 0
    assert signature_of(None, X, y) == signature_of(None, pd.DataFrame(X, columns=names), y)
    assert [field["nullable"] for field in (signature_of(None, X, y) or {})["inputs"]] == [False, True, False, False]
