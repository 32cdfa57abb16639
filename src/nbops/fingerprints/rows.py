"""Which rows a table has, in little space: a hash a row, of a sample that is the same sample in every table.

A row is in the sample if its hash is below a bound. So a row of one table that is also in another is in the samples of
both or of neither, and how many rows two tables share can be told from the samples alone (bottom-k sketches; Cohen and
Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). Up to `MOST` different rows the sample is everything.

A row's hash is of its values by position: names don't count, nor whether a number is held as integer or float, nor how
text is stored. It says "equal" with a chance of error of about n²/2⁶⁵ for n rows; it is no fingerprint, and proves
nothing against somebody who means to deceive.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from nbops.fingerprints.work import NotHashableHonestly

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    _Rows = tuple[Hashes, Hashes, NDArray[np.int64]]

MOST = 1 << 15
"""Different rows in a sample: at 24 bytes each, 0.8 MB."""

_CHUNK = 1 << 19  # values, between two looks at the clock
_EVERYTHING = 2**64 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSample:
    """`rows` is how many the table has. Of each different row in the sample: the hash of its inputs (all columns but
    the last, where there is a target), that of the whole row, and how often it occurs; in the order of the hashes.
    `bound`: rows whose inputs hash to at most that are in the sample."""

    rows: int
    bound: int
    inputs: Hashes
    whole: Hashes
    counts: NDArray[np.int64]

    @property
    def complete(self) -> bool:
        return self.bound == _EVERYTHING

    def to_bytes(self) -> bytes:
        import numpy as np

        head = np.array([[self.rows, self.bound, 0]], dtype="<u8")
        body = np.column_stack([self.inputs, self.whole, self.counts.astype(np.uint64)]).astype("<u8")
        sink = io.BytesIO()
        np.save(sink, np.vstack([head, body]), allow_pickle=False)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> RowSample:
        """Raises ValueError if it is none."""
        import numpy as np

        table = np.load(io.BytesIO(content), allow_pickle=False)
        if table.ndim != 2 or table.shape[1] != 3 or not len(table):
            raise ValueError(f"no sample of rows: an array of shape {table.shape}")
        body = table[1:]
        return cls(
            rows=int(table[0, 0]),
            bound=int(table[0, 1]),
            inputs=body[:, 0].astype(np.uint64),
            whole=body[:, 1].astype(np.uint64),
            counts=body[:, 2].astype(np.int64),
        )


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """`rows` of the second table that occur in the first, of which `distinct` are different. `expected` is how many
    there would be by coincidence: as if both tables were a random split of rows that repeat as often as those of the
    first do, ``(equal pairs + 1) * 2 * rows looked for / (sampled rows of the first - 1)``."""

    rows: int
    distinct: int
    expected: float

    @property
    def beyond_chance(self) -> bool:
        """Five standard deviations of a Poisson count above what is expected, and five rows more."""
        return self.distinct > self.expected + 5 * math.sqrt(self.expected) + 5


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What two tables share, as far as both samples reach: of `looked` rows of the second, those with inputs that
    occur in the first, and those that occur there whole, with the target."""

    looked: int
    inputs: Overlap
    whole: Overlap


def sample_rows(frame: pd.DataFrame | pa.RecordBatch, *, target: bool, budget_s: float | None = None) -> RowSample:
    """The sample of a table's rows.

    Parameters
    ----------
    frame : pandas.DataFrame or pyarrow.RecordBatch
        A batch has numbers only, and is taken at once.
    target : bool
        Is its last column the target?
    budget_s : float, optional
        Time after which to give up.

    Raises
    ------
    NotHashableHonestly
        If a column's values can't be hashed, or time ran out.
    """
    import numpy as np

    deadline = None if budget_s is None else time.perf_counter() + budget_s
    bound = _EVERYTHING
    none = np.empty(0, dtype=np.uint64)
    kept: _Rows = (none, none, np.empty(0, dtype=np.int64))
    for chunk in _chunks(frame):
        if deadline is not None and time.perf_counter() > deadline:
            raise NotHashableHonestly("rows not sampled: budget")
        inputs, whole = _hashes(chunk, target)
        if bound != _EVERYTHING:
            below = inputs <= np.uint64(bound)
            inputs, whole = inputs[below], whole[below]
        kept = _merged(kept, (inputs, whole, np.ones(len(inputs), dtype=np.int64)))
        if len(kept[0]) > MOST:  # sorted by the inputs' hash: cut, but not between rows of equal inputs
            bound = int(kept[0][MOST]) - 1
            inside = int(np.searchsorted(kept[0], np.uint64(bound), side="right"))
            kept = (kept[0][:inside], kept[1][:inside], kept[2][:inside])
    return RowSample(rows=len(frame), bound=bound, inputs=kept[0], whole=kept[1], counts=kept[2])


def shared(first: RowSample, second: RowSample) -> Shared:
    """How many of the second's rows are among the first's."""
    import numpy as np

    bound = np.uint64(min(first.bound, second.bound))
    mine, theirs = first.inputs <= bound, second.inputs <= bound
    counts, weights = first.counts[mine], second.counts[theirs]
    return Shared(
        looked=int(weights.sum()),
        inputs=_overlap(first.inputs[mine], counts, second.inputs[theirs], weights),
        whole=_overlap(first.whole[mine], counts, second.whole[theirs], weights),
    )


def _overlap(mine: Hashes, counts: NDArray[np.int64], theirs: Hashes, weights: NDArray[np.int64]) -> Overlap:
    import numpy as np

    different, places = np.unique(mine, return_inverse=True)
    times = np.bincount(places, weights=counts) if len(mine) else np.zeros(0)
    same = np.isin(theirs, different)
    return Overlap(
        rows=int(weights[same].sum()),
        distinct=len(np.unique(theirs[same])),
        expected=float(((times * (times - 1) / 2).sum() + 1) * 2 * weights.sum() / max(1.0, times.sum() - 1)),
    )


def _chunks(frame: pd.DataFrame | pa.RecordBatch) -> Iterator[pd.DataFrame | pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(frame, pa.RecordBatch):
        yield frame
        return
    rows = max(1, _CHUNK // max(1, frame.shape[1]))
    for start in range(0, len(frame), rows):
        yield frame.iloc[start : start + rows]


def _merged(kept: _Rows, new: _Rows) -> _Rows:
    """Different rows in order, and how often each occurs."""
    import numpy as np

    inputs, whole = np.concatenate([kept[0], new[0]]), np.concatenate([kept[1], new[1]])
    times = np.concatenate([kept[2], new[2]])
    order = np.argsort(inputs)
    ordered = inputs[order]
    if not (ordered[1:] == ordered[:-1]).any():
        return ordered, whole[order], times[order]
    order = np.lexsort((whole, inputs))  # equal inputs: the targets order them
    inputs, whole, times = inputs[order], whole[order], times[order]
    starts = np.flatnonzero(np.r_[True, (inputs[1:] != inputs[:-1]) | (whole[1:] != whole[:-1])])
    return inputs[starts], whole[starts], np.add.reduceat(times, starts)


def _hashes(chunk: pd.DataFrame | pa.RecordBatch, target: bool) -> tuple[Hashes, Hashes]:
    """(of the inputs, of the whole row), each of shape (n_rows,)."""
    import numpy as np

    width = chunk.shape[1]
    found = np.full(len(chunk), 0x9E3779B97F4A7C15, dtype=np.uint64)
    inputs = None
    for i, bits in enumerate(_columns(chunk)):
        if target and i == width - 1:
            inputs = _mixed(found)
        # each step can be undone, so rows that differ in one column never hash alike
        found ^= bits
        found *= np.uint64(0xD1342543DE82EF95)
        found ^= found >> np.uint64(32)
    whole = _mixed(found)
    return (whole if inputs is None else inputs), whole


def _columns(chunk: pd.DataFrame | pa.RecordBatch) -> Iterator[Hashes]:
    """Bits that stand for each value, column by column; of numbers that stand side by side made at once, as to ask a
    DataFrame for a column takes longer."""
    import numpy as np
    import pyarrow as pa

    if isinstance(chunk, pa.RecordBatch):
        yield from (_numbers(column.to_numpy(zero_copy_only=False)) for column in chunk.columns)
        return
    dtypes = chunk.dtypes.tolist()
    for floats, run in groupby(range(len(dtypes)), lambda i: dtypes[i] == np.float64):
        places = list(run)
        if floats:
            yield from _numbers(chunk.iloc[:, places[0] : places[-1] + 1].to_numpy().T)
        else:
            yield from (_column(chunk.iloc[:, i]) for i in places)


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the input moves every other."""
    import numpy as np

    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _column(column: pd.Series[Any]) -> Hashes:
    """Bits that stand for each value."""
    import numpy as np
    import pandas as pd

    values = column.array
    dtype = column.dtype
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or kind in "OUST":
        return _texts(column)
    if isinstance(dtype, pd.PeriodDtype):
        return np.ascontiguousarray(column.array.asi8).view(np.uint64)
    if kind in "mM" and hasattr(values, "as_unit"):  # Parquet may have changed the unit
        return np.ascontiguousarray(values.as_unit("us").asi8).view(np.uint64)
    if kind not in "biufc":
        raise NotHashableHonestly(f"rows not sampled: a column of type {dtype}")
    if kind == "c":
        parts = np.asarray(column)
        return _mixed(_numbers(parts.real.copy())) ^ _numbers(parts.imag.copy())
    if not isinstance(dtype, np.dtype):  # Int64, Float64, boolean: a missing value counts as NaN
        return _numbers(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return _numbers(np.asarray(column))


def _numbers(values: NDArray[Any]) -> Hashes:
    """Equal for equal numbers, as integers or floats; whole numbers beyond 2⁵³, which floats don't tell apart, by their
    own bits."""
    import numpy as np

    floats = values.astype(np.float64, order="C")
    if values.dtype.kind == "f":
        floats += 0.0  # -0.0 too
        missing = np.isnan(floats)
        if missing.any():
            floats[missing] = np.nan
    bits = floats.view(np.uint64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        large = np.abs(floats) >= 2.0**53
        if large.any():
            bits = np.where(large, values.view(np.uint64), bits)
    return bits


def _texts(column: pd.Series[Any]) -> Hashes:
    import numpy as np
    import pandas as pd

    try:
        found: Hashes = pd.util.hash_array(np.asarray(column, dtype=object), categorize=True)
    except TypeError as error:  # lists, dicts
        raise NotHashableHonestly(f"rows not sampled: {error}") from None
    return found
