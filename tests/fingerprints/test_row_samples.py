"""A sample of a table's rows: the same rows are known again whatever holds them; what two tables share is told."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nbops.fingerprints.rows import MOST, RowSample, sample_rows, shared
from nbops.fingerprints.work import NotHashableHonestly

VALUES = st.floats(allow_nan=True, width=64) | st.integers(-5, 5).map(float)


def back(frame: pd.DataFrame) -> pd.DataFrame:
    """As it comes back from Parquet."""
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return pd.read_parquet(sink)


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    one, other = sample_rows(a, target=True), sample_rows(b, target=True)
    return bool((one.inputs == other.inputs).all() and (one.whole == other.whole).all())


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(2, 4)), elements=VALUES), st.randoms())
@settings(max_examples=50, deadline=None)
def test_order_and_index_do_not_count_and_every_value_does(values: np.ndarray, random: object) -> None:
    frame = pd.DataFrame(values)
    order = list(range(len(frame)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert same(frame, frame.iloc[order])
    found = shared(sample_rows(frame, target=True), sample_rows(frame.iloc[order], target=True))
    assert found.looked == found.whole.rows == found.inputs.rows == len(frame)
    changed = frame.copy()
    changed.iloc[0, 0] = 0.123 if frame.iloc[0, 0] != 0.123 else 0.124
    only = sample_rows(changed.iloc[:1], target=True)
    known = frame.iloc[1:].eq(changed.iloc[0]) | (frame.iloc[1:].isna() & changed.iloc[0].isna())
    assert shared(sample_rows(frame, target=True), only).whole.rows == int(known.all(axis=1).any())


def test_what_holds_a_value_does_not_count() -> None:
    frame = pd.DataFrame(
        {
            "whole": [1, 2, -3],
            "large": [2**60, 2**60 + 1, 0],
            "number": [0.5, float("nan"), -0.0],
            "flag": [True, False, True],
            "text": ["a", None, "b"],
            "group": pd.Categorical(["x", "y", "x"]),
            "when": pd.to_datetime(["2020-01-01", "2021-05-06", None]),
            "zoned": pd.to_datetime(["2020-01-01", "2021-05-06", None]).tz_localize("Europe/Paris"),
            "y": [1, 2, 3],
        }
    )
    assert same(frame, back(frame))
    assert same(frame, frame.astype({"whole": "float64", "y": "float32", "group": "object", "text": "object"}))
    assert same(frame, frame.astype({"whole": "Int64", "flag": "float64"}).set_axis(list("abcdefghi"), axis=1))
    assert not same(frame, frame.assign(large=[2**60, 2**60 + 2, 0]))
    assert not same(frame, frame.iloc[:, ::-1])


def test_a_sample_of_many_rows_tells_the_share_and_what_repeats_anyway() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(4 * MOST, 3)))
    train, test = rows[: 3 * MOST], rows[2 * MOST :]  # half of the second
    first, second = (sample_rows(part, target=True) for part in (train, test))
    assert not first.complete
    assert len(first.inputs) <= MOST
    assert len(first.to_bytes()) < 800_000
    found = shared(RowSample.from_bytes(first.to_bytes()), second)
    assert found.looked > MOST / 4
    assert found.whole.rows / found.looked == pytest.approx(0.5, abs=0.05)
    assert found.whole.beyond_chance
    coarse = pd.DataFrame(rng.integers(0, 40, size=(6000, 3)))  # 64,000 different rows: some repeat
    found = shared(sample_rows(coarse[:4000], target=True), sample_rows(coarse[4000:], target=True))
    assert found.whole.rows > 0
    assert not found.whole.beyond_chance
    assert not found.inputs.beyond_chance


def test_no_time_and_no_rows() -> None:
    frame = pd.DataFrame({"x": [1.0], "y": [2.0]})
    with pytest.raises(NotHashableHonestly, match="budget"):
        sample_rows(frame, target=True, budget_s=-1.0)
    with pytest.raises(NotHashableHonestly, match="unhashable"):
        sample_rows(frame.assign(x=[[1]]), target=True)
    assert len(sample_rows(frame[:0], target=True).inputs) == 0
    with pytest.raises(ValueError, match="no sample"):
        RowSample.from_bytes(_npy(np.zeros(3)))


def _npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()
