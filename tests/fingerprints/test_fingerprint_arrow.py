"""Arrow: chunks, offsets, dictionaries' codes and what lies under a null don't count; all else does."""

from __future__ import annotations

import decimal
import uuid
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.fingerprints.fingerprint import fingerprint
from nbops.fingerprints.streams import CHUNK_ROWS


def digest(value: object) -> str:
    found = fingerprint(value)
    assert found.digest is not None, found.reason
    return found.digest


# type → (three different values)
TYPES: dict[pa.DataType, list[Any]] = {
    pa.bool_(): [True, False],
    pa.int8(): [1, 2, 3],
    pa.int64(): [1, 2, 3],
    pa.uint64(): [1, 2, 2**64 - 1],
    pa.float16(): [np.float16(1), np.float16(2), np.float16("nan")],
    pa.float32(): [1.0, float("nan"), -0.0],
    pa.float64(): [1.0, float("nan"), -0.0],
    pa.string(): ["a", "", "é"],
    pa.large_string(): ["a", "", "é"],
    pa.string_view(): ["a", "", "a string too long to be inlined"],
    pa.binary(): [b"a", b"", b"\xff"],
    pa.binary(2): [b"ab", b"cd", b"ef"],
    pa.date32(): [1, 2, 3],
    pa.time64("us"): [1, 2, 3],
    pa.timestamp("s"): [1, 2, 3],
    pa.timestamp("ns"): [1, 2, 3],
    pa.timestamp("s", "UTC"): [1, 2, 3],
    pa.timestamp("s", "Europe/Berlin"): [1, 2, 3],
    pa.duration("s"): [1, 2, 3],
    pa.decimal128(10, 2): [decimal.Decimal("1.00"), decimal.Decimal("2.50"), decimal.Decimal("-1.00")],
    pa.decimal128(10, 3): [decimal.Decimal("1.00"), decimal.Decimal("2.50"), decimal.Decimal("-1.00")],
    pa.list_(pa.int64()): [[1], [], [1, None]],
    pa.large_list(pa.string()): [["a"], [], ["a", "b"]],
    pa.list_(pa.int64(), 2): [[1, 2], [2, 1], [1, None]],
    pa.list_(pa.list_(pa.string())): [[["a"]], [["a"], []], [None, ["a"]]],
    pa.struct([("a", pa.int64()), ("b", pa.string())]): [{"a": 1, "b": "x"}, {"a": None, "b": "x"}, {"a": 1, "b": "y"}],
    pa.map_(pa.string(), pa.int64()): [[("a", 1)], [], [("a", 2)]],
    pa.dictionary(pa.int8(), pa.string()): ["a", "b", "c"],
    pa.uuid(): [uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes, uuid.UUID(int=3).bytes],
}


def array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return pa.array(values, kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_value_and_null_counts(kind: pa.DataType) -> None:
    values = TYPES[kind]
    size = CHUNK_ROWS + 9
    items = [values[0]] * size
    seen = {digest(array(kind, items)), digest(array(kind, items[:-1])), digest(array(kind, []))}
    places = [0, size // 2, CHUNK_ROWS - 1, CHUNK_ROWS, size - 1]
    for place in places:
        for new in (*values[1:], None):
            seen.add(digest(array(kind, [*items[:place], new, *items[place + 1 :]])))
    assert len(seen) == 3 + len(places) * len(values)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_chunks_and_offsets_do_not_count(kind: pa.DataType) -> None:
    items = ([*TYPES[kind], None] * 40)[:100]
    whole = array(kind, items)
    padded = array(kind, [*items[:7], *items, *items[:5]]).slice(7, 100)
    assert digest(padded) == digest(whole)
    chunked = digest(pa.chunked_array([whole]))
    for cuts in ([0, 100], [0, 1, 1, 33, 100], list(range(101))):
        parts = [whole.slice(a, b - a) for a, b in pairwise(cuts)]
        assert digest(pa.chunked_array(parts, kind)) == chunked
        copies = [array(kind, items[a:b]) for a, b in pairwise(cuts)]
        assert digest(pa.chunked_array(copies, kind)) == chunked
    assert chunked != digest(whole)


def test_types_never_collide() -> None:
    digests = {digest(array(kind, values)): kind for kind in TYPES for values in ([], [None], [None, None])}
    assert len(digests) == 3 * len(TYPES)


def test_what_lies_under_a_null_does_not_count() -> None:
    mask = pa.array([True, True, False]).buffers()[1]
    for numbers in ([1, 2, 3], [1.0, 2.0, float("nan")]):
        one, two = pa.array(numbers), pa.array([*numbers[:2], 99])
        under = [pa.Array.from_buffers(a.type, 3, [mask, a.buffers()[1]]) for a in (one, two.cast(one.type))]
        assert digest(under[0]) == digest(under[1]) == digest(pa.array([*numbers[:2], None], one.type))
    texts = [pa.array(["a", "b", last]) for last in ("cc", "dddd")]
    under = [pa.Array.from_buffers(a.type, 3, [mask, *a.buffers()[1:]]) for a in texts]
    assert digest(under[0]) == digest(under[1]) == digest(pa.array(["a", "b", None]))


def test_codes_and_unused_entries_of_a_dictionary_do_not_count() -> None:
    def coded(codes: list[int], entries: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(entries))

    assert digest(coded([0, 1], ["a", "b"])) == digest(coded([1, 0], ["b", "a", "unused"]))
    assert digest(coded([0, 1], ["a", "b"])) != digest(coded([1, 0], ["a", "b"]))


def test_tables() -> None:
    base = pa.table({"a": [1, 2], "b": ["x", None]})
    field = pa.field("a", pa.int64(), nullable=False)
    variants = [
        base, base.rename_columns(["a", "c"]), base.select(["b", "a"]), base.slice(0, 1), base.drop_columns("b"),
        base.set_column(0, "a", pa.array([1, 2], pa.int32())), base.set_column(0, field, pa.array([1, 2])),
        base.append_column("b", pa.array([1, 2])), base.to_batches()[0], base["a"], base.to_struct_array(),
    ]  # fmt: skip
    assert len({digest(v) for v in variants}) == len(variants)
    assert digest(base.replace_schema_metadata({"by": "x"})) == digest(base)
    assert digest(pa.concat_tables([base.slice(0, 1), base.slice(1)])) == digest(base)
    found = fingerprint(base)
    assert (found.kind, found.shape) == ("arrow table", (2, 2))
    assert found.explain(fingerprint(base.set_column(1, "b", [["x", "y"]]))) == "values changed in: b"


@given(st.lists(st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3), max_size=12), st.data())
def test_nested_values_property(items: list[Any], data: st.DataObject) -> None:
    kind = pa.list_(pa.struct([("t", pa.string())]))

    def wrap(rows: list[Any]) -> pa.Array:
        return pa.array([None if row is None else [{"t": t} for t in row] for row in rows], kind)

    cut = data.draw(st.integers(0, len(items)))
    asked = digest(pa.chunked_array([wrap(items)], kind))
    assert digest(pa.chunked_array([wrap(items[:cut]), wrap(items[cut:])], kind)) == asked
    other = data.draw(st.permutations(items))
    assert (digest(pa.chunked_array([wrap(other)], kind)) == asked) == (other == items)
