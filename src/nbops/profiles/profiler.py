"""One pass over record batches → a `Profile`. Parts profiled apart can be merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from nbops.core.errors import InputDataError
from nbops.profiles.column_summary import ColumnSummary, add_together
from nbops.profiles.column_type import column_type
from nbops.profiles.profile import Profile

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


PART_CELLS = 1 << 18
"""Cells of a table in one part: as numbers 2 MB, so that what is made of it stays small whatever the table's size."""


class Profiler:
    """Takes in record batches of one table, in any number and size.

    Examples
    --------
    >>> import pyarrow as pa
    >>> profiler = Profiler()
    >>> profiler.add(pa.record_batch({"x": [1.0, 2.0, None]}))
    >>> profiler.profile().column("x").nulls
    1
    """

    def __init__(self) -> None:
        self.rows = 0
        self._columns: dict[str, ColumnSummary] | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch.

        Raises
        ------
        InputDataError
            If its columns aren't those of the batches before, or one has an incompatible type.
        """
        names = batch.schema.names
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise InputDataError(f"column {twice[0]!r} is there twice; rename one of them")
        if self._columns is None:
            self._columns = {f.name: ColumnSummary(f.name, column_type(f.type)) for f in batch.schema}
        self._same_columns(names)
        add_together([self._columns[name] for name in names], batch.columns)
        self.rows += batch.num_rows

    def merge(self, other: Profiler) -> None:
        """Take in another part of the same table. Raises as :meth:`add`."""
        if other._columns is None:
            return
        if self._columns is None:
            self._columns = {name: ColumnSummary(name, column.type) for name, column in other._columns.items()}
        self._same_columns(list(other._columns))
        for name, column in other._columns.items():
            self._columns[name].merge(column)
        self.rows += other.rows

    def profile(self) -> Profile:
        """What has been seen so far; more may be added afterwards."""
        columns = tuple(column.profile() for column in (self._columns or {}).values())
        return Profile(rows=self.rows, columns=columns)

    @classmethod
    def resume(cls, profile: Profile) -> Profiler:
        """A profiler that goes on where a stored profile ended."""
        self = cls()
        self.rows = profile.rows
        self._columns = {column.name: ColumnSummary.resume(column) for column in profile.columns}
        return self

    def _same_columns(self, names: list[str]) -> None:
        known = self._columns or {}
        for name in known:
            if name not in names:
                raise InputDataError(
                    f"column {name!r} is missing in a part of the data; all parts need the same columns"
                )
        for name in names:
            if name not in known:
                raise InputDataError(
                    f"column {name!r} is in one part of the data only; all parts need the same columns"
                )


def profile_batches(batches: Iterable[pa.RecordBatch]) -> Profile:
    """The profile of a table that comes in record batches; one batch is in memory at a time."""
    profiler = Profiler()
    for batch in batches:
        profiler.add(batch)
    return profiler.profile()


def profile_table(table: Any) -> Profile:
    """The profile of a whole table.

    Parameters
    ----------
    table : pandas.DataFrame, pyarrow.Table, pyarrow.RecordBatch or mapping of column name to values
        A DataFrame's index is left out; its NaN count as nulls.
    """
    if _is_frame(table):
        return profile_batches(batch for part in parts(table) for batch in _batches(to_table(part)))
    return profile_batches(_batches(to_table(table)))


def parts(table: Any) -> Iterator[Any]:
    """The rows of a DataFrame or an Arrow table in order, a part at a time, none of them copied; one without rows is
    one part."""
    height, width = table.shape
    step = max(1, PART_CELLS // max(1, width))
    for start in range(0, max(1, height), step):
        yield table.iloc[start : start + step] if _is_frame(table) else table.slice(start, step)


def to_table(table: Any) -> pa.Table:
    """`table` as an Arrow table; raises InputDataError naming a column that mixes types."""
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if _is_frame(table):
        columns = list(_arrays(table))
        return pa.Table.from_arrays(columns, names=[str(name) for name in table.columns])
    return pa.table(table)


def columns_of(values: NDArray[np.float64]) -> list[pa.Array]:
    """The columns of an array of floats, copied; NaN are nulls, as in a DataFrame."""
    import numpy as np
    import pyarrow as pa

    block = np.ascontiguousarray(values.T)
    gaps = np.logical_or.reduce(np.isnan(block), axis=1)
    return [pa.array(row, from_pandas=bool(gap)) for row, gap in zip(block, gaps, strict=True)]


def _arrays(frame: Any) -> Iterator[pa.Array]:
    """Its columns. Numbers that stand side by side are copied at once: to ask a DataFrame for a column takes as long as
    to copy thousands of values."""
    import numpy as np
    import pyarrow as pa

    dtypes = frame.dtypes.tolist()
    for floats, run in groupby(range(len(dtypes)), lambda i: dtypes[i] == np.float64):
        places = list(run)
        if floats:
            yield from columns_of(frame.iloc[:, places[0] : places[-1] + 1].to_numpy())
            continue
        for i in places:
            try:
                yield pa.Array.from_pandas(frame.iloc[:, i])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                name = str(frame.columns[i])
                raise InputDataError(f"column {name!r} mixes types ({error}); give it one type") from error


def _batches(table: pa.Table) -> list[pa.RecordBatch]:
    """A table without rows may have no batches, but it has columns."""
    import pyarrow as pa

    return table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]


def _is_frame(table: Any) -> bool:
    return hasattr(table, "columns") and hasattr(table, "items")
