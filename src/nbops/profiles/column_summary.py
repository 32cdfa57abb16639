"""One column while it is being read: moments, counts of values, and a quantile sketch, all mergeable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbops.core.errors import InputDataError
from nbops.profiles import distinct
from nbops.profiles.column_type import UNKNOWN, column_type, common_type
from nbops.profiles.profile import CATEGORICAL, NUMERIC, ColumnProfile
from nbops.profiles.quantile_sketch import QuantileSketch
from nbops.profiles.value_counts import LIMIT, ValueCounts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_REPEAT_AT_MOST = 1_000_000
_LOOK_AT = 512  # rows that show whether counting all of them can come to an end
_SPREAD = 1000  # of a normal distribution the range squared is about 60 variances, of a lognormal one 1,000
_TOGETHER = 1 << 16  # numbers: half a MB, which stays in a core's cache through all that is done with them


class ColumnSummary:
    """Mutable; :meth:`profile` gives the frozen value."""

    def __init__(self, name: str, type_: str) -> None:
        import numpy as np

        self.name, self.type = name, type_
        self.count = self.nulls = self.nans = self.infinities = 0
        self.minimum: Any = None
        self.maximum: Any = None
        self.n, self.mean, self.m2 = 0, 0.0, 0.0
        self.values = ValueCounts(keep_frequent=type_ in CATEGORICAL)
        self.sketch: QuantileSketch | None = None
        self.hashes: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def add(self, array: pa.Array) -> None:
        """Take in one batch's part of the column."""
        import pyarrow as pa

        nulls = array.null_count
        kind = column_type(array.type)
        if not (kind == UNKNOWN and nulls == len(array)):  # nothing but nulls says nothing about the type
            self.widen(kind)
        self.count, self.nulls = self.count + len(array), self.nulls + nulls
        if nulls:
            array = array.drop_null()
        if not len(array):
            return
        if self.type in NUMERIC:
            self._add_numbers(array)
        elif self.type in CATEGORICAL:
            counted = array.value_counts()
            values = counted.field("values")
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            self._add_counted(_plain(values), counted.field("counts").to_numpy())
        elif self.type == "datetime":
            self._add_times(array)

    def widen(self, kind: str) -> None:
        """Go on with a type that also holds `kind`; raises InputDataError where there is none."""
        import pyarrow as pa

        if kind == self.type:
            return
        if self.type == UNKNOWN and self.nulls == self.count:
            self.type = kind
            self.values.keep_frequent = kind in CATEGORICAL
            return
        both = common_type(self.type, kind)
        if both is None:
            raise InputDataError(
                f"column {self.name!r} is {self.type} in one part of the data and {kind} in another; "
                "give it one type before it is profiled"
            )
        if both == "number" and self.type == "integer":
            self.values.retype(pa.float64())
            self.minimum, self.maximum = _float(self.minimum), _float(self.maximum)
        elif both == "string" and self.type == "category":
            self.values.retype(pa.large_string())
        self.type = both

    def _add_numbers(self, array: pa.Array) -> None:
        import numpy as np
        import pyarrow as pa

        if self.type == "number" or not pa.types.is_integer(array.type):
            array = array.cast(pa.float64(), safe=False)
        else:
            array = array.cast(pa.int64())
        x = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        if self.type == "number":
            finite = np.isfinite(x)
            if not finite.all():
                nans = int(np.isnan(x).sum())
                self.nans += nans
                x = x[finite]
                self.infinities += len(array) - nans - len(x)
                array = pa.array(x)
        if not len(x):
            return
        values = x if self.type == "number" else array.to_numpy()
        self._widen_range(values.min().item(), values.max().item())
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e154 squares are infinite, and said to be
            mean = float(x.mean())
            deviations = x - mean
            self._merge_moments(len(x), mean, float(deviations @ deviations))
        if self.values.complete and _mostly_different(values[np.newaxis])[0]:
            self._stop_counting()
        if self.values.complete:
            counted = array.value_counts()
            self._add_counted(counted.field("values"), counted.field("counts").to_numpy())
        else:
            self._add_to_sketch(x)

    def _add_counted(self, values: pa.Array, counts: NDArray[np.int64]) -> None:
        """Count values; once they are too many, begin the sketch and the hashes with all seen so far."""
        before, numbers = (self.values.values, self.values.counts), self.type in NUMERIC
        was_complete = self.values.complete
        self.values.add(values, counts)
        if self.values.complete:
            return
        if was_complete and before[0] is not None:
            self._start(*before)
        if numbers:
            self._start(values, counts)
        else:
            self.hashes = distinct.smallest(self.hashes, distinct.hashes_of(values))

    def _stop_counting(self) -> None:
        """There are too many different values."""
        if self.values.values is not None:
            self._start(self.values.values, self.values.counts)
        self.values.give_up()

    def _start(self, values: pa.Array, counts: NDArray[np.int64]) -> None:
        if self.type not in NUMERIC:
            self.hashes = distinct.smallest(self.hashes, distinct.hashes_of(values))
            return
        for part in _repeated(values.to_numpy().astype("float64"), counts):
            self._add_to_sketch(part)

    def _add_to_sketch(self, x: NDArray[np.float64]) -> None:
        import numpy as np

        self._add_ordered(np.sort(x), distinct.hashes_of_numbers(x))

    def _add_ordered(self, x: NDArray[np.float64], hashes: NDArray[np.uint64]) -> None:
        if self.sketch is None:
            self.sketch = QuantileSketch()
        self.sketch.add(x)
        self.hashes = distinct.smallest(self.hashes, hashes)

    def _add_times(self, array: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        times = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False)
        ends = pc.min_max(times.cast(pa.timestamp("us")))
        self._widen_range(*(ends[end].as_py().isoformat(timespec="microseconds") for end in ("min", "max")))
        self.n += len(array)

    def _widen_range(self, low: Any, high: Any) -> None:
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)

    def _merge_moments(self, n: int, mean: float, m2: float) -> None:
        """The pairwise update of Chan, Golub & LeVeque (1983)."""
        total = self.n + n
        if self.n:
            apart = mean - self.mean
            mean = self.mean + apart * (n / total)
            m2 += self.m2 + apart * apart * (self.n * (n / total))
        self.n, self.mean, self.m2 = total, mean, float("inf") if math.isnan(m2) else m2

    def merge(self, other: ColumnSummary) -> None:
        """Take in another part of the same column."""
        import pyarrow as pa

        if not (other.type == UNKNOWN and other.nulls == other.count):
            self.widen(other.type)
        self.count, self.nulls = self.count + other.count, self.nulls + other.nulls
        self.nans, self.infinities = self.nans + other.nans, self.infinities + other.infinities
        if other.minimum is not None:
            self._widen_range(other.minimum, other.maximum)
        if other.n and self.type in NUMERIC:
            self._merge_moments(other.n, other.mean, other.m2)
        values = other.values.values
        if other.values.complete:
            if values is not None:
                self._add_counted(values, other.values.counts)
            return
        if self.values.complete and self.values.values is not None:
            self._start(self.values.values, self.values.counts)
        if self.type in NUMERIC:
            self.values.give_up()
        else:
            self.values.merge(
                values if values is not None else pa.array([], pa.large_string()),
                other.values.counts,
                complete=False,
                undercount=other.values.undercount,
            )
        self.hashes = distinct.smallest(self.hashes, other.hashes)
        if other.sketch is not None:
            if self.sketch is None:
                self.sketch = QuantileSketch()
            self.sketch.merge(other.sketch)

    def profile(self) -> ColumnProfile:
        """The summary so far."""
        pairs, complete = self.values.pairs(), self.values.complete
        numbers = self.type in NUMERIC and self.n > 0
        return ColumnProfile(
            name=self.name,
            type=self.type,
            count=self.count,
            nulls=self.nulls,
            nans=self.nans,
            infinities=self.infinities,
            minimum=self.minimum,
            maximum=self.maximum,
            mean=self.mean if numbers else None,
            m2=self.m2 if numbers else None,
            distinct=len(pairs) if complete else distinct.estimate(self.hashes),
            values=pairs,
            complete=complete and self.type in (*NUMERIC, *CATEGORICAL),
            undercount=self.values.undercount,
            sketch=None if self.sketch is None else self.sketch.to_bytes(),
            hashes=None if complete else self.hashes.tobytes(),
        )

    @classmethod
    def resume(cls, profile: ColumnProfile) -> ColumnSummary:
        """A summary that goes on where a stored profile ended."""
        import numpy as np
        import pyarrow as pa

        self = cls(profile.name, profile.type)
        self.count, self.nulls = profile.count, profile.nulls
        self.nans, self.infinities = profile.nans, profile.infinities
        self.minimum, self.maximum = profile.minimum, profile.maximum
        self.n, self.mean, self.m2 = profile.present, profile.mean or 0.0, profile.m2 or 0.0
        if profile.values:
            values, counts = zip(*profile.values, strict=True)
            fixed = {"number": pa.float64(), "integer": pa.int64(), "string": pa.large_string()}
            self.values.values = _plain(pa.array(values, fixed.get(profile.type)))
            self.values.counts = np.array(counts, dtype=np.int64)
        self.values.complete = profile.hashes is None
        self.values.undercount = profile.undercount
        if profile.hashes is not None:
            self.hashes = np.frombuffer(profile.hashes, dtype=np.uint64)
        if profile.sketch is not None:
            self.sketch = QuantileSketch.from_bytes(profile.sketch)
        return self


def add_together(columns: Sequence[ColumnSummary], arrays: Sequence[pa.Array]) -> None:
    """Take in one batch's part of each of several columns.

    Columns of floats are looked at some at once: what each step costs beside its work would otherwise be more than
    the work on a few thousand rows."""
    import numpy as np
    import pyarrow as pa

    floats = [i for i, array in enumerate(arrays) if array.type == pa.float64() and not array.null_count]
    taken: set[int] = set()
    step = max(1, _TOGETHER // max(1, len(arrays[0]))) if floats else 1
    for start in range(0, len(floats), step):
        group = floats[start : start + step]
        block = np.stack([arrays[i].to_numpy() for i in group])
        fit = np.isfinite(block).all(axis=1) & _mostly_different(block)
        group = [i for i, ok in zip(group, fit.tolist(), strict=True) if ok]
        if group:
            taken.update(group)
            _add_block([columns[i] for i in group], block if fit.all() else block[fit])
    for i, array in enumerate(arrays):
        if i not in taken:
            columns[i].add(array)


def _mostly_different(block: NDArray[Any]) -> NDArray[np.bool_]:
    """Do the first values of each row show that there are too many different ones to be counted?"""
    import numpy as np

    if block.shape[1] <= _LOOK_AT:
        return np.zeros(len(block), dtype=bool)
    first = np.sort(block[:, :_LOOK_AT], axis=1)
    many: NDArray[np.bool_] = np.count_nonzero(first[:, 1:] != first[:, :-1], axis=1) >= LIMIT
    return many


def _add_block(columns: Sequence[ColumnSummary], block: NDArray[np.float64]) -> None:
    """The rows of `block`, of finite numbers and ours to sort, each to its column; none of them can be counted."""
    import numpy as np

    lowest, highest = block.min(axis=1).tolist(), block.max(axis=1).tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        means = block.mean(axis=1)
        deviations = block - means[:, np.newaxis]
        squares = [float(row @ row) for row in deviations]
    hashes = distinct.hashes_of_numbers(block)
    for i, (column, mean) in enumerate(zip(columns, means.tolist(), strict=True)):
        column.widen("number")
        column.count += block.shape[1]
        column._widen_range(lowest[i], highest[i])
        column._merge_moments(block.shape[1], mean, squares[i])
        if column.values.complete:
            column._stop_counting()
        column._add_ordered(_nearly_sorted(block[i], lowest[i], highest[i], squares[i]), hashes[i])


def _nearly_sorted(x: NDArray[np.float64], low: float, high: float, m2: float) -> NDArray[np.float64]:
    """A copy of `x` in order, or nearly: by 65,536 equal steps from its lowest to its highest value. That is a radix
    sort, which leaves the sketch little to sort, unless outliers crowd the rest into a few steps; both together take
    half the time of numpy's full sort, and a third where that has no vector instructions."""
    import numpy as np

    span = high - low
    if not span * span * len(x) < _SPREAD * m2:
        return np.sort(x)
    steps = ((x - low) * (65_535 / span)).astype(np.uint16)
    return x[np.argsort(steps, kind="stable")]


def _plain(values: pa.Array) -> pa.Array:
    """Values of JSON types: numbers and booleans stay, all else is text."""
    import pyarrow as pa

    t = pa.types
    if t.is_boolean(values.type):
        return values
    if t.is_integer(values.type):
        return values.cast(pa.int64(), safe=False)
    return values.cast(pa.float64() if t.is_floating(values.type) else pa.large_string(), safe=False)


def _repeated(x: NDArray[np.float64], counts: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """Each value as often as it was counted, in arrays of bounded size."""
    import numpy as np

    if int(counts.sum()) <= _REPEAT_AT_MOST:
        yield np.repeat(x, counts)
        return
    for value, count in zip(x.tolist(), counts.tolist(), strict=True):
        for start in range(0, count, _REPEAT_AT_MOST):
            yield np.full(min(_REPEAT_AT_MOST, count - start), value)


def _float(value: Any) -> Any:
    return value if value is None else float(value)
