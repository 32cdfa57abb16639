"""polars frames and series, chunk by chunk through Arrow; how the chunks are cut doesn't count."""

from __future__ import annotations

from typing import Any

from nbops.fingerprints.arrow import Column
from nbops.fingerprints.body import Body, Part, unique_names
from nbops.fingerprints.streams import node
from nbops.fingerprints.work import NotHashableHonestly, Work

_LARGE = 1 << 22


def of_frame(frame: Any, work: Work) -> Body:
    """The fingerprint of a polars DataFrame: names, dtypes and values, in order."""
    columns = frame.get_columns()
    digests = work.map(_digest, columns, large=frame.estimated_size() >= _LARGE)
    names = [column.name for column in columns]
    parts = tuple(
        Part(name=name, dtype=str(column.dtype), digest=digest)
        for name, column, digest in zip(unique_names(list(names)), columns, digests, strict=True)
    )
    shape = (frame.height, frame.width)
    return Body(
        kind="polars dataframe", digest=node("polars dataframe", *shape, *names, *digests), shape=shape, parts=parts
    )


def of_series(series: Any, work: Work) -> Body:
    """The fingerprint of a polars Series: name, dtype and values."""
    digest = _digest(series, work)
    part = Part(name=series.name or "values", dtype=str(series.dtype), digest=digest)
    body = node("polars series", len(series), series.name, digest)
    return Body(kind="polars series", digest=body, shape=(len(series),), parts=(part,))


def _digest(series: Any, work: Work) -> bytes:
    import polars as pl

    if series.dtype == pl.Object:
        raise NotHashableHonestly(f"not fingerprinted: Python objects in a polars column ({series.name!r})")
    newest = pl.CompatLevel.newest()
    column: Column | None = None
    for chunk in series.get_chunks():  # to_arrow() of the whole would join the chunks, in a copy
        array = chunk.to_arrow(compat_level=newest)
        column = column or Column(array.type, work)
        column.extend(array)
    return node("polars", str(series.dtype), column.digest() if column else b"")
