"""pandas frames, series, indexes and scalars. `attrs` and flags don't count; a subclass isn't guessed at."""

from __future__ import annotations

from typing import Any

from nbops.fingerprints.arrays import array_digest, column_digests, dtype_text, object_digest
from nbops.fingerprints.body import Body, Part, unique_names
from nbops.fingerprints.columns import column_digest, numpy_of
from nbops.fingerprints.indexes import check_class, index_digest, index_part, is_default, labels_digest
from nbops.fingerprints.streams import node
from nbops.fingerprints.values import zone_name
from nbops.fingerprints.work import NotHashableHonestly, Work

_LARGE = 1 << 17  # cells from which a second thread pays


def of_frame(frame: Any, work: Work) -> Body:
    """The fingerprint of a DataFrame: column labels, index, and each column's dtype and values, in order."""
    check_class(frame)
    rows, width = (int(n) for n in frame.shape)
    arrays = [frame.iloc[:, i].array for i in range(width)]
    names = unique_names(frame.columns.tolist())
    columns = _columns(arrays, names, work, large=rows * width >= _LARGE)
    index = index_part(frame.index, work)
    labels = labels_digest(frame.columns, work)
    digest = node("dataframe", rows, width, labels, index.digest, *(c.digest for c in columns))
    parts = (*columns,) if is_default(frame.index) else (*columns, index)
    return Body(kind="dataframe", digest=digest, shape=(rows, width), parts=parts)


def of_series(series: Any, work: Work) -> Body:
    """The fingerprint of a Series: name, index, dtype and values."""
    check_class(series)
    dtype, values = column_digest(series.array, work)
    index = index_part(series.index, work)
    name = object_digest(series.name, work)
    column = Part(name="values" if series.name is None else str(series.name), dtype=dtype, digest=values)
    parts = (column,) if is_default(series.index) else (column, index)
    digest = node("series", len(series), name, index.digest, values)
    return Body(kind="series", digest=digest, shape=(len(series),), parts=parts)


def of_index(index: Any, work: Work) -> Body:
    """The fingerprint of an Index or MultiIndex."""
    dtype, digest = index_digest(index, work)
    shape = (len(index),) if index.nlevels == 1 else (len(index), index.nlevels)
    part = Part(name="(index)", dtype=dtype, digest=digest)
    return Body(kind="index", digest=node("index itself", digest), shape=shape, parts=(part,))


def of_extension_array(array: Any, work: Work) -> Body:
    """The fingerprint of a pandas array outside a Series."""
    dtype, digest = column_digest(array, work)
    part = Part(name="values", dtype=dtype, digest=digest)
    return Body(kind="pandas array", digest=node("pandas array", digest), shape=(len(array),), parts=(part,))


def of_scalar(value: Any, work: Work) -> Body:
    """The fingerprint of pd.NA, NaT, a Timestamp, Timedelta, Period or Interval."""
    import pandas as pd

    kind = type(value).__name__
    if value is pd.NA or value is pd.NaT:
        digest = node("pandas scalar", kind)
    elif isinstance(value, pd.Timestamp):
        digest = node("pandas scalar", kind, int(value.asm8.view("i8")), value.unit, zone_name(value.tz))
    elif isinstance(value, pd.Timedelta):
        digest = node("pandas scalar", kind, int(value.asm8.view("i8")), value.unit)
    elif isinstance(value, pd.Period):
        digest = node("pandas scalar", kind, int(value.ordinal), value.freqstr)
    elif isinstance(value, pd.Interval):
        ends = [object_digest(end, work) for end in (value.left, value.right)]
        digest = node("pandas scalar", kind, value.closed, *ends)
    else:
        raise NotHashableHonestly(f"not fingerprinted: no canonical form for a {type(value).__module__}.{kind}")
    return Body(kind=kind, digest=digest)


def _columns(arrays: list[Any], names: list[str], work: Work, *, large: bool) -> list[Part]:
    """Columns that are ndarrays are read together (see `column_digests`), the others one by one."""
    plain = {i: values for i, array in enumerate(arrays) if (values := numpy_of(array)) is not None}
    numeric = [i for i in plain if plain[i].dtype.kind != "O"]
    found = {
        i: (dtype_text(plain[i].dtype), digest)
        for i, digest in zip(numeric, column_digests([plain[i] for i in numeric], work), strict=True)
    }

    def other(i: int, own: Work) -> tuple[str, bytes]:
        try:
            if i in plain:
                return dtype_text(plain[i].dtype), array_digest(plain[i], own)
            return column_digest(arrays[i], own)
        except NotHashableHonestly as error:
            raise NotHashableHonestly(f"{error} (column {names[i]!r})") from None

    rest = [i for i in range(len(arrays)) if i not in found]
    found.update(zip(rest, work.map(other, rest, large=large), strict=True))
    return [Part(name=names[i], dtype=found[i][0], digest=found[i][1]) for i in range(len(arrays))]
