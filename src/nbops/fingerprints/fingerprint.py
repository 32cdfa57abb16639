"""`fingerprint`: any object or file → its identity by content. What counts and what doesn't is the table in
docs/fingerprints.md. Nothing heavy is imported here: an object of a library has already loaded that library."""

from __future__ import annotations

import os
import time
from typing import Any

from nbops.core.fingerprint import Column, Fingerprint
from nbops.fingerprints.body import Body
from nbops.fingerprints.streams import tagged
from nbops.fingerprints.values import PLAIN, of_value
from nbops.fingerprints.work import NotHashableHonestly, Work


def fingerprint(obj: Any, *, budget_s: float | None = None) -> Fingerprint:
    """The identity of a piece of data, by content: all rows, all columns, all types.

    Equal digests mean equal kind, schema, order and values. Memory layout, chunking, process and hash seed don't
    count; the edge cases (NaN, -0.0, string backends, categories, …) are written in docs/fingerprints.md.

    Parameters
    ----------
    obj
        A pandas DataFrame, Series, Index, array or scalar; a numpy array, masked array or scalar; a scipy sparse
        matrix; a pyarrow Table, RecordBatch, Array or ChunkedArray; a polars DataFrame or
        Series; a plain Python value; or the content of a
        file, given as ``pathlib.Path`` (any ``os.PathLike``). A str is a value, never a path.
    budget_s
        Time (in seconds) after which to give up, checked once a chunk. None: as long as it takes.

    Returns
    -------
    Fingerprint
        With `digest` ``f1:blake3:<hex>``, or None where `obj` can't be hashed honestly (an unknown type, a value
        that contains itself, the budget); `reason` then says why.

    Raises
    ------
    InputDataError
        If a file is missing or can't be read.

    Notes
    -----
    At most two threads and, above the object's own memory, 64 MB (exceptions are in docs/fingerprints.md).
    """
    deadline = None if budget_s is None else time.perf_counter() + budget_s
    work = Work(_nested_digest, deadline)
    try:
        work.check()
        if isinstance(obj, os.PathLike):
            from nbops.fingerprints.files import of_file

            body = of_file(obj, work)
        else:
            body = of_value(obj, work) if type(obj) in PLAIN else _nested(obj, work)
    except NotHashableHonestly as why:
        return Fingerprint(kind=_kind(obj), digest=None, shape=_shape(obj), reason=str(why))
    except RecursionError:
        reason = "not fingerprinted: nested too deeply"
        return Fingerprint(kind=_kind(obj), digest=None, shape=_shape(obj), reason=reason)
    columns = tuple(Column(name=p.name, dtype=p.dtype, digest=tagged(p.digest)) for p in body.parts)
    return Fingerprint(kind=body.kind, digest=tagged(body.digest), shape=body.shape, columns=columns)


def _nested_digest(value: Any, work: Work) -> bytes:
    return _body(value, work).digest


def _nested(obj: Any, work: Work) -> Body:
    with work.inside(obj):
        return _body(obj, work)


def _body(obj: Any, work: Work) -> Body:
    """By the module that the type comes from: a type's own library is the only one that it needs."""
    if type(obj) in PLAIN:
        return of_value(obj, work)
    library = type(obj).__module__.partition(".")[0]
    family = _FAMILIES.get(library)
    body: Body | None = family(obj, work) if family else None
    if body is None:
        name = f"{type(obj).__module__}.{type(obj).__qualname__}"
        raise NotHashableHonestly(f"not fingerprinted: no canonical form for the type {name!r}")
    return body


def _pandas(obj: Any, work: Work) -> Body:
    import pandas as pd

    from nbops.fingerprints import tables

    if isinstance(obj, pd.DataFrame):
        return tables.of_frame(obj, work)
    if isinstance(obj, pd.Series):
        return tables.of_series(obj, work)
    if isinstance(obj, pd.Index):
        return tables.of_index(obj, work)
    if isinstance(obj, pd.api.extensions.ExtensionArray):
        return tables.of_extension_array(obj, work)
    return tables.of_scalar(obj, work)


def _numpy(obj: Any, work: Work) -> Body | None:
    import numpy as np

    from nbops.fingerprints import arrays

    if isinstance(obj, np.ma.MaskedArray):
        return arrays.of_masked(obj, work)
    if isinstance(obj, np.ndarray):
        return arrays.of_array(obj, work)
    if isinstance(obj, np.generic):
        return arrays.of_scalar(obj, work)
    return None


def _scipy(obj: Any, work: Work) -> Body | None:
    import scipy.sparse

    from nbops.fingerprints.sparse import of_sparse

    return of_sparse(obj, work) if scipy.sparse.issparse(obj) else None


def _pyarrow(obj: Any, work: Work) -> Body | None:
    import pyarrow as pa

    from nbops.fingerprints import arrow

    try:
        if isinstance(obj, (pa.Table, pa.RecordBatch)):
            return arrow.of_table(obj, work)
        if isinstance(obj, (pa.Array, pa.ChunkedArray)):
            return arrow.of_array(obj, work)
    except pa.ArrowNotImplementedError as error:
        raise NotHashableHonestly(f"not fingerprinted: pyarrow can't take it apart: {error}") from error
    return None


def _polars(obj: Any, work: Work) -> Body | None:
    import polars as pl

    from nbops.fingerprints import polars_frames

    if isinstance(obj, pl.DataFrame):
        return polars_frames.of_frame(obj, work)
    return polars_frames.of_series(obj, work) if isinstance(obj, pl.Series) else None


_FAMILIES: dict[str, Any] = {
    "pandas": _pandas,
    "numpy": _numpy,
    "scipy": _scipy,
    "pyarrow": _pyarrow,
    "polars": _polars,
}


def _kind(obj: Any) -> str:
    return "file" if isinstance(obj, os.PathLike) else type(obj).__name__.lower()


def _shape(obj: Any) -> tuple[int, ...]:
    """Of data that has one; an attribute called `shape` may be anything."""
    if type(obj).__module__.partition(".")[0] not in _FAMILIES:
        return ()
    shape = getattr(obj, "shape", ())
    return tuple(int(n) for n in shape) if isinstance(shape, tuple) else ()
