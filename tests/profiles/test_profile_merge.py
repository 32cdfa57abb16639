"""Parts profiled apart and merged are the whole, whatever the parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.profiles.profile import Profile
from nbops.profiles.profiler import Profiler, profile_batches, profile_table

FLOATS = st.one_of(st.none(), st.floats(width=32, allow_nan=True, allow_infinity=True))
ROWS = st.lists(
    st.tuples(FLOATS, st.one_of(st.none(), st.integers(-(2**40), 2**40)), st.one_of(st.none(), st.text(max_size=3))),
    max_size=40,
)


def table(rows: list[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = {"x": pa.float64(), "i": pa.int64(), "s": pa.string()}
    texts = [None if t is None else t.encode("utf-8", "replace").decode() for t in columns[2]]
    return pa.table({n: pa.array(list(v), t) for (n, t), v in zip(types.items(), [*columns[:2], texts], strict=True)})


def assert_same(one: Profile, other: Profile) -> None:
    """Equal but for rounding in the moments and the layout of sketches."""
    assert one.rows == other.rows
    for a, b in zip(one.columns, other.columns, strict=True):
        exact = {"mean": None, "m2": None, "sketch": None}
        assert dataclasses.replace(a, **exact) == dataclasses.replace(b, **exact)
        if a.mean is not None:
            assert b.mean is not None and a.m2 is not None and b.m2 is not None
            scale = max(abs(float(a.minimum)), abs(float(a.maximum)))
            assert a.mean == pytest.approx(b.mean, rel=1e-9, abs=1e-12 * scale)
            assert a.m2 == pytest.approx(b.m2, rel=1e-9, abs=1e-12 * scale**2 * a.present)
            np.testing.assert_array_equal(a.distribution()[0], b.distribution()[0])


@settings(deadline=None, max_examples=60)
@given(first=ROWS, second=ROWS)
def test_merge_equals_whole(first: list[tuple], second: list[tuple]) -> None:
    whole = profile_table(table(first + second))
    if not whole.columns:
        return
    merged = Profiler()
    for part in (first, second):
        profiler = Profiler()
        for batch in table(part).to_batches() or [pa.RecordBatch.from_pylist([], schema=table([]).schema)]:
            profiler.add(batch)
        merged.merge(profiler)
    assert_same(merged.profile(), whole)


@pytest.mark.parametrize("distinct", [(100, 100), (100, 5000), (5000, 100), (5000, 5000)])
@pytest.mark.parametrize("stored", [False, True])
def test_merge_across_the_limit_of_counted_values(distinct: tuple[int, int], stored: bool) -> None:
    rng = np.random.default_rng(sum(distinct))
    parts = [
        pa.record_batch({"x": i / 8, "i": i, "s": i.astype(str).tolist()})
        for i in (rng.integers(0, n, 3000) for n in distinct)
    ]
    whole = profile_batches(parts)
    profilers = []
    for part in parts:
        profiler = Profiler()
        profiler.add(part)
        if stored:
            profiler = Profiler.resume(Profile.from_bytes(profiler.profile().to_bytes()))
        profilers.append(profiler)
    profilers[0].merge(profilers[1])
    merged = profilers[0].profile()
    if max(distinct) <= 256:
        assert_same(merged, whole)
        return
    for name in ("x", "i"):
        a, b = merged.column(name), whole.column(name)
        np.testing.assert_array_equal(a.distribution()[0], b.distribution()[0])
        assert (a.distinct, a.complete, a.values) == (b.distinct, False, ())
    s = merged.column("s")
    true = dict(zip(*np.unique(np.concatenate([p["s"].to_pylist() for p in parts]), return_counts=True), strict=True))
    assert s.undercount <= 6000 / 257 + 1
    assert all(count <= true[value] <= count + s.undercount for value, count in s.values)
    assert s.distinct == pytest.approx(len(true), rel=0.15)


def test_batch_size_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    data = pa.table({"x": rng.normal(size=5000), "h": rng.integers(0, 24, 5000)})
    assert_same(profile_batches(data.to_batches(5000)), profile_batches(data.to_batches(7)))


def test_merging_large_sketches_stays_within_the_rank_error() -> None:
    rng = np.random.default_rng(7)
    parts = [rng.normal(loc, size=60_000) for loc in (0, 1, 2)]
    profiler = Profiler()
    for part in parts:
        other = Profiler()
        other.add(pa.record_batch({"x": part}))
        profiler.merge(other)
    x = np.sort(np.concatenate(parts))
    points, weights = profiler.profile().column("x").distribution()
    assert np.abs(np.searchsorted(x, points) / len(x) - (np.cumsum(weights) - weights / 2)).max() < 0.002


def test_counts_held_before_too_many_values_come_are_not_lost() -> None:
    few, many = np.repeat([1.0, 2.0, 3.0], 400), np.random.default_rng(0).normal(size=5000)
    batches = [pa.record_batch({"x": few}), pa.record_batch({"x": many})]
    column = profile_batches(batches).column("x")
    both = np.sort(np.concatenate([few, many]))
    assert not column.complete
    assert column.count == len(both)
    points, weights = column.distribution()
    assert np.array_equal(points, both)
    assert np.allclose(weights.sum(), 1.0)
