"""One pandas array of any dtype → its type in words and its digest. How values are stored (strings in Python or
Arrow, blocks, chunks, slices) doesn't count; what pandas tells apart (NaN from NA, units, zones, categories) does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbops.fingerprints.arrays import Values, array_digest, dtype_text, object_digest, positions
from nbops.fingerprints.streams import CHUNK_ROWS, Streams, node
from nbops.fingerprints.values import Items, put_strings, zone_name
from nbops.fingerprints.work import NotHashableHonestly, Work


def numpy_of(array: Any) -> Any | None:
    """The ndarray that is all of `array` (a pandas or numpy array), or None. No copy is made."""
    import numpy as np
    import pandas as pd

    if type(array) is pd.arrays.NumpyExtensionArray:  # string[python] is a subclass
        return array.to_numpy()
    return np.asarray(array) if isinstance(array.dtype, np.dtype) else None


def column_digest(array: Any, work: Work) -> tuple[str, bytes]:
    """(dtype in words, digest) of the values of a pandas or numpy array of shape (n,)."""
    import pandas as pd

    plain = numpy_of(array)
    if plain is not None:
        return dtype_text(plain.dtype), array_digest(plain, work)
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical(array, work)
    if isinstance(dtype, pd.DatetimeTZDtype):
        text = f"datetime64[{dtype.unit}, {zone_name(dtype.tz)}]"
        return text, node("zoned", text, array_digest(array.asi8, work))
    if isinstance(dtype, pd.PeriodDtype):
        return str(dtype), node("period", str(dtype), array_digest(array.asi8, work))
    if isinstance(dtype, pd.IntervalDtype):
        left, right = (column_digest(side.array, work) for side in (array.left, array.right))
        text = f"interval[{left[0]}, {dtype.closed}]"
        return text, node("interval", text, left[1], right[1])
    if isinstance(dtype, pd.StringDtype):
        return _strings(array, work)
    if isinstance(dtype, pd.ArrowDtype):
        from nbops.fingerprints.arrow import arrow_digest

        return str(dtype), node("pandas arrow", arrow_digest(array.__arrow_array__(), work))
    if isinstance(dtype, pd.SparseDtype):
        return _sparse(array, work)
    if hasattr(array, "_mask") and hasattr(dtype, "numpy_dtype"):
        return _masked(array, work)
    return _foreign(array, work)


def _slices(array: Any, rows: int = CHUNK_ROWS) -> Iterator[tuple[int, Any]]:
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def _masked(array: Any, work: Work) -> tuple[str, bytes]:
    """Int64, Float64, boolean …: NA positions, and the values that are there (a NaN among them is one)."""
    dtype = array.dtype.numpy_dtype
    streams = Streams()
    writer = Values(dtype, work, streams)
    for start, part in _slices(array):
        missing = part._mask  # NA alone: isna says NaN too where pandas is told not to tell them apart
        if missing.any():
            streams.put("nulls", positions(missing, start))
            part = part[~missing]
        writer.extend(part.to_numpy(dtype=dtype))
    return str(array.dtype), streams.digest("masked", str(array.dtype), len(array))


def _strings(array: Any, work: Work) -> tuple[str, bytes]:
    """One digest whatever the storage; the dtypes with NaN ("str") and with NA ("string") are two."""
    import pandas as pd

    text = "string" if array.dtype.na_value is pd.NA else "str"
    streams = Streams()
    if array.dtype.storage == "python":
        for start, part in _slices(array):
            work.check()
            missing = part.isna()
            streams.put("nulls", positions(missing, start))
            put_strings([str(v) for v in part[~missing]], streams)
    else:
        from nbops.fingerprints.arrow import string_streams

        string_streams(array.__arrow_array__(), work, streams)
    return text, streams.digest("strings", text, len(array))


def _categorical(array: Any, work: Work) -> tuple[str, bytes]:
    """Categories in their order, used or not, and each row's place in them."""
    import numpy as np

    of, categories = column_digest(array.categories.array, work)
    ordered = "ordered " if array.ordered else ""
    streams = Streams()
    writer = Values(np.dtype("int64"), work, streams)
    for _, part in _slices(array.codes, 2 * CHUNK_ROWS):
        writer.extend(part.astype("int64"))
    text = f"{ordered}category[{of}]"
    return text, streams.digest("categorical", text, categories, len(array))


def _sparse(array: Any, work: Work) -> tuple[str, bytes]:
    """The values that the array stands for; which of them are stored is layout."""
    import numpy as np

    dtype = array.dtype.subtype
    streams = Streams()
    writer = Values(dtype, work, streams)
    for _, part in _slices(array):
        writer.extend(np.asarray(part, dtype=dtype))
    fill = object_digest(array.dtype.fill_value, work)
    return str(array.dtype), streams.digest("sparse", str(array.dtype), fill, len(array))


def _foreign(array: Any, work: Work) -> tuple[str, bytes]:
    """An extension type of another library: its name, and its values one by one if each of them is known."""
    import numpy as np

    kind = type(array.dtype)
    streams = Streams()
    writer = Items(work, streams)
    for _, part in _slices(array):
        work.check()
        try:
            writer.extend(np.asarray(part, dtype=object).tolist())
        except NotHashableHonestly as error:
            raise NotHashableHonestly(f"{error} (extension type {array.dtype})") from None
    return str(array.dtype), streams.digest("extension", kind.__module__, kind.__qualname__, str(array.dtype))
