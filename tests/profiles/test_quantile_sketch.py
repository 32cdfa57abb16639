"""The quantile sketch: rank errors, any order and any parts, the same bytes, and the format other programs read."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nbops.profiles.quantile_sketch import K, QuantileSketch
from needs import missing

RANKS = (np.arange(2000) + 0.5) / 2000
LARGEST_ERROR = 0.0005


def sketched(*parts: NDArray[np.float64]) -> QuantileSketch:
    sketch = QuantileSketch()
    for part in parts:
        sketch.add(part)
    return sketch


def error(sketch: QuantileSketch, x: NDArray[np.float64]) -> float:
    """The largest difference between a rank and the ranks of the value that stands there."""
    x, found = np.sort(x), sketch.quantiles(RANKS)
    low, high = (np.searchsorted(x, found, side=side) / len(x) for side in ("left", "right"))
    return float(np.maximum(low - RANKS, RANKS - high).max())


def orders(n: int) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=n)
    return {
        "at random": x,
        "rising": np.sort(x),
        "falling": np.sort(x)[::-1],
        "to the middle": np.sort(x)[np.argsort(-np.abs(np.arange(n) - n / 2), kind="stable")],
        "few values": rng.integers(0, 300, n).astype(float),
        "heavy tails": rng.standard_cauchy(n),
    }


@pytest.mark.parametrize("order", orders(10))
@pytest.mark.parametrize("parts", [1, 40, 1500])
def test_ranks_are_within_the_error_in_whatever_order_and_parts_the_rows_come(order: str, parts: int) -> None:
    x = orders(300_000)[order]
    sketch = sketched(*np.array_split(x, parts))
    assert sketch.n == len(x) == sum(len(level) << h for h, level in enumerate(sketch.levels))
    assert sum(map(len, sketch.levels)) < 3 * K
    assert (sketch.low, sketch.high) == (x.min(), x.max())
    assert error(sketch, x) < LARGEST_ERROR


@pytest.mark.parametrize("parts", [2, 30, 400])
def test_parts_merge_to_the_sketch_of_the_whole(parts: int) -> None:
    x = np.random.default_rng(2).normal(size=600_000)
    merged = QuantileSketch()
    for part in np.array_split(x, parts):
        merged.merge(QuantileSketch.from_bytes(sketched(part).to_bytes()))
    assert merged.n == len(x) and error(merged, x) < LARGEST_ERROR
    assert len(merged.to_bytes()) < 197_000


def test_up_to_its_size_it_is_exact() -> None:
    x = np.random.default_rng(3).normal(size=K)
    np.testing.assert_array_equal(sketched(*np.array_split(x, 7)).quantiles((np.arange(K) + 0.5) / K), np.sort(x))


def test_the_same_rows_give_the_same_bytes() -> None:
    x = np.random.default_rng(4).normal(size=100_000)
    parts = np.array_split(x, 13)
    assert sketched(*parts).to_bytes() == sketched(*parts).to_bytes()
    assert sketched(x).to_bytes() == sketched(np.sort(x)).to_bytes()


@pytest.mark.parametrize("n", [0, 1, 2, 100, K, K + 1, 50_000, 1_000_000])
def test_apache_datasketches_reads_its_bytes_and_it_theirs(n: int) -> None:
    try:
        from datasketches import kll_doubles_sketch
    except ImportError:
        missing("datasketches, which has no wheel for this Python,")
        return
    x = np.random.default_rng(n).normal(size=n)
    ours, theirs = sketched(*np.array_split(x, 3)), kll_doubles_sketch(K)
    theirs.update(x)
    read, known = kll_doubles_sketch.deserialize(ours.to_bytes()), QuantileSketch.from_bytes(theirs.serialize())
    assert read.n == known.n == n
    if n:
        assert (read.get_min_value(), read.get_max_value()) == (known.low, known.high) == (x.min(), x.max())
        np.testing.assert_array_equal(read.get_quantiles(RANKS), ours.quantiles(RANKS))
        np.testing.assert_array_equal(theirs.get_quantiles(RANKS), known.quantiles(RANKS))
    read.merge(theirs)
    known.merge(ours)
    assert read.n == known.n == 2 * n


def test_what_is_no_sketch_is_refused() -> None:
    whole = sketched(np.arange(10_000.0)).to_bytes()
    assert QuantileSketch.from_bytes(whole).to_bytes() == whole
    for content in (b"", whole[:20], whole[:-8], b"\0" * 40, whole[:4] + b"\1\1" + whole[6:]):
        with pytest.raises(ValueError, match="KLL"):
            QuantileSketch.from_bytes(content)
