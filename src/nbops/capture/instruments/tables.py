"""What an estimator is given, as a table: column names as scikit-learn has them, types in words."""

from __future__ import annotations

import sys
from typing import Any

from nbops.core.models import Field, Signature
from nbops.core.wire import to_json
from nbops.profiles.profiler import PART_CELLS, columns_of, parts

_MOST_COLUMNS = 5000
_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "M": "datetime", "O": "string", "U": "string"}


def is_sparse(value: Any) -> bool:
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))


def n_bytes(value: Any) -> int:
    """Roughly how much memory a table, array or list takes, without looking at each value."""
    if is_sparse(value):
        return int(getattr(value, "data", value).nbytes) * 2
    for name in ("memory_usage", "nbytes"):
        size = getattr(value, name, None)
        if size is not None:
            used = size() if callable(size) else size
            return int(used.sum() if hasattr(used, "sum") else used)
    return 64 * len(value) if hasattr(value, "__len__") else 0


def n_bytes_alive(value: Any) -> int:
    """How much memory a reference to a table or array keeps from being given back: all of what it is a view of."""
    arrays = getattr(getattr(value, "_mgr", None), "arrays", None) or [value]
    roots = {id(root): n_bytes(root) for root in map(_root, arrays)}
    return sum(roots.values())


def _root(array: Any) -> Any:
    while hasattr(getattr(array, "base", None), "nbytes"):
        array = array.base
    return array


def frame_of(X: Any) -> Any:
    """`X` as a DataFrame with text as column names; None for what is no table of plain columns (sparse, images).

    An array's columns are called x0, x1, … as scikit-learn calls them; a list of texts or a Series is one column."""
    import numpy as np
    import pandas as pd

    if X is None or is_sparse(X):
        return None
    if isinstance(X, pd.DataFrame):
        frame = X.copy(deep=False)
        frame.columns = [str(name) for name in X.columns]
        return frame.reset_index(drop=True) if frame.columns.is_unique else None
    if isinstance(X, pd.Series):
        return X.reset_index(drop=True).to_frame(str(X.name) if X.name is not None else "x0")
    if hasattr(X, "to_pandas"):  # Arrow, polars
        return frame_of(X.to_pandas())
    array = np.asarray(X)
    if array.dtype.names or array.ndim not in (1, 2):
        return None
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.shape[1] > _MOST_COLUMNS:
        return None
    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])], copy=False)


def column_of(y: Any, name: str) -> Any:
    """`y` as a Series called `name`; None if it has several columns."""
    import numpy as np
    import pandas as pd

    if isinstance(y, pd.DataFrame):
        y = y.iloc[:, 0] if y.shape[1] == 1 else None
    if y is None or is_sparse(y):
        return None
    if isinstance(y, pd.Series):
        return y.reset_index(drop=True).rename(name)
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return pd.Series(array, name=name, copy=False) if array.ndim == 1 else None


def target_name(y: Any, taken: Any = ()) -> str:
    """What the target is called: its own name where it has one, else "target"; never a name that is `taken`."""
    name = getattr(y, "name", None)
    if name is None and getattr(y, "columns", None) is not None and len(y.columns) == 1:
        name = y.columns[0]
    text = name if isinstance(name, str) and name else "target"
    while text in taken:
        text += "_"
    return text


def with_target(X: Any, y: Any, name: str | None = None) -> Any:
    """The rows of `X` with `y` as the last column; None where there is no such table."""
    frame = frame_of(X)
    if frame is None:
        return None
    taken = frame.columns.tolist()  # an Index would be searched by way of a table made first
    column = column_of(y, name if name and name not in taken else target_name(y, taken))
    if column is None or len(column) != len(frame):
        return None
    return frame.assign(**{column.name: column})


def batch_of(X: Any, y: Any, name: str | None = None) -> Any:
    """What `with_target` gives, as an Arrow record batch; None unless `X` is a small array of floats and `y` one of
    numbers. For these it takes longer to make a DataFrame, and to take it apart again, than all that is done with them.
    """
    import numpy as np
    import pyarrow as pa

    if not _floats(X) or X.size > PART_CELLS or type(y) is not np.ndarray or y.shape != (len(X),):
        return None
    if y.dtype.kind not in "biuf" or not y.dtype.isnative:
        return None
    names = [f"x{i}" for i in range(X.shape[1])]
    target = name if name and name not in names else target_name(y, names)
    return pa.RecordBatch.from_arrays([*columns_of(X), pa.array(y, from_pandas=True)], names=[*names, target])


def _floats(X: Any) -> bool:
    import numpy as np

    return type(X) is np.ndarray and X.dtype == np.float64 and X.ndim == 2 and 0 < X.shape[1] <= _MOST_COLUMNS


def content_key(values: Any) -> str | None:
    """A digest of the values of a prediction, whatever holds them (array, Series, list); None for other things."""
    import numpy as np
    from blake3 import blake3

    array = np.asarray(values)
    if array.dtype.hasobject:
        array = np.asarray(values, dtype=str)
    if array.ndim not in (1, 2):
        return None
    return blake3(np.ascontiguousarray(array).data.cast("B") if array.size else b"").hexdigest() + repr(
        (array.shape, array.dtype.str)
    )


def signature_of(estimator: Any, X: Any, y: Any) -> dict[str, Any] | None:
    """The :class:`Signature` of an estimator fitted on `X` and `y`, as JSON; None if `X` is no table.

    An input is nullable if it had missing values at the fit. The classes are values of the data, and the signature goes
    into the notebook: they stay in the model's file."""
    inputs = _inputs(X)
    if inputs is None:
        return None
    classes = getattr(estimator, "classes_", None)
    column = column_of(y, target_name(y)) if y is not None else None
    output = Field(name=target_name(y), type="number" if column is None else type_of(column), nullable=False)
    task = "classification" if classes is not None else "regression"
    return dict(to_json(Signature(inputs=inputs, output=output, task=task)))


def _inputs(X: Any) -> tuple[Field, ...] | None:
    import numpy as np

    if is_sparse(X):
        kind = _KINDS.get(X.dtype.kind, "number")
        places = range(X.shape[1]) if X.shape[1] <= _MOST_COLUMNS else None
        return None if places is None else tuple(Field(name=f"x{i}", type=kind, nullable=False) for i in places)
    if _floats(X):
        step = max(1, PART_CELLS // X.shape[1])  # nearly every array: without the DataFrame that it could be
        gaps = np.zeros(X.shape[1], dtype=bool)
        for start in range(0, len(X), step):
            gaps |= np.isnan(X[start : start + step]).any(axis=0)
        return tuple(Field(name=f"x{i}", type="number", nullable=flag) for i, flag in enumerate(gaps.tolist()))
    frame = frame_of(X)
    if frame is None:
        return None
    # one pass: column by column it takes milliseconds
    missing = [any(found) for found in zip(*(part.isna().any() for part in parts(frame)), strict=True)]
    return tuple(
        Field(name=name, type=type_of(column), nullable=nullable)
        for (name, column), nullable in zip(frame.items(), missing, strict=True)
    )


def type_of(column: Any) -> str:
    """The type of a Series in words: number, integer, boolean, string, datetime or category."""
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype):
        return "datetime"
    kind = getattr(dtype, "kind", "O")
    if kind == "O" and len(column):
        inferred = pd.api.types.infer_dtype(column, skipna=True)
        return {"boolean": "boolean", "integer": "integer", "floating": "number", "datetime": "datetime"}.get(
            inferred, "string"
        )
    return _KINDS.get(kind, "string")
