"""pandas: a change of value, name, dtype, order, shape or index is seen; layout, slices and string storage aren't."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as hpd

from nbops.fingerprints.fingerprint import fingerprint
from nbops.fingerprints.streams import CHUNK_BYTES, CHUNK_ROWS


def digest(value: object) -> str:
    found = fingerprint(value)
    assert found.digest is not None, found.reason
    return found.digest


ROWS = 2 * CHUNK_BYTES // 8 + 7
BORDERS = [0, CHUNK_ROWS - 1, CHUNK_ROWS, ROWS // 2, CHUNK_BYTES // 8, ROWS - 1]
NUMBERS = np.arange(ROWS) % 1000
TEXTS = [f"w{i % 1000}" for i in range(ROWS)]

# dtype → (a column of ROWS values, a value that none of them has, missing values that dtype tells apart)
COLUMNS: dict[str, tuple[Callable[[], pd.Series], Any, tuple[Any, ...]]] = {
    "bool": (lambda: pd.Series(np.zeros(ROWS, bool)), True, ()),
    "int8": (lambda: pd.Series(np.zeros(ROWS, "i1")), 5, ()),
    "int64": (lambda: pd.Series(NUMBERS), 5000, ()),
    "uint16": (lambda: pd.Series(NUMBERS.astype("u2")), 5000, ()),
    "float32": (lambda: pd.Series(NUMBERS.astype("f4")), -1.0, (np.nan,)),
    "float64": (lambda: pd.Series(NUMBERS.astype("f8")), -1.0, (np.nan,)),
    "complex128": (lambda: pd.Series(NUMBERS.astype("c16")), -1j, (np.nan,)),
    "datetime64[ns]": (lambda: pd.Series(NUMBERS.astype("M8[ns]")), pd.Timestamp("2030-01-01"), (pd.NaT,)),
    "datetime64[s]": (lambda: pd.Series(NUMBERS.astype("M8[s]")), pd.Timestamp("2030-01-01"), (pd.NaT,)),
    "datetime64[s, UTC]": (
        lambda: pd.Series(NUMBERS.astype("M8[s]")).dt.tz_localize("UTC"),
        pd.Timestamp("2030-01-01", tz="UTC"), (pd.NaT,),
    ),
    "datetime64[s, Europe/Berlin]": (
        lambda: pd.Series(NUMBERS.astype("M8[s]")).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
        pd.Timestamp("2030-01-01", tz="UTC"), (pd.NaT,),
    ),
    "timedelta64[s]": (lambda: pd.Series(NUMBERS.astype("m8[s]")), pd.Timedelta("90D"), (pd.NaT,)),
    "period[D]": (
        lambda: pd.Series(pd.PeriodIndex.from_ordinals(NUMBERS, freq="D")), pd.Period("2030-01-01", "D"), (pd.NaT,)
    ),
    "period[M]": (
        lambda: pd.Series(pd.PeriodIndex.from_ordinals(NUMBERS, freq="M")), pd.Period("2130-01", "M"), (pd.NaT,)
    ),
    "interval[float64, right]": (
        lambda: pd.Series(pd.arrays.IntervalArray.from_arrays(NUMBERS.astype("f8"), NUMBERS + 1.0)),
        pd.Interval(-2.0, -1.0), (np.nan,),
    ),
    "str": (lambda: pd.Series(TEXTS, dtype="str"), "other", (np.nan,)),
    "string": (lambda: pd.Series(TEXTS, dtype="string"), "other", (pd.NA,)),
    "object": (lambda: pd.Series(TEXTS, dtype=object), "other", (None, np.nan, pd.NA, pd.NaT)),
    "category[str]": (
        lambda: pd.Series(pd.Categorical(TEXTS, [*dict.fromkeys(TEXTS), "other"])), "other", (np.nan,)
    ),
    "ordered category[int64]": (
        lambda: pd.Series(pd.Categorical(NUMBERS, range(1001), ordered=True)), 1000, (np.nan,)
    ),
    "Int64": (lambda: pd.Series(NUMBERS, dtype="Int64"), 5000, (pd.NA,)),
    "Float64": (lambda: pd.Series(NUMBERS, dtype="Float64"), -1.0, (pd.NA,)),
    "boolean": (lambda: pd.Series(np.zeros(ROWS, bool), dtype="boolean"), True, (pd.NA,)),
    "Sparse[float64, 0]": (
        lambda: pd.Series(pd.arrays.SparseArray((NUMBERS % 2).astype("f8"), fill_value=0)), None, ()
    ),
    "int64[pyarrow]": (lambda: pd.Series(NUMBERS, dtype="int64[pyarrow]"), 5000, (pd.NA,)),
    "double[pyarrow]": (lambda: pd.Series(NUMBERS, dtype="double[pyarrow]"), -1.0, (pd.NA,)),
    "bool[pyarrow]": (lambda: pd.Series(np.zeros(ROWS, bool), dtype="bool[pyarrow]"), True, (pd.NA,)),
    "large_string[pyarrow]": (lambda: pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.large_string())), "other", (pd.NA,)),
    "timestamp[s][pyarrow]": (
        lambda: pd.Series(NUMBERS.astype("M8[s]")).astype("timestamp[s][pyarrow]"), pd.Timestamp("2030-01-01"), (pd.NA,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", COLUMNS)
def test_one_element_anywhere_counts(dtype: str) -> None:
    make, value, missing = COLUMNS[dtype]
    base = make()
    assert fingerprint(base).columns[0].dtype == dtype
    seen = {digest(base)}
    places = BORDERS if value is not None else []
    for place in places:
        for new in (value, *missing):
            changed = base.copy()
            changed.iloc[place] = new
            assert changed.dtype == base.dtype
            seen.add(digest(changed))
    assert len(seen) == 1 + len(places) * (1 + len(missing))
    if base.iloc[0] != base.iloc[-1] and value is not None:
        swapped = base.copy()
        swapped.iloc[-1] = base.iloc[0]
        swapped.iloc[0] = base.iloc[-1]
        seen.add(digest(swapped))
        assert len(seen) == 2 + len(places) * (1 + len(missing))
    assert digest(base.iloc[:-1]) not in seen
    assert digest(base.iloc[1:].reset_index(drop=True)) not in seen


@pytest.mark.parametrize("dtype", COLUMNS)
def test_slicing_and_chunking_do_not_count(dtype: str) -> None:
    base = COLUMNS[dtype][0]()
    if base.dtype != "object" and not dtype.startswith("Sparse"):
        base.iloc[[3, 5000]] = base.iloc[7]
    asked = digest(base)
    assert digest(base.copy()) == asked
    padded = pd.concat([base.iloc[:11], base, base.iloc[:3]], ignore_index=True)
    assert digest(padded.iloc[11:-3].reset_index(drop=True)) == asked
    assert digest(base.iloc[::-1].iloc[::-1]) == asked
    assert digest(pd.DataFrame({"a": base, "b": base})["b"].rename(None)) == asked
    frame = pd.DataFrame({"a": base})
    assert digest(frame) == digest(pd.concat([frame.iloc[:5], frame.iloc[5:]], ignore_index=True))


def test_dtypes_never_collide() -> None:
    seen: dict[str, str] = {}
    for name, (make, _, _) in COLUMNS.items():
        for values in (make().iloc[:0], make().iloc[:2]):
            assert seen.setdefault(digest(values), name) == name
        for kind in (digest(pd.DataFrame({"a": make().iloc[:2]})), digest(pd.Index(make().iloc[:2]))):
            assert seen.setdefault(kind, name) == name
    assert len(seen) == 4 * len(COLUMNS)


def test_string_storage_does_not_count_and_the_dtype_does() -> None:
    texts = ["a", "", None, "é" * 50, "日本"] * 10_000
    groups = [
        ["str", pd.StringDtype("python", na_value=np.nan), pd.StringDtype("pyarrow", na_value=np.nan)],
        ["string[python]", "string[pyarrow]", "string"],
        [object],
        [pd.ArrowDtype(pa.string())],
        [pd.ArrowDtype(pa.large_string())],
        ["category"],
    ]
    digests = [{digest(pd.Series(texts, dtype=dtype)) for dtype in group} for group in groups]
    assert [len(group) for group in digests] == [1] * len(groups)
    assert len(set.union(*digests)) == len(groups)


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8")), max_size=20), st.integers(0, 5))
def test_any_strings_in_any_storage(texts: list[str | None], cut: int) -> None:
    series = [pd.Series(texts, dtype=f"string[{storage}]") for storage in ("python", "pyarrow")]
    assert digest(series[0]) == digest(series[1])
    parts = pd.concat([series[1].iloc[:cut], series[1].iloc[cut:]])
    assert digest(parts) == digest(series[0])


def test_strings_do_not_run_into_their_neighbours() -> None:
    for dtype in ("str", "string", "string[python]", object, "category"):
        seen = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc"], ["a", "b", "c"], ["abc", None]]
        assert len({digest(pd.Series(texts, dtype=dtype)) for texts in seen}) == len(seen)


def test_nan_is_not_na() -> None:
    values, missing = np.array([np.nan, 1.0, 0.0]), np.array([False, False, True])
    nan = pd.Series(pd.arrays.FloatingArray(values, missing))
    na = pd.Series(pd.arrays.FloatingArray(np.array([7.0, 1.0, 0.0]), np.array([True, False, True])))
    under = pd.Series(pd.arrays.FloatingArray(np.array([np.nan, 1.0, 5.0]), missing))
    assert digest(nan) == digest(under)
    assert digest(nan) != digest(na)
    arrow = [pd.Series(pd.arrays.ArrowExtensionArray(pa.array(v))) for v in ([np.nan, 1.0], [None, 1.0])]
    assert digest(arrow[0]) != digest(arrow[1])


def test_categories_their_order_and_unused_ones_count() -> None:
    values = ["a", "b", "a"]
    kinds = [
        pd.Categorical(values), pd.Categorical(values, ["b", "a"]), pd.Categorical(values, ["a", "b", "c"]),
        pd.Categorical(values, ordered=True), pd.Categorical(values, pd.Index(["a", "b"], dtype=object)),
        pd.Categorical(["b", "a", "b"], ["b", "a"]), pd.Categorical(["a", "b", None]),
    ]  # fmt: skip
    assert len({digest(pd.Series(kind)) for kind in kinds}) == len(kinds)


def test_unit_zone_and_moment_count_and_the_zones_library_does_not() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-01", "2024-07-01"]))
    berlin = times.dt.tz_localize("Europe/Berlin")
    kinds = [
        times.astype("M8[s]"), times.astype("M8[ms]"), times.astype("M8[ns]"), berlin.astype("M8[s, Europe/Berlin]"),
        berlin.astype("M8[s, UTC]"), berlin.astype("M8[s, Europe/Paris]"),
        times.dt.tz_localize("UTC").astype("M8[s, UTC]"),
        times.dt.tz_localize(dt.timezone(dt.timedelta(hours=1))).astype("M8[s, UTC+01:00]"),
    ]  # fmt: skip
    assert len({digest(kind) for kind in kinds}) == len(kinds)
    for zone in (dt.UTC, zoneinfo.ZoneInfo("UTC")):
        assert digest(times.dt.tz_localize(zone)) == digest(times.dt.tz_localize("UTC"))


def test_nested_cells() -> None:
    cells = [[1, 2], {"a": [1]}, {1, 2}, (1, 2), np.array([1, 2]), None, decimal.Decimal("1.5"), "text", b"raw"]
    base = pd.Series(cells * 3000)
    seen = {digest(base)}
    for place, new in [(0, [1, 3]), (9, [1, 2.0]), (1, {"a": [2]}), (-8, {"a": (1,)}), (2, {1, 3}), (3, [1, 2])]:
        changed = base.copy()
        changed.array[place] = new
        seen.add(digest(changed))
    for new in (np.array([1, 3]), np.array([1, 2], "i4"), np.array([[1, 2]])):
        changed = base.copy()
        changed.array[4] = new
        seen.add(digest(changed))
    assert len(seen) == 10
    again = pd.Series(
        [[1, 2], {"a": [1]}, {2, 1}, (1, 2), np.array([1, 2]), None, decimal.Decimal("1.5"), "text", b"raw"]
    )
    assert digest(pd.concat([again] * 3000, ignore_index=True)) == digest(base)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1, 2, 3], "x": [1.0, np.nan, 3.0], "s": ["a", None, "c"],
            "o": pd.Series(["a", 1, None], dtype=object),
            "c": pd.Categorical(["u", "v", "u"]), "t": pd.date_range("2024-01-01", periods=3),
        }
    )  # fmt: skip


MUTATIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a column renamed": lambda f: f.rename(columns={"n": "N"}),
    "a name that is an int": lambda f: f.rename(columns={"n": 1}),
    "a name that is its text": lambda f: f.rename(columns={"n": "1"}),
    "two names swapped": lambda f: f.set_axis(["x", "n", "s", "o", "c", "t"], axis=1),
    "columns in another order": lambda f: f[["x", "n", "s", "o", "c", "t"]],
    "a column doubled": lambda f: f[["n", "n", "x", "s", "o", "c", "t"]],
    "a column less": lambda f: f.drop(columns="t"),
    "a column moved into the index": lambda f: f.set_index("n"),
    "a row less": lambda f: f.iloc[:2],
    "rows in another order": lambda f: f.iloc[[1, 0, 2]],
    "the same rows, index reset": lambda f: f.iloc[[1, 0, 2]].reset_index(drop=True),
    "the index shifted": lambda f: f.set_axis([1, 2, 3]),
    "the index stepped": lambda f: f.set_axis([0, 2, 4]),
    "the index with duplicates": lambda f: f.set_axis([0, 0, 1]),
    "the duplicates elsewhere": lambda f: f.set_axis([0, 1, 1]),
    "the index of floats": lambda f: f.set_axis([0.0, 1.0, 2.0]),
    "the index of int32": lambda f: f.set_axis(pd.Index([0, 1, 2], dtype="i4")),
    "the index of texts": lambda f: f.set_axis(["0", "1", "2"]),
    "the index named": lambda f: f.rename_axis("n"),
    "the columns named": lambda f: f.rename_axis("n", axis=1),
    "a MultiIndex": lambda f: f.set_axis(pd.MultiIndex.from_tuples([(0, 1), (1, 1), (2, 2)])),
    "a MultiIndex of other labels": lambda f: f.set_axis(pd.MultiIndex.from_tuples([(0, 1), (1, 2), (2, 2)])),
    "a MultiIndex with a hole": lambda f: f.set_axis(pd.MultiIndex.from_tuples([(0, 1), (1, None), (2, 2)])),
    "a MultiIndex named": lambda f: f.set_axis(pd.MultiIndex.from_tuples([(0, 1), (1, 1), (2, 2)], names=["a", None])),
    "column MultiIndex": lambda f: f.set_axis(pd.MultiIndex.from_product([["k"], f.columns]), axis=1),
    "column MultiIndex of one level": lambda f: f.set_axis(pd.MultiIndex.from_arrays([f.columns]), axis=1),
    "an integer column as float": lambda f: f.astype({"n": "f8"}),
    "an integer column as Int64": lambda f: f.astype({"n": "Int64"}),
    "a text column as object": lambda f: f.astype({"s": object}),
    "a text column as string": lambda f: f.astype({"s": "string"}),
    "a text column as category": lambda f: f.astype({"s": "category"}),
    "a category as text": lambda f: f.astype({"c": "str"}),
    "another unit": lambda f: f.astype({"t": "M8[s]"}),
    "a zone": lambda f: f.assign(t=f["t"].dt.tz_localize("UTC")),
    "a NaN filled": lambda f: f.fillna({"x": 0.0}),
    "a None filled": lambda f: f.fillna({"s": ""}),
    "minus zero": lambda f: f.fillna({"x": -0.0}),
}


def test_every_mutation_of_a_frame_is_seen() -> None:
    seen = {digest(frame()): "nothing"}
    for name, mutate in MUTATIONS.items():
        found = digest(mutate(frame()))
        assert found not in seen, f"{name} looks like {seen[found]}"
        seen[found] = name
    for row in range(3):
        for column in "nxsoct":
            changed = frame()
            changed.loc[row, column] = {"n": 9, "x": 9.0, "s": "z", "o": "z", "c": "v", "t": pd.Timestamp(0)}[column]
            if changed.equals(frame()):
                continue
            found = digest(changed)
            assert found not in seen, f"{row}, {column} looks like {seen[found]}"
            seen[found] = f"{row}, {column}"


def test_what_does_not_count_in_a_frame() -> None:
    base = frame()
    asked = digest(base)
    with_attrs = base.copy()
    with_attrs.attrs["source"] = "x"
    with_attrs.flags.allows_duplicate_labels = False
    one_by_one = pd.DataFrame({name: base[name].copy() for name in base})
    object_labels = base.set_axis(pd.Index(list(base.columns), dtype=object), axis=1)
    for same in (with_attrs, one_by_one, object_labels, base.set_axis(pd.Index([0, 1, 2])), base.copy(deep=True)):
        assert digest(same) == asked
    numbers = np.random.default_rng(0).random((50_000, 7))
    row_major, column_major = pd.DataFrame(numbers), pd.DataFrame(np.asfortranarray(numbers), copy=False)
    columns = pd.DataFrame({i: numbers[:, i].copy() for i in range(7)})
    assert digest(row_major) == digest(column_major) == digest(columns)
    assert digest(pd.DataFrame(numbers[::2, ::-1])) == digest(pd.DataFrame(numbers[::2, ::-1].copy()))


def test_a_large_frame_in_two_threads_sees_each_cell() -> None:
    numbers = np.zeros((70_000, 40))
    seen = {digest(pd.DataFrame(numbers))}
    cells = [(0, 0), (0, 39), (32_767, 15), (32_768, 16), (69_999, 0), (69_999, 39), (35_000, 20)]
    for row, column in cells:
        changed = numbers.copy()
        changed[row, column] = np.nan
        seen.add(digest(pd.DataFrame(changed)))
    assert len(seen) == len(cells) + 1
    one_wide = digest(pd.DataFrame(numbers))
    assert one_wide == digest(pd.DataFrame({i: np.zeros(70_000) for i in range(40)}))


def test_indexes() -> None:
    assert digest(pd.RangeIndex(5)) == digest(pd.Index([0, 1, 2, 3, 4]))
    assert digest(pd.RangeIndex(10, 0, -3)) == digest(pd.Index([10, 7, 4, 1]))
    assert digest(pd.RangeIndex(3, 3)) == digest(pd.Index([], dtype="int64"))
    big = pd.RangeIndex(100_000)
    assert digest(big) == digest(pd.Index(np.arange(100_000)))
    late = np.arange(100_000)
    late[-1] = 0
    assert digest(pd.Index(late)) != digest(big)
    kinds = [
        pd.RangeIndex(0), pd.RangeIndex(1), pd.RangeIndex(2), pd.RangeIndex(1, 3), pd.RangeIndex(0, 4, 2),
        pd.Index([0, 0]), pd.Index([1]), pd.Index([0, 2, 3]), pd.RangeIndex(2, name="a"), pd.Index(["a"]),
        pd.Index(["a"], dtype=object), pd.Index([("a", 1)], tupleize_cols=False), pd.MultiIndex.from_tuples([("a", 1)]),
        pd.Index([2**62, 2**63 - 1]), pd.Index([-(2**63), 2**63 - 1]), pd.CategoricalIndex(["a"]),
        pd.date_range("2024", periods=1), pd.period_range("2024", periods=1, freq="Y"), pd.interval_range(0, 1),
    ]  # fmt: skip
    assert len({digest(kind) for kind in kinds}) == len(kinds)
    freq = pd.date_range("2024-01-01", periods=3)
    assert digest(freq) == digest(pd.DatetimeIndex(freq, freq=None))


def test_how_a_multiindex_is_stored_does_not_count() -> None:
    tuples = [(i % 7, f"k{i % 11}") for i in range(3 * CHUNK_ROWS + 5)]
    index = pd.MultiIndex.from_tuples([*tuples, (None, "zzz")])
    unused = pd.MultiIndex.from_tuples([(99, "unused"), *tuples, (None, "zzz")])[1:]
    assert len(unused.levels[0]) == 8 and unused.levels[0].dtype == index.levels[0].dtype
    assert digest(unused) == digest(index)
    seen = {digest(index)}
    for place in (0, CHUNK_ROWS - 1, CHUNK_ROWS, len(tuples) - 1):
        changed = list(index)
        changed[place] = (6 - changed[place][0], "k0")
        seen.add(digest(pd.MultiIndex.from_tuples(changed)))
    assert len(seen) == 5


small_frames = hpd.data_frames(
    [
        hpd.column("f", dtype=float), hpd.column("i", dtype="int32"), hpd.column("b", dtype=bool),
        hpd.column("s", elements=st.text(max_size=3), dtype=object), hpd.column("t", dtype="M8[ns]"),
    ],
    index=hpd.range_indexes(max_size=6),
)  # fmt: skip


@settings(max_examples=200)
@given(small_frames, small_frames)
def test_equal_digests_mean_equal_frames(one: pd.DataFrame, other: pd.DataFrame) -> None:
    same = one.equals(other) and not (np.signbit(one["f"]) != np.signbit(other["f"]))[one["f"] == 0].any()
    assert (digest(one) == digest(other)) == same
    assert digest(one) == digest(one.copy())


@given(small_frames, st.data())
def test_one_changed_cell_is_explained(base: pd.DataFrame, data: st.DataObject) -> None:
    if not len(base):
        return
    row, name = data.draw(st.integers(0, len(base) - 1)), data.draw(st.sampled_from(["f", "i", "b", "s"]))
    changed = base.copy()
    old = base[name].iloc[row]
    changed.loc[row, name] = {"f": 1.5 if old != 1.5 else 2.5, "i": 7 if old != 7 else 8, "b": not old, "s": f"{old}!"}[
        name
    ]
    assert fingerprint(base).explain(fingerprint(changed)) == f"values changed in: {name}"


def test_explain_sees_duplicate_names_and_the_index() -> None:
    base = pd.DataFrame([[1, 2]], columns=["a", "a"])
    changed = pd.DataFrame([[1, 3]], columns=["a", "a"])
    assert fingerprint(base).explain(fingerprint(changed)) == "values changed in: a [2]"
    one, other = pd.DataFrame({"a": [1, 2]}, index=[3, 9]), pd.DataFrame({"a": [1, 2]}, index=[9, 3])
    assert fingerprint(one).explain(fingerprint(other)) == "values changed in: (index)"
    assert [c.name for c in fingerprint(pd.DataFrame({"a": [1]})).columns] == ["a"]


def test_real_data(data_dir: Path) -> None:
    """The same file read twice; one cell of it changed; through Arrow and back."""
    bikes = pd.read_csv(data_dir / "bike_hour.csv")
    asked = fingerprint(bikes)
    assert asked.shape == bikes.shape
    assert digest(pd.read_csv(data_dir / "bike_hour.csv", engine="python")) == asked.digest
    changed = bikes.copy()
    changed.iloc[-1, changed.columns.get_loc("cnt")] += 1
    assert asked.explain(fingerprint(changed)) == "values changed in: cnt"
    for file in sorted(data_dir.glob("*.parquet")):
        table = pd.read_parquet(file)
        assert digest(pa.Table.from_pandas(table).to_pandas()) == digest(table)
