"""numpy arrays, masked arrays and scalars: values in C order, dtype and shape; strides and byte order don't count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbops.fingerprints.body import Body, Part
from nbops.fingerprints.streams import CHUNK_BYTES, CHUNK_ROWS, Streams, node
from nbops.fingerprints.values import Items, encode
from nbops.fingerprints.work import NotHashableHonestly, Work

if TYPE_CHECKING:
    import numpy as np

_LARGE = 1 << 22  # bytes from which a second thread pays
_BUFFERED: Any = ["external_loop", "buffered", "refs_ok", "zerosize_ok"]
_STRIDED_GROUP = 16  # columns that share their rows' cache lines


def of_array(array: np.ndarray[Any, Any], work: Work) -> Body:
    """The fingerprint of an ndarray (np.memmap and np.recarray count as plain ones)."""
    import numpy as np

    kind = type(array)
    if kind not in (np.ndarray, np.memmap, np.recarray, np.matrix):
        raise NotHashableHonestly(f"not fingerprinted: {kind.__qualname__} may carry more than an array's values")
    name = "matrix" if kind is np.matrix else "ndarray"
    shape = tuple(int(n) for n in array.shape)
    # a base-class view: slices of a subclass cost more, and a matrix stays two-dimensional
    parts = _parts(array.view(np.ndarray), work)
    digest = node(name, repr(shape), *(raw for part in parts for raw in (part.name, part.dtype, part.digest)))
    return Body(kind=name, digest=digest, shape=shape, parts=parts)


def of_masked(array: np.ma.MaskedArray[Any, Any], work: Work) -> Body:
    """The fingerprint of a masked array: what lies under the mask and the fill value don't count."""
    import numpy as np

    if type(array) is not np.ma.MaskedArray:
        raise NotHashableHonestly(f"not fingerprinted: {type(array).__qualname__} may carry more than a masked array")
    if array.dtype.names:
        raise NotHashableHonestly("not fingerprinted: a masked array of a structured dtype")
    shape = tuple(int(n) for n in array.shape)
    data = np.ma.getdata(array).view(np.ndarray)
    streams = Streams()
    writer = Values(data.dtype, work, streams)
    if not np.ma.is_masked(array):
        for chunk in chunks(data):
            writer.extend(chunk)
    else:
        start = 0
        both: Any = np.nditer(
            [data, np.ma.getmaskarray(array)], flags=_BUFFERED, order="C", buffersize=_rows(data.dtype)
        )
        for chunk, hidden in both:
            writer.extend(chunk[~hidden])
            streams.put("nulls", positions(hidden, start))
            start += len(chunk)
    dtype = dtype_text(data.dtype)
    digest = node("masked array", repr(shape), streams.digest("values", dtype, int(array.size)))
    return Body(
        kind="masked array", digest=digest, shape=shape, parts=(Part(name="values", dtype=dtype, digest=digest),)
    )


def of_scalar(value: np.generic, work: Work) -> Body:
    """The fingerprint of a numpy scalar: neither its array of no dimension nor the Python number."""
    import numpy as np

    part = _parts(np.asarray(value), work)[0]
    return Body(kind=f"numpy {part.dtype}", digest=node("numpy scalar", part.digest))


def _parts(array: np.ndarray[Any, Any], work: Work) -> tuple[Part, ...]:
    if array.dtype.names:
        return tuple(
            Part(name=name, dtype=dtype_text(array.dtype[name]), digest=array_digest(array[name], work))
            for name in array.dtype.names
        )
    return (Part(name="values", dtype=dtype_text(array.dtype), digest=array_digest(array, work)),)


def array_digest(array: np.ndarray[Any, Any], work: Work) -> bytes:
    """Dtype, number of values and values, in C order; fields of a structured dtype one by one."""
    if array.dtype.names:
        fields = [(n, dtype_text(array.dtype[n]), array_digest(array[n], work)) for n in array.dtype.names]
        return node("fields", *(raw for field in fields for raw in field))
    streams = Streams()
    writer = Values(array.dtype, work, streams)
    for chunk in chunks(array):
        writer.extend(chunk)
    return streams.digest("values", dtype_text(array.dtype), int(array.size))


def column_digests(columns: Sequence[np.ndarray[Any, Any]], work: Work) -> list[bytes]:
    """`array_digest` of each of some 1-D arrays of one length.

    The columns of a row-major block lie side by side: reading them one after the other would fetch each cache
    line of the block once a column. So they are read together, a stretch of rows at a time."""
    together = [i for i, c in enumerate(columns) if _side_by_side(c)]
    apart = [i for i, c in enumerate(columns) if not _side_by_side(c)]
    groups = [[i] for i in apart] + [together[k : k + _STRIDED_GROUP] for k in range(0, len(together), _STRIDED_GROUP)]
    if work.threads > 1 and len(groups) == 1 and len(together) > 1:  # one group for each thread
        groups = [together[: len(together) // 2], together[len(together) // 2 :]]
    found: dict[int, bytes] = {}

    def task(group: list[int], own: Work) -> None:
        found.update(zip(group, _group_digests([columns[i] for i in group], own), strict=True))

    work.map(task, groups, large=sum(c.nbytes for c in columns) >= _LARGE)
    return [found[i] for i in range(len(columns))]


def _side_by_side(column: np.ndarray[Any, Any]) -> bool:
    return bool(
        column.dtype.kind in "biufcmM" and column.ndim == 1 and column.strides[0] != column.itemsize and len(column) > 1
    )


def _group_digests(group: list[np.ndarray[Any, Any]], work: Work) -> list[bytes]:
    if len(group) == 1:
        return [array_digest(group[0], work)]
    streams = [Streams() for _ in group]
    writers = [Values(c.dtype, work, s) for c, s in zip(group, streams, strict=True)]
    rows, step = len(group[0]), 1 << 15
    for start in range(0, rows, step):
        for column, writer in zip(group, writers, strict=True):
            writer.extend(column[start : start + step])
    return [s.digest("values", dtype_text(c.dtype), rows) for c, s in zip(group, streams, strict=True)]


class Values:
    """Writes chunks of 1-D arrays of one dtype into `streams`."""

    def __init__(self, dtype: np.dtype[Any], work: Work, streams: Streams) -> None:
        self._work, self._streams = work, streams
        self._items = Items(work, streams) if dtype.kind in "OT" else None
        self._order = None if self._items else dtype.newbyteorder("<")

    def extend(self, chunk: np.ndarray[Any, Any]) -> None:
        import numpy as np

        self._work.check()
        if self._items is not None:
            self._items.extend(chunk.tolist() if chunk.dtype.kind == "O" else chunk.astype(object).tolist())
            return
        if not chunk.itemsize:
            return
        chunk = np.ascontiguousarray(chunk, dtype=self._order)
        kind = chunk.dtype.kind
        if kind in "fc":
            chunk = one_nan(chunk)
        self._streams.put("data", chunk.view(np.uint8) if kind != "f" or chunk.dtype.char != "g" else _extended(chunk))


def one_nan(chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`chunk` (contiguous) with all NaN, whatever their sign and payload, as the one of numpy."""
    import numpy as np

    if not chunk.size:
        return chunk
    if chunk.dtype.char == "G":
        raise NotHashableHonestly("not fingerprinted: complex numbers of extended precision")
    real = chunk.view(chunk.real.dtype) if chunk.dtype.kind == "c" else chunk
    with np.errstate(all="ignore"):
        if not np.isnan(np.maximum.reduce(real)):  # max passes a NaN on, and makes no array of flags
            return chunk
    real = real.copy()
    real[np.isnan(real)] = np.nan
    return real


def _extended(chunk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """x86 extended precision: 10 bytes count, the rest of the item is padding that nobody has written."""
    import numpy as np

    raw = chunk.view(np.uint8).reshape(len(chunk), chunk.itemsize)
    return np.ascontiguousarray(raw[:, :10] if np.finfo(chunk.dtype).nmant == 63 else raw)


def positions(flags: np.ndarray[Any, Any], start: int) -> np.ndarray[Any, Any]:
    """Where `flags` are set, counted from `start`: the stream of null positions."""
    import numpy as np

    return (np.flatnonzero(flags) + start).astype("<i8")


def _rows(dtype: np.dtype[Any]) -> int:
    return CHUNK_ROWS if dtype.kind in "OT" else max(1, CHUNK_BYTES // max(1, dtype.itemsize))


def chunks(array: np.ndarray[Any, Any], rows: int | None = None) -> Iterator[np.ndarray[Any, Any]]:
    """The values in C order, as 1-D arrays of up to `rows`; none of them needs a copy of the whole."""
    import numpy as np

    rows = rows or _rows(array.dtype)
    if array.size == 0:
        return
    if array.ndim <= 1 or array.flags.c_contiguous:
        flat = array.reshape(-1)
        for start in range(0, len(flat), rows):
            yield flat[start : start + rows]
    else:
        yield from np.nditer(array, flags=_BUFFERED, order="C", buffersize=rows)


def dtype_text(dtype: np.dtype[Any]) -> str:
    """The dtype in words, equal only for dtypes that count as equal; byte order and padding are layout."""
    if dtype.names:
        return "{" + ", ".join(f"{name!r}: {dtype_text(dtype[name])}" for name in dtype.names) + "}"
    if dtype.subdtype is not None:
        return f"{dtype_text(dtype.subdtype[0])}{list(dtype.subdtype[1])}"
    if dtype.kind in "US":
        return dtype.str[1:]
    if dtype.kind == "T":
        missing: Any = getattr(dtype, "na_object", None)
        said = "" if not hasattr(dtype, "na_object") else f", na={missing!r}"
        return f"StringDType(coerce={getattr(dtype, 'coerce', True)}{said})"
    if dtype.char in "gG":
        import numpy as np

        return f"long {dtype.kind}{np.finfo(dtype).nmant}"
    return dtype.name


def object_digest(value: Any, work: Work) -> bytes:
    """Of one value of any kind, for headers."""
    tag, payload = encode(value, work)
    return node("one", tag, bytes(payload))
