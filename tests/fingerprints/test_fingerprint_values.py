"""Plain values: kinds never collide, content counts at every depth, what isn't known is said to be so."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import math
import struct
import subprocess
import sys
import uuid
import zoneinfo
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.errors import InputDataError
from nbops.fingerprints.files import SEGMENT
from nbops.fingerprints.fingerprint import fingerprint
from nbops.fingerprints.streams import CHUNK_ROWS, PIECE

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
UTC = dt.UTC
DISTINCT = [
    None, True, False, 0, 1, -1, 2**63, 2**64, -(2**63), -(2**63) - 1, 0.0, -0.0, 1.0, math.nan, math.inf, 1j, 0j,
    complex(math.nan, 0), "", "1", "None", "\ud800", b"", b"1", bytearray(b"1"), [], (), {}, set(), frozenset(),
    [1], (1,), {1}, frozenset({1}), {1: None}, [[1]], [1, [2]], [1, 2], [2, 1], ["a", "b"], ["ab"], ["", "ab"], [b"ab"],
    [1.0], [True], ["1"], [None], [math.nan], [""], {"a": 1}, {"a": 1.0}, {"b": 1}, {"a": {"b": 1}}, range(3),
    [0, 1, 2], range(0, 3, 2), ..., decimal.Decimal("1"), decimal.Decimal("1.0"), decimal.Decimal("-0"),
    decimal.Decimal("NaN"), decimal.Decimal("sNaN"), uuid.UUID(int=1), dt.date(2024, 1, 1), dt.datetime(2024, 1, 1),
    dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2024, 1, 1, tzinfo=BERLIN), dt.datetime(2024, 1, 1, fold=1),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), dt.time(1), dt.time(1, tzinfo=UTC),
    dt.timedelta(1), dt.timedelta(seconds=1), np.float64(1), np.float32(1), np.int64(1), np.bool_(True),
    np.str_("1"), np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "ns"), np.array(1.0), np.array([1.0]),
    np.array([[1.0]]), np.array([1]), np.array([True]), np.array(["1"]), np.array(["1"], object), np.array([1], object),
    np.ma.array([1.0]), np.matrix([[1.0]]), np.zeros(0), np.zeros((0, 1)), np.zeros((1, 0)), np.array([b"1"]),
    pd.NA, pd.NaT, pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta("1D"),
    pd.Period("2024", "Y"), pd.Period("2024-01", "M"), pd.Interval(0, 1), pd.Interval(0, 1, "both"),
    pd.Series([1.0]), pd.Series([1.0], name="a"), pd.Series([1]), pd.DataFrame({"a": [1.0]}), pd.DataFrame([1.0]),
    pd.DataFrame({"a": [1]}), pd.Index([1.0]), pd.Index([1]), pd.array([1.0]), pd.array([1], "int64"), pd.DataFrame(),
    pd.DataFrame(index=[0]), pd.DataFrame(columns=["a"]), pa.table({"a": [1.0]}), pa.table({}), pa.array([1.0]),
    pa.record_batch({"a": [1.0]}), pa.chunked_array([[1.0]]), pa.array([1.0], pa.float32()),
    scipy.sparse.csr_matrix([[1.0]]), scipy.sparse.csr_array([[1.0]]), scipy.sparse.csc_array([[1.0]]),
    scipy.sparse.coo_array([[1.0]]),
]  # fmt: skip


def digest(value: object) -> str:
    found = fingerprint(value)
    assert found.digest is not None, found.reason
    assert found.digest.startswith("f1:blake3:") and len(found.digest) == 74
    return found.digest


def test_kinds_never_collide() -> None:
    seen: dict[str, object] = {}
    for value in DISTINCT:
        one = digest(value)
        assert one not in seen, f"{value!r} and {seen[one]!r} have one digest"
        seen[one] = value


def test_kinds_never_collide_as_cells_either() -> None:
    """The same values one level down, where the fast ways of lists take over."""
    seen: dict[str, object] = {}
    for value in DISTINCT:
        for container in ([value], [value, value], {"k": value}):
            one = digest(container)
            assert one not in seen, f"{container!r} and {seen[one]!r} have one digest"
            seen[one] = container


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def text_form(value: object) -> str:
    """An independent canonical form: repr with types, dicts sorted; every NaN alike."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{text_form(k)}:{text_form(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({','.join(map(text_form, value))})"
    return f"{type(value).__name__} {value!r}"


@given(plain, plain)
def test_equal_digests_mean_equal_values(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (text_form(one) == text_form(other))


@given(st.lists(st.text() | st.none() | st.just(math.nan), min_size=1, max_size=8), st.integers(0, 3))
def test_where_a_chunk_ends_leaves_no_trace(items: list[object], shift: int) -> None:
    """The same values, met by the fast and by the slow way of a chunk, give the same bytes."""
    filler = ["x"] * (CHUNK_ROWS - shift)
    assert digest([*filler, *items]) == digest([*filler, *[_again(i) for i in items]])
    assert digest([*filler, *items]) != digest([*filler, *items, None])
    assert digest([*filler, *items]) != digest([*filler, *items[:-1], 7])


def _again(item: object) -> object:
    return "".join(item) if isinstance(item, str) else item


@pytest.mark.parametrize("size", [3, 64, 65, CHUNK_ROWS, CHUNK_ROWS + 1])
@pytest.mark.parametrize("make", [str, int, float, lambda i: [i], lambda i: "é" * (i % 3), lambda i: b"%d" % i])
def test_one_changed_item_changes_a_list(size: int, make: object) -> None:
    base = [make(i) for i in range(size)]  # type: ignore[operator]
    seen = {digest(base)}
    places = {0, size // 2, size - 1, *(p for p in (CHUNK_ROWS - 1, CHUNK_ROWS) if p < size)}
    for place in places:
        for other in (None, math.nan, "changed", 12345):
            changed = list(base)
            changed[place] = other
            seen.add(digest(changed))
    seen.add(digest([*base, base[0]]))
    seen.add(digest(base[:-1]))
    assert len(seen) == 4 * len(places) + 3


def test_nan_payload_and_sign_do_not_count_but_zero_sign_does() -> None:
    odd = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000123))[0]
    assert digest(odd) == digest(math.nan)
    assert digest([odd, 1.0]) == digest([math.nan, 1.0])
    assert digest(-0.0) != digest(0.0)


def test_order_of_dicts_and_sets_does_not_count_and_of_lists_does() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({3, 1, "x"}) == digest({"x", 1, 3})
    assert digest([1, 2]) != digest([2, 1])
    assert digest({"a": 1}) != digest({1: "a"})


def test_the_library_that_made_a_time_zone_does_not_count() -> None:
    moment = dt.datetime(2024, 5, 1)
    assert digest(moment.replace(tzinfo=UTC)) == digest(moment.replace(tzinfo=zoneinfo.ZoneInfo("UTC")))
    assert digest(moment.replace(tzinfo=UTC)) == digest(moment.replace(tzinfo=dt.timezone(dt.timedelta(0))))


def test_long_strings_are_told_apart_in_every_piece() -> None:
    long = "é" * (PIECE + 10)
    changed = [long[:k] + "e" + long[k + 1 :] for k in (0, PIECE - 1, PIECE, PIECE + 9)]
    for wrap in (lambda v: v, lambda v: [v, "b"], lambda v: {"k": v}):
        assert len({digest(wrap(v)) for v in [long, long + "é", *changed]}) == 6
    assert digest([long, "b"]) != digest([long + "b"])


def test_shared_parts_take_no_exponential_time() -> None:
    value: object = [1]
    for _ in range(80):
        value = [value, value]
    digest(value)


class Number(int):
    pass


class Colour(enum.Enum):
    RED = 1


def test_what_is_not_known_gets_no_digest_and_no_shared_placeholder() -> None:
    unknown = [
        object(), Number(1), Colour.RED, collections.OrderedDict(a=1), (x for x in ()), print, Path, [object()],
        {"a": object()}, {Number(1)}, np.array([object()]), pd.Series([object()]), scipy.sparse.csr_array([1.0]),
        type("Sub", (np.ndarray,), {})((1,)), type("Frame", (pd.DataFrame,), {})({"a": [1]}),
    ]  # fmt: skip
    for value in unknown:
        found = fingerprint(value)
        assert found.digest is None, value
        assert found.reason and found.reason.startswith("not fingerprinted: "), value


def test_the_reason_names_the_column() -> None:
    found = fingerprint(pd.DataFrame({"a": [1], "odd": [object()]}))
    assert found.reason == "not fingerprinted: no canonical form for the type 'builtins.object' (column 'odd')"
    assert found.shape == (1, 2)


def test_cycles_end() -> None:
    in_list: list[object] = []
    in_list.append(in_list)
    in_dict: dict[str, object] = {}
    in_dict["a"] = [in_dict]
    in_array = np.empty(1, object)
    in_array[0] = [in_array]
    in_frame = pd.DataFrame({"a": [None], "b": [None]}, dtype=object)
    in_frame.iat[0, 0] = in_frame
    for value in (in_list, in_dict, in_array, in_frame):
        found = fingerprint(value)
        assert found.digest is None and "contains itself" in str(found.reason)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert fingerprint(deep).reason == "not fingerprinted: nested too deeply"
    while deep:  # taken apart by hand: the interpreter's own way down is recursive
        deep = deep[0]  # type: ignore[assignment]


def test_the_budget_stops_it() -> None:
    for value in (np.zeros(10), "a", pd.DataFrame({"a": [1]}), Path(__file__)):
        found = fingerprint(value, budget_s=-1.0)
        assert (found.digest, found.reason) == (None, "not fingerprinted: budget")
    assert fingerprint(np.zeros((2_000_000, 4)), budget_s=1e-4).reason == "not fingerprinted: budget"
    assert fingerprint(pd.DataFrame(np.zeros((2_000_000, 4))), budget_s=1e-4).reason == "not fingerprinted: budget"
    assert fingerprint(np.zeros(10), budget_s=60).digest == digest(np.zeros(10))


# files


def test_a_path_is_a_file_and_a_str_a_value(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"12345")
    found = fingerprint(file)
    assert (found.kind, found.shape) == ("file", (5,))
    other = tmp_path / "b.csv"
    other.write_bytes(b"12345")
    assert digest(other) == found.digest
    assert digest(str(file)) != found.digest
    assert digest(b"12345") != found.digest


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 3])
def test_every_byte_of_a_file_counts(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(0).integers(0, 256, size, dtype="u1").tobytes()
    file = tmp_path / "data"
    file.write_bytes(content)
    seen = {digest(file)}
    places = sorted({p for p in (0, SEGMENT - 1, SEGMENT, size - 1) if 0 <= p < size})
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        seen.add(digest(file))
    file.write_bytes(content + b"\0")
    seen.add(digest(file))
    assert len(seen) == len(places) + 2


def test_a_missing_file_is_the_callers_mistake_and_a_folder_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"no-such\.csv' can't be read \(No such file or directory\); check"):
        fingerprint(tmp_path / "no-such.csv")
    assert "is a folder" in str(fingerprint(tmp_path).reason)
    assert "no regular file" in str(fingerprint(Path("/dev/null")).reason)


# processes

PROGRAM = """
import datetime, decimal
from nbops.fingerprints.files import SEGMENT
from nbops.fingerprints.fingerprint import fingerprint
import sys
value = {"a": [1, 2.5, None, "x", {"k", "l", "m", 3}], ("t",): decimal.Decimal("1.5"), "s": frozenset("abcdef")}
print(fingerprint(value).digest)
heavy = {"numpy", "pandas", "pyarrow", "scipy", "sklearn"} & set(sys.modules)
assert not heavy, heavy
import pandas as pd
frame = pd.DataFrame({"a": ["x", "y", None], "b": pd.Categorical(["u", "v", "u"]), "c": [{"p", "q"}, {1: 2}, [3]]})
print(fingerprint(frame).digest)
"""


def test_process_and_hash_seed_do_not_count_and_a_plain_value_loads_nothing_heavy() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(answers) == 1
    assert answers.pop().count("f1:blake3:") == 2


def test_the_form_is_pinned() -> None:
    """A digest that is stored somewhere must not change under its tag: a change of the form needs a new one."""
    assert {name: digest(make()) for name, make in _PINNED_VALUES.items()} == PINNED


_PINNED_VALUES = {
    "value": lambda: {"a": [1, 2.5, None, "é", (True, b"x")], "b": dt.date(2024, 1, 1)},
    "array": lambda: np.arange(12.0).reshape(3, 4),
    "frame": lambda: pd.DataFrame(
        {"i": [1, 2], "s": pd.array(["a", None], "string"), "c": pd.Categorical([3, 4])}, index=[5, 7]
    ),
    "table": lambda: pa.table({"a": [1, None], "b": [["x"], None]}),
    "sparse": lambda: scipy.sparse.csr_array(np.eye(3)),
}
PINNED = {
    "value": "f1:blake3:e85e0226b8440d8319c130ede002b07f29598a2546fa4b3b574ee6826ad1f86a",
    "array": "f1:blake3:3c8e7427cf991f74f15437c4402a902b65873237a867759f88b1ffca5e7153de",
    "frame": "f1:blake3:26e58ab83f20ca454aa5ce668f8c103618bdb99b666e792f6ac7e062a50373a3",
    "table": "f1:blake3:922d7e09452de779d9b4483c4f99d9dfecfcb250840852c43867fafc0e4c5e10",
    "sparse": "f1:blake3:d172b7c0308a34e3b205c31d8b4335afae2f48bd5d3de1b6306b199626198b71",
}
