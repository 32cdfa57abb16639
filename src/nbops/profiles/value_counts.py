"""How often does each value occur? Exact while few values are different, honest afterwards.

Up to 256 different values are all counted. Beyond that a numeric column stops counting (its sketch takes
over) and a categorical one keeps its frequent values by the mergeable Misra–Gries summary: where more
than 256 are held, the 257th largest count is taken off all of them and what has nothing left is dropped.
Each count is then too small by at most the sum of what was taken off, and that sum is kept.

References
----------
Agarwal, Cormode, Huang, Phillips, Wei, Yi: Mergeable summaries, PODS 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LIMIT = 256


class ValueCounts:
    """A mutable counter. `values` is an Arrow array without nulls, `counts` an int64 array beside it."""

    def __init__(self, *, keep_frequent: bool) -> None:
        import numpy as np

        self.keep_frequent = keep_frequent
        self.values: Any = None
        self.counts: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.complete = True
        self.undercount = 0

    def add(self, values: pa.Array, counts: NDArray[np.int64]) -> None:
        """Count values, each with its number of occurrences. A value may come up more than once."""
        import numpy as np
        import pyarrow as pa

        if not self.complete and not self.keep_frequent:
            return
        if self.values is not None:
            if values.type != self.values.type:
                both = pa.float64() if _numbers(values.type, self.values.type) else pa.large_string()
                self.retype(both)
                values = values.cast(both, safe=False)
            values = pa.concat_arrays([self.values, values])
            counts = np.concatenate([self.counts, counts])
            grouped = pa.table({"value": values, "n": counts}).group_by("value", use_threads=False)
            table = grouped.aggregate([("n", "sum")]).combine_chunks()
            values = table["value"].combine_chunks()
            counts = table["n_sum"].to_numpy()
        if len(values) > LIMIT:
            self.complete = False
            if not self.keep_frequent:
                self.give_up()
                return
            off = int(np.partition(counts, len(counts) - LIMIT - 1)[len(counts) - LIMIT - 1])
            kept = counts > off
            values, counts = values.filter(pa.array(kept)), counts[kept] - off
            self.undercount += off
        self.values, self.counts = values, counts

    def give_up(self) -> None:
        """Too many different values: hold none."""
        self.complete = False
        self.values, self.counts = None, self.counts[:0]

    def merge(self, values: pa.Array, counts: NDArray[np.int64], *, complete: bool, undercount: int) -> None:
        """Add what another counter holds."""
        self.complete = self.complete and complete
        self.undercount += undercount
        if len(values):
            self.add(values, counts)

    def retype(self, type_: pa.DataType) -> None:
        """Hold the values as another Arrow type (integers as numbers)."""
        if self.values is not None:
            self.values = self.values.cast(type_, safe=False)

    def pairs(self) -> tuple[tuple[Any, int], ...]:
        """(value, count), most frequent first, equal counts in the order of the values."""
        if self.values is None:
            return ()
        pairs = zip(self.values.to_pylist(), self.counts.tolist(), strict=True)
        return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _numbers(*types: pa.DataType) -> bool:
    import pyarrow.types as t

    return all(t.is_integer(one) or t.is_floating(one) for one in types)
