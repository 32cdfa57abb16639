"""Realised metrics agree with scikit-learn's; what isn't defined is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from nbops.metrics.realised import classification, regression

NUMBERS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=40)


@given(NUMBERS)
def test_regression_is_as_scikit_learn_says(pairs: list[tuple[float, float]]) -> None:
    y, p = np.array(pairs).T
    found = regression(y, p)
    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["root_mean_squared_error"] == pytest.approx(sk.root_mean_squared_error(y, p))
    if np.ptp(y) > 1e-3:
        assert found["r2_score"] == pytest.approx(sk.r2_score(y, p), rel=1e-6)


def test_what_is_not_defined_is_left_out() -> None:
    assert "r2_score" not in regression(np.array([1.0]), np.array([2.0]))
    one = classification(["a", "a"], ["a", "b"], np.array([[0.9, 0.1], [0.4, 0.6]]), ["a", "b"])
    assert set(one) == {"accuracy_score", "log_loss", "brier_score_loss"}
    assert set(classification(["a"], ["a"])) == {"accuracy_score"}
    unseen = classification(["c"], ["a"], np.array([[0.9, 0.1]]), ["a", "b"])
    assert unseen == pytest.approx({"accuracy_score": 0.0, "log_loss": -np.log(1e-15)})
