"""numpy and scipy: every element, dtype and shape counts; strides, byte order, padding and memory maps don't."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbops.fingerprints.fingerprint import fingerprint
from nbops.fingerprints.streams import CHUNK_BYTES

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "longdouble", "complex64", "complex128", "datetime64[s]", "datetime64[ns]", "timedelta64[D]", "timedelta64[us]",
    "U3", "U4", "S3", "S4", "V3", "O",
]  # fmt: skip


def digest(value: object) -> str:
    found = fingerprint(value)
    assert found.digest is not None, found.reason
    return found.digest


def sample(dtype: str, size: int) -> np.ndarray[Any, Any]:
    numbers = np.arange(size) % 2
    if dtype == "O":
        return np.array([f"x{i}" for i in range(size)], dtype=object)
    if dtype[0] in "US":
        return np.array(["ab", "b"])[numbers].astype(dtype)
    if dtype[0] == "V":
        return numbers.astype("i4").view("u1").reshape(size, 4)[:, :3].copy().view("V3").reshape(size)
    return numbers.astype("i8").astype(dtype)


def other(dtype: str) -> Any:
    if dtype == "O":
        return 7
    if dtype[0] == "U":
        return "cc"
    if dtype[0] == "S":
        return b"cc"
    if dtype[0] == "V":
        return np.void(b"abc")
    return np.array(1 if dtype == "bool" else 3).astype("i8").astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_counts(dtype: str) -> None:
    item = np.dtype(dtype).itemsize
    border = (1 << 14) if dtype == "O" else CHUNK_BYTES // item
    size = 2 * border + 3
    base = sample(dtype, size)
    seen = {digest(base)}
    places = [0, border - 2, border, size // 2 // 2 * 2, size - 1]
    for place in places:
        changed = base.copy()
        changed[place] = other(dtype)
        seen.add(digest(changed))
    swapped = base.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    seen |= {digest(swapped), digest(base[:-1]), digest(np.append(base, base[:1]))}
    assert len(seen) == len(set(places)) + 4


def test_dtypes_never_collide() -> None:
    """Zeros have the same bytes in most dtypes."""
    digests = {dtype: digest(np.zeros(6, dtype)) for dtype in DTYPES}
    assert len(set(digests.values())) == len(DTYPES)


def test_shape_counts() -> None:
    shapes = [(12,), (3, 4), (4, 3), (12, 1), (1, 12), (2, 2, 3), (0,), (0, 3), (3, 0), ()]
    assert len({digest(np.zeros(shape)) for shape in shapes}) == len(shapes)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layout_does_not_count(dtype: str) -> None:
    base = sample(dtype, 24).reshape(2, 3, 4)
    asked = digest(base)
    padded = np.empty((4, 7, 9), dtype)
    padded[::2, 1:7:2, ::-2][:, :, :4] = base
    for same in (
        np.asfortranarray(base), np.ascontiguousarray(base.T).T, padded[::2, 1:7:2, ::-2][:, :, :4],
        base[::-1][::-1].copy(), base.astype(np.dtype(dtype).newbyteorder(">")),
    ):  # fmt: skip
        assert digest(same) == asked
    assert digest(base.T) != asked


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=5)), st.data())
def test_any_view_equals_its_copy(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    view = array[data.draw(hnp.basic_indices(array.shape, allow_ellipsis=False))]
    if isinstance(view, np.ndarray):
        assert digest(view) == digest(np.array(view, order="C"))
    assert digest(array.transpose()) == digest(np.ascontiguousarray(array.transpose()))


@given(hnp.arrays(st.sampled_from(["f8", "i2", "M8[s]", "U2", "c8", "?"]), hnp.array_shapes(max_side=5)), st.data())
def test_equal_digests_mean_equal_bytes(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    changed = array.copy()
    place = data.draw(st.integers(0, array.size - 1))
    changed.flat[place] = data.draw(hnp.from_dtype(array.dtype))
    same = [
        (np.isnan(a) & np.isnan(b)) if array.dtype.kind in "fM" and np.isnan(a) else a.tobytes() == b.tobytes()
        for a, b in zip(_parts(array), _parts(changed), strict=True)
    ]
    assert (digest(array) == digest(changed)) == all(same)


def _parts(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (
        array.ravel().view("f4" if array.dtype.kind == "c" else array.dtype)
        if array.dtype.char != "F"
        else (np.where(np.isnan(array.ravel().view("f4")), np.float32(np.nan), array.ravel().view("f4")))
    )


@pytest.mark.parametrize("width", [2, 4, 8])
def test_every_nan_is_one_and_its_place_counts(width: int) -> None:
    size = CHUNK_BYTES // width + 10
    quiet = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}[width]
    infinity = {2: 0x7C00, 4: 0x7F800000, 8: 0x7FF0000000000000}[width]
    sign = 1 << (8 * width - 1)
    seen = set()
    for place in (0, 5, size - 11, size - 10, size - 1):
        same = set()
        for bits in (quiet, quiet | 1, quiet | sign, infinity | 1, infinity | 1 | sign):
            array = np.zeros(size, f"u{width}")
            array[place] = bits
            same.add(digest(array.view(f"f{width}")))
        assert len(same) == 1
        seen |= same
    array = np.zeros(size, f"u{width}")
    array[0] = infinity
    seen |= {digest(array.view(f"f{width}")), digest(np.zeros(size, f"f{width}")), digest(-np.zeros(size, f"f{width}"))}
    assert len(seen) == 8


def test_an_array_is_not_changed_by_being_hashed() -> None:
    bits = np.array([0x7FF8000000000123, 1], "u8")
    digest(bits.view("f8"))
    assert bits.tolist() == [0x7FF8000000000123, 1]
    fixed = np.array([np.nan, 1.0])
    fixed.flags.writeable = False
    digest(fixed)


def test_padding_and_offsets_do_not_count() -> None:
    packed = np.dtype([("a", "i1"), ("b", "f8"), ("c", "U2"), ("d", "i2", (2, 3))])
    aligned = np.dtype([("a", "i1"), ("b", "f8"), ("c", "U2"), ("d", "i2", (2, 3))], align=True)
    one = np.zeros(5, packed)
    one["b"], one["c"], one["d"] = 1.5, "xy", 7
    two = np.frombuffer(b"\xaa" * (5 * aligned.itemsize), aligned).copy()
    for name in packed.names or ():
        two[name] = one[name]
    assert digest(one) == digest(two)
    noisy = np.full(4, 0xAA, dtype="u1").repeat(np.dtype("longdouble").itemsize).view("longdouble").copy()
    noisy[:] = 1
    assert digest(noisy) == digest(np.ones(4, "longdouble"))
    asked = digest(one)
    for dtype in (
        [("A", "i1"), ("b", "f8"), ("c", "U2"), ("d", "i2", (2, 3))],
        [("a", "i1"), ("b", "f8"), ("c", "U2"), ("d", "i2", (3, 2))],
        [("a", "i1"), ("b", "f8"), ("c", "U3"), ("d", "i2", (2, 3))],
    ):
        like = np.zeros(5, dtype)
        for (name, *_), source in zip(dtype, packed.names or (), strict=True):
            like[name] = one[source].reshape(like[name].shape)
        assert digest(like) != asked
    nested = np.zeros(2, [("p", [("q", "i4"), ("r", "i4")])])
    changed = nested.copy()
    changed["p"]["r"][1] = 1
    assert digest(nested) != digest(changed)
    assert [c.name for c in fingerprint(one).columns] == ["a", "b", "c", "d"]


def test_memory_maps_and_record_arrays_are_plain_arrays(tmp_path: Path) -> None:
    array = np.arange(1000.0)
    mapped = np.memmap(tmp_path / "a", "f8", "w+", shape=array.shape)
    mapped[:] = array
    assert digest(mapped) == digest(array)
    structured = np.zeros(3, [("a", "i4")])
    assert digest(structured.view(np.recarray)) == digest(structured)


def test_masked_arrays() -> None:
    values = np.arange(100_000.0).reshape(100, 1000)
    masked = np.ma.array(values, mask=values % 7 == 0)
    under = values.copy()
    under[values % 7 == 0] = -1
    asked = digest(masked)
    assert digest(np.ma.array(under, mask=masked.mask, fill_value=3)) == asked
    assert digest(np.ma.array(np.asfortranarray(under), mask=masked.mask)) == asked
    assert digest(np.ma.array(values, mask=np.zeros_like(values, bool))) == digest(np.ma.array(values))
    moved, changed = masked.copy(), masked.copy()
    moved[50, 500], changed[50, 501] = np.ma.masked, -1
    assert len({asked, digest(moved), digest(changed), digest(np.ma.array(values)), digest(values)}) == 5


def test_variable_width_strings() -> None:
    kind = np.dtypes.StringDType()
    one = np.array(["a", "bc", "é"], dtype=kind)
    assert (
        len({digest(one), digest(np.array(["ab", "c", "é"], kind)), digest(one.astype(object)), digest(one[:2])}) == 4
    )
    missing = np.dtypes.StringDType(na_object=np.nan)
    assert digest(one.astype(missing)) != digest(one)


# scipy


def matrix() -> Any:
    rng = np.random.default_rng(0)
    return scipy.sparse.random(60, 30, 0.2, "csr", rng=rng)


def test_stored_order_duplicates_and_index_width_do_not_count() -> None:
    clean = matrix()
    asked = digest(clean)
    unsorted = clean.copy()
    for row in range(unsorted.shape[0]):
        span = slice(unsorted.indptr[row], unsorted.indptr[row + 1])
        unsorted.indices[span] = unsorted.indices[span][::-1].copy()
        unsorted.data[span] = unsorted.data[span][::-1].copy()
    unsorted.has_sorted_indices = False
    before = unsorted.indices.copy()
    assert digest(unsorted) == asked
    assert (unsorted.indices == before).all(), "the user's matrix was sorted in place"
    wide = clean.copy()
    wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
    assert digest(wide) == asked
    triplets = clean.tocoo()
    shuffled = np.random.default_rng(1).permutation(triplets.nnz)
    mixed = scipy.sparse.coo_matrix(
        (triplets.data[shuffled], (triplets.row[shuffled], triplets.col[shuffled])), triplets.shape
    )
    assert digest(mixed) == digest(triplets)
    halves = scipy.sparse.csr_matrix((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    assert digest(halves) == digest(scipy.sparse.csr_matrix(np.array([[0, 3.0, 0]])))
    assert halves.nnz == 2, "the user's matrix was summed in place"


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_sparse_values_places_shape_dtype_and_format_count(form: str) -> None:
    base = matrix().asformat(form)
    dense = base.toarray()
    changed, moved = dense.copy(), dense.copy()
    row, column = np.argwhere(dense)[-1]
    changed[row, column] += 1
    moved[row, column], moved[0, np.flatnonzero(dense[0] == 0)[0]] = 0, dense[row, column]
    make = type(base)
    assert digest(make(dense)) == digest(base)
    variants = [make(changed), make(moved), make(dense[:-1]), make(dense.astype("f4")), make(np.zeros((60, 30)))]
    variants += [make(dense.reshape(30, 60)), matrix().asformat("csr" if form != "csr" else "csc")]
    digests = [digest(base), *map(digest, variants)]
    assert len(set(digests)) == len(digests)


def test_stored_zeros_count() -> None:
    stored = scipy.sparse.csr_array((np.array([0.0]), np.array([0]), np.array([0, 1])), shape=(1, 2))
    assert digest(stored) != digest(scipy.sparse.csr_array((1, 2)))


def test_a_sparse_matrix_of_many_lines_is_cut_without_loss() -> None:
    tall = scipy.sparse.eye_array(200_000, format="csr")
    seen = {digest(tall)}
    for line in (0, 32_767, 32_768, 199_999):
        changed = tall.copy()
        changed.data[line] = 2
        seen.add(digest(changed))
    assert len(seen) == 5
    full_row = scipy.sparse.csr_array(np.ones((1, 100_000)))
    assert digest(full_row) != digest(full_row * 2)


def test_explain_names_the_field() -> None:
    one = np.zeros(3, [("a", "i4"), ("b", "i4")])
    two = one.copy()
    two["b"][1] = 1
    assert fingerprint(one).explain(fingerprint(two)) == "values changed in: b"
    assert fingerprint(np.zeros(3)).explain(fingerprint(np.zeros(3, "f4"))) == "values: type float64 became float32"
    assert list(itertools.islice(fingerprint(one).shape, 1)) == [3]
