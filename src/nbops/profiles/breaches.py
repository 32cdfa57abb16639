"""Which rows of a batch break the contract, and why? The good ones come back in the contract's types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbops.core.errors import InputDataError, suggestion
from nbops.profiles.contract import ColumnContract, Contract

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_QUOTED = 40  # characters of an offending value
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A batch, checked.

    Attributes
    ----------
    good : pyarrow.RecordBatch
        The rows that keep the contract, its columns in the contract's types; other columns as they came.
    mask : numpy array of bool, shape (n_rows,)
        True for a good row.
    reasons : tuple of str
        Why a row is bad, one sentence each, in the order of the bad rows.
    warnings : tuple of str
        What is new but allowed, a sentence a column.
    """

    good: pa.RecordBatch
    mask: NDArray[np.bool_]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def check_batch(contract: Contract, batch: pa.RecordBatch) -> Checked:
    """Sort the rows of `batch` into good and bad.

    Raises
    ------
    InputDataError
        If a required column is missing: then no row can be scored.
    """
    import numpy as np
    import pyarrow as pa

    names = batch.schema.names
    for column in contract.columns:
        if column.required and column.name not in names:
            raise InputDataError(
                f"column {column.name!r} is missing{suggestion(column.name, names)}; "
                f"the model needs {', '.join(repr(c.name) for c in contract.columns)}"
            )
    reasons: dict[int, str] = {}
    warnings = []
    arrays = dict(zip(names, batch.columns, strict=True))
    for column in contract.columns:
        if column.name not in arrays:
            continue
        arrays[column.name], breaches, unseen = _check_column(column, arrays[column.name])
        for row, reason in breaches:
            reasons.setdefault(row, f"column {column.name!r}: {reason}")
        if unseen:
            warnings.append(f"column {column.name!r}: {unseen}")
    mask = np.ones(batch.num_rows, dtype=bool)
    mask[list(reasons)] = False
    checked = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    good = checked if not reasons else checked.filter(pa.array(mask))
    return Checked(
        good=good, mask=mask, reasons=tuple(reasons[row] for row in sorted(reasons)), warnings=tuple(warnings)
    )


def _check_column(column: ColumnContract, array: pa.Array) -> tuple[pa.Array, list[tuple[int, str]], str]:
    """The column in its type (null where it can't be), (row, reason) of each breach, and a warning or ''."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # as numpy: null and NaN are both missing
    missing = np.asarray(pc.is_null(array, nan_is_null=_is_float(array)))
    cast = _cast(column, array)
    breaches: list[tuple[int, str]] = []
    unreadable = np.asarray(pc.is_null(cast)) & ~np.asarray(pc.is_null(array))
    breaches += _each(unreadable & ~missing, array, f"is no {column.type}")
    if not column.nullable:
        breaches += [(int(row), "is empty; it never was in training") for row in np.flatnonzero(missing)]
    if _is_float(cast) or pa.types.is_integer(cast.type):
        x = np.array(cast.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        if not column.infinite:
            breaches += _each(np.isinf(x), array, "is infinite; training had no such value")
        with np.errstate(invalid="ignore"):
            if column.minimum is not None:
                breaches += _each(x < column.minimum, array, f"is below the minimum of {column.minimum!r}")
            if column.maximum is not None:
                breaches += _each(x > column.maximum, array, f"is above the maximum of {column.maximum!r}")
    if column.categories is None:
        return cast, breaches, ""
    plain = cast.dictionary_decode() if pa.types.is_dictionary(cast.type) else cast
    known = pc.is_in(plain, value_set=pa.array(column.categories, plain.type))
    new = ~np.asarray(known) & np.asarray(pc.is_valid(plain))
    if column.new_categories == "reject":
        return cast, breaches + _each(new, array, "is a category that training didn't have"), ""
    rows = int(new.sum())
    unseen = f"{rows} rows have categories that training didn't have" if rows else ""
    return cast, breaches, unseen


def _each(bad: NDArray[np.bool_], array: pa.Array, what: str) -> list[tuple[int, str]]:
    """(row, "'value' is …") of every bad row."""
    import numpy as np
    import pyarrow as pa

    rows = np.flatnonzero(bad)
    if not len(rows):
        return []
    values = array.take(pa.array(rows)).to_pylist()
    return [(int(row), f"{_quoted(value)} {what}") for row, value in zip(rows, values, strict=True)]


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def _is_float(array: pa.Array) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(array.type))


def _cast(column: ColumnContract, array: pa.Array) -> pa.Array:
    """`array` in the contract's type, null where a value has no place in it."""
    import pyarrow as pa

    if pa.types.is_null(array.type):
        types = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "datetime": pa.timestamp("us")}
        array = array.cast(types.get(column.type, pa.large_string()))
    if column.type == "category":
        return _category(column, array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    caster = {"number": _number, "integer": _integer, "boolean": _boolean, "datetime": _datetime}.get(column.type)
    if caster is not None:
        return caster(array)
    if column.type == "string":
        return _text(array)
    return array  # a type we can't look into passes unchecked


def _number(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    t = pa.types
    if _is_text(array):
        import pandas as pd

        texts = pd.Series(array.to_numpy(zero_copy_only=False), dtype=object)
        return pa.array(pd.to_numeric(texts, errors="coerce").astype("float64"), from_pandas=True)
    if t.is_integer(array.type) or t.is_floating(array.type) or t.is_decimal(array.type) or t.is_boolean(array.type):
        return array.cast(pa.float64(), safe=False)
    return pa.nulls(len(array), pa.float64())


def _integer(array: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(array.type) and array.type.bit_width <= 64 and array.type != pa.uint64():
        return array.cast(pa.int64())
    x = np.array(_number(array).to_numpy(zero_copy_only=False))
    with np.errstate(invalid="ignore"):
        whole = (x == np.floor(x)) & (np.abs(x) < 2.0**63)
    return pa.array(np.where(whole, x, 0).astype(np.int64), mask=~whole)


def _boolean(array: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        return array
    if _is_text(array):
        encoded = array.dictionary_encode()
        words = pa.array([_WORDS.get(text.strip().lower()) for text in encoded.dictionary.to_pylist()], pa.bool_())
        return words.take(encoded.indices)
    x = np.array(_number(array).to_numpy(zero_copy_only=False))
    return pa.array(x == 1, mask=~((x == 0) | (x == 1)))


def _datetime(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    t = pa.types
    if t.is_timestamp(array.type):
        return array
    if t.is_date(array.type):
        return array.cast(pa.timestamp("us"))
    if _is_text(array):
        import pandas as pd

        texts = pd.Series(array.to_numpy(zero_copy_only=False), dtype=object)
        times = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
        return pa.array(times.astype("datetime64[us]"), from_pandas=True)
    return pa.nulls(len(array), pa.timestamp("us"))


def _text(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    try:
        return array.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(array), pa.large_string())


def _category(column: ColumnContract, array: pa.Array) -> pa.Array:
    """Dictionary-encoded (a pandas category), with values of the type training had."""
    import pyarrow as pa

    values = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    if column.categories:
        kinds = {bool: _boolean, int: _integer, float: _number}
        values = kinds.get(type(column.categories[0]), _text)(values)
    return values.dictionary_encode()


def _is_text(array: pa.Array) -> bool:
    import pyarrow as pa

    t = pa.types
    return bool(t.is_string(array.type) or t.is_large_string(array.type) or t.is_string_view(array.type))
