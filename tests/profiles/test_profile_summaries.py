"""What one pass over record batches keeps of each column."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops.core.canonical import canonical
from nbops.core.errors import CorruptArtifactError, InputDataError, UnknownNameError
from nbops.core.wire import to_json
from nbops.profiles.distinct import K, hashes_of_numbers, smallest
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import Profiler, profile_batches, profile_table


def one(array: pa.Array):
    return profile_table(pa.table({"x": array})).column("x")


def test_counts_of_missing_and_infinite_values() -> None:
    x = one(pa.array([1.0, None, float("nan"), float("inf"), -float("inf"), 3.0]))
    assert (x.type, x.count, x.nulls, x.nans, x.infinities, x.present) == ("number", 6, 1, 1, 2, 2)
    assert (x.minimum, x.maximum, x.mean, x.m2, x.std) == (1.0, 3.0, 2.0, 2.0, 1.0)
    assert x.missing == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("array", "type_"),
    [
        (pa.array([1, 2], pa.int8()), "integer"),
        (pa.array([1, 2], pa.uint64()), "number"),
        (pa.array([1.5], pa.float16()), "number"),
        (pa.array([True, None]), "boolean"),
        (pa.array(["a", "b"], pa.string_view()), "string"),
        (pa.array(["a", "b"]).dictionary_encode(), "category"),
        (pa.array([datetime(2024, 1, 1)]), "datetime"),
        (pa.array([19000], pa.date32()), "datetime"),
        (pa.array([[1], [2]]), "unknown"),
        (pa.nulls(3), "unknown"),
    ],
)
def test_types(array: pa.Array, type_: str) -> None:
    column = one(array)
    assert column.type == type_
    assert column.count == len(array)


def test_moments_and_quantiles_equal_numpy_on_data_kept_exactly() -> None:
    x = np.random.default_rng(1).lognormal(size=8000) + 1e6  # a large mean would cancel in E[x²] - E[x]²
    column = one(pa.array(x))
    assert column.mean == pytest.approx(x.mean(), rel=1e-14)
    assert column.std == pytest.approx(x.std(), rel=1e-12)
    q = np.linspace(0, 1, 41)
    np.testing.assert_array_equal(column.quantiles(q), np.quantile(x, q))


def test_quantiles_of_few_values_are_exact_however_many_rows() -> None:
    x = np.random.default_rng(2).integers(0, 200, 100_000) / 7
    column = one(pa.array(x))
    assert column.complete and column.sketch is None and column.distinct == 200
    q = np.linspace(0, 1, 23)
    np.testing.assert_allclose(column.quantiles(q), np.quantile(x, q), rtol=1e-12)


def test_the_sketch_is_within_its_rank_error() -> None:
    x = np.random.default_rng(3).normal(size=300_000)
    column = profile_batches(pa.table({"x": x}).to_batches(10_000)).column("x")
    points, weights = column.distribution()
    assert weights.sum() == pytest.approx(1)
    ranks = np.searchsorted(np.sort(x), points) / len(x)
    assert np.abs(ranks - (np.cumsum(weights) - weights / 2)).max() < 0.002
    assert len(column.sketch or b"") < 200_000
    assert column.quantiles([0, 1]).tolist() == [x.min(), x.max()]
    assert column.distinct == pytest.approx(300_000, rel=0.15)


def test_values_are_complete_up_to_256_and_honest_beyond() -> None:
    few = one(pa.array([f"v{i % 256}" for i in range(1000)]))
    assert few.complete and few.distinct == 256 and sum(count for _, count in few.values) == 1000

    rng = np.random.default_rng(4)
    texts = pd.Series(rng.zipf(1.2, 50_000).clip(0, 10**6)).astype(str)
    many = profile_batches(pa.table({"x": texts.tolist()}).to_batches(3_000)).column("x")
    true = texts.value_counts()
    assert not many.complete and many.undercount > 0 and len(many.values) <= 256
    for value, count in many.values:
        assert count <= true[value] <= count + many.undercount
    assert set(true.index[true > many.undercount]) <= {value for value, _ in many.values}
    assert many.undercount <= 50_000 / 257  # the bound of Misra & Gries
    assert many.distinct == pytest.approx(len(true), rel=0.15)


def test_pandas_frames_with_any_string_backend() -> None:
    frame = pd.DataFrame(
        {
            "o": pd.Series(["a", None, "b"], dtype=object),
            "s": ["a", "b", "b"],
            "c": pd.Categorical(["x", "y", None]),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "f": [1.0, np.nan, 2.0],
            "b": [True, False, True],
            "t": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-02"], utc=True),
            "k": pd.Categorical([3, 1, 3]),
        }
    )
    frame.index = pd.Index([7, 7, 8])
    profile = profile_table(frame)
    assert [c.name for c in profile.columns] == list("oscnfbtk")
    assert [c.type for c in profile.columns] == (
        ["string", "string", "category", "integer", "number", "boolean", "datetime", "category"]
    )
    assert [c.nulls for c in profile.columns] == [1, 0, 1, 1, 1, 0, 0, 0]
    assert profile.column("k").values == ((3, 2), (1, 1))
    assert profile.column("b").values == ((True, 2), (False, 1))
    assert profile.column("t").maximum == "2024-01-03T00:00:00.000000"


def test_bytes_round_trip_and_are_equal_for_equal_data() -> None:
    rng = np.random.default_rng(5)
    table = pa.table(
        {
            "x": rng.normal(size=8000),
            "i": rng.integers(-(2**60), 2**60, 8000),
            "s": [f"i:{i % 5}\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") for i in range(8000)],
            "e": pa.nulls(8000),
            "inf": np.full(8000, np.inf),
        }
    )
    profile = profile_table(table)
    content = profile.to_bytes()
    assert Profile.from_bytes(content) == profile
    assert profile_table(table).to_bytes() == content
    head, _, rest = content.partition(b"\n")
    json.loads(head)  # JSON types only
    for damaged in (content[:-1], content + b"x", head, rest):
        with pytest.raises(CorruptArtifactError, match="no profile"):
            Profile.from_bytes(damaged)


def test_a_profile_of_format_1_is_read() -> None:
    profile = profile_table(pd.DataFrame({"x": np.arange(300.0), "s": ["a"] * 300}))
    x = profile.columns[0]
    assert x.hashes is not None and x.sketch is not None
    old = to_json(profile) | {"format": 1}
    old["columns"][0] |= {"hashes": b64encode(x.hashes).decode(), "sketch": b64encode(x.sketch).decode()}
    assert Profile.from_bytes(canonical(old).encode()) == profile


@given(st.integers(0, 2**32), st.integers(0, 12_000), st.sampled_from([5, 900, 1500, 2**40]), st.integers(0, 2000))
@example(0, 12_000, 1500, 1700)  # nearly enough are held, and those of the rest that look small are few
@settings(max_examples=40, deadline=None)
def test_the_smallest_hashes_are_the_smallest_whatever_repeats(seed: int, rows: int, different: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = hashes_of_numbers(rng.integers(0, different, rows).astype(np.float64))
    parts = np.split(hashes, [min(cut, rows)])
    held = np.empty(0, dtype=np.uint64)
    for part in parts:
        held = smallest(held, part)
    assert np.array_equal(held, np.unique(hashes)[:K])


@pytest.mark.parametrize("shape", ["normal", "outliers", "two heaps", "huge", "tiny", "lowest and highest"])
def test_a_sketch_of_many_rows_keeps_the_ranks_whatever_their_distribution(shape: str) -> None:
    x = np.random.default_rng(8).normal(size=20_000)
    x = {
        "normal": x,
        "outliers": np.exp(4 * x),
        "two heaps": np.where(x > 0, 1 + 1e-9 * x, 1e-9 * x),
        "huge": x * 3e307,
        "tiny": x * 1e-307,
        "lowest and highest": np.where(np.arange(20_000) % 2 == 0, -1.7e308, x),
    }[shape]
    column = profile_table(pd.DataFrame({"x": x})).columns[0]
    assert (column.count, column.minimum, column.maximum) == (20_000, x.min(), x.max())
    points, weights = column.distribution()
    ranks = np.searchsorted(np.sort(x), points, side="right") / len(x)
    assert (ranks - (np.cumsum(weights) - weights / 2) > -0.002).all()


def test_columns_of_numbers_side_by_side_are_summarised_as_each_alone() -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(6000, 40)))
    frame[3] = frame[3].round(1)  # few different values
    frame.loc[::9, 4] = np.nan
    frame.loc[::7, 5] = np.inf
    frame[6] *= 1e200
    frame[7] = 0.0
    frame.loc[:1200, 8] = 1.0  # that there are many shows late
    frame.insert(9, "text", "a")
    frame.columns = [str(name) for name in frame.columns]
    together = profile_table(frame)
    assert together.columns == tuple(profile_table(frame[[name]]).columns[0] for name in frame)
    batches = pa.Table.from_pandas(frame, preserve_index=False).to_batches(1100)
    assert [c.distribution()[0].tolist() for c in profile_batches(batches).columns if c.type == "number"] == [
        c.distribution()[0].tolist() for c in together.columns if c.type == "number"
    ]


def test_a_broken_or_newer_artifact_is_said_to_be_one() -> None:
    with pytest.raises(CorruptArtifactError, match="no profile"):
        Profile.from_bytes(b"{}")
    with pytest.raises(CorruptArtifactError, match="no profile"):
        Profile.from_bytes(b"\xff")
    newer = Profile(rows=0, columns=(), format=99).to_bytes()
    with pytest.raises(CorruptArtifactError, match="format 99"):
        Profile.from_bytes(newer)


def test_no_rows_and_no_batches() -> None:
    assert profile_batches([]) == Profile(rows=0, columns=())
    empty = profile_table(pa.table({"x": pa.array([], pa.float64()), "s": pa.array([], pa.string())}))
    assert empty.rows == 0 and [c.count for c in empty.columns] == [0, 0]
    assert np.isnan(empty.column("x").quantiles([0.5])).all()
    assert Profile.from_bytes(empty.to_bytes()) == empty


def test_columns_that_come_and_go_or_change_type() -> None:
    profiler = Profiler()
    profiler.add(pa.record_batch({"x": [1, 2]}))
    with pytest.raises(InputDataError, match="'x' is missing"):
        profiler.add(pa.record_batch({"y": [1]}))
    with pytest.raises(InputDataError, match="'y' is in one part"):
        profiler.add(pa.record_batch({"x": [1], "y": [1]}))
    with pytest.raises(InputDataError, match=r"'x' is integer .* and string"):
        profiler.add(pa.record_batch({"x": ["a"]}))
    with pytest.raises(InputDataError, match="twice"):
        Profiler().add(pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]))
    with pytest.raises(InputDataError, match="'m' mixes types"):
        profile_table(pd.DataFrame({"m": pd.Series([1, "a"], dtype=object)}))
    with pytest.raises(UnknownNameError, match="did you mean 'temp'"):
        profile_table({"temp": [1.0]}).column("tmp")


def test_integers_go_on_as_numbers_and_categories_as_text() -> None:
    profiler = Profiler()
    profiler.add(pa.record_batch({"x": [1, 2], "s": pa.array(["a", "b"]).dictionary_encode(), "late": pa.nulls(2)}))
    profiler.add(pa.record_batch({"x": [1.0, 2.5], "s": ["a", "c"], "late": ["p", "q"]}))
    x, s, late = profiler.profile().columns
    assert (x.type, x.values, x.mean) == ("number", ((1.0, 2), (2.0, 1), (2.5, 1)), 1.625)
    assert (s.type, s.values) == ("string", (("a", 2), ("b", 1), ("c", 1)))
    assert (late.type, late.nulls, late.distinct) == ("string", 2, 2)


def test_a_real_table_of_mixed_columns(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "ames_housing.tsv", sep="\t")
    profile = profile_table(frame)
    assert profile.rows == len(frame) and len(profile.columns) == frame.shape[1]
    for name in frame.columns:
        column, series = profile.column(name), frame[name]
        assert column.nulls + column.nans == series.isna().sum()
        if column.complete:
            assert dict(column.values) == series.dropna().value_counts().to_dict()
    assert Profile.from_bytes(profile.to_bytes()) == profile


def test_numbers_at_the_edge_of_what_floats_hold() -> None:
    column = one(pa.array([1.7e308, -1.7e308, 1e300] * 200))
    assert column.m2 == np.inf and (column.minimum, column.maximum) == (-1.7e308, 1.7e308)
    assert column.quantiles([0.1, 0.5, 0.9]).tolist() == [-1.7e308, 1e300, 1.7e308]


def test_a_repr_shows_no_values() -> None:
    assert "Boston" not in repr(profile_table({"city": ["Boston", "Salem"]}))
