"""`Profile`: what is kept of a table once its rows are gone.

Everything monitoring compares later (drift, missing values, new categories) comes from here; the rows are
never read again. A profile is a frozen value of JSON types and bytes. It holds data values (frequent categories,
quantiles): it belongs in the store, not in a notebook.

As an artifact it is a line of canonical JSON that says how many bytes there are of each sketch and of the hashes, and
after the line these bytes, in the order of the columns. (In format 1 they stood in the JSON, as base64: of a table of
10⁴ × 20 numbers that is 1.5 MB of text, which took longer to write than the profile to make.)
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import CorruptArtifactError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 2
NUMERIC = ("number", "integer")
CATEGORICAL = ("boolean", "string", "category")
_MOST_ATOMS = 8192
_BYTES = ("hashes", "sketch")


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """The summary of one column.

    Attributes
    ----------
    name, type : str
        `type` is number, integer, boolean, string, datetime, category or, for types we can't look into
        (lists, binary, a column of nothing but nulls), unknown: then only rows and nulls are counted.
    count, nulls, nans, infinities : int
        Rows in all, and those that are null, NaN, ±infinity. Everything below is about the other rows.
    minimum, maximum : float, int, str or None
        Of numeric columns; of datetimes as ISO text in UTC.
    mean, m2 : float or None
        Mean and sum of squared deviations from it, of numeric columns.
    distinct : int
        Different values: exact where `complete`, else an estimate (standard error 3 %).
    values : tuple of (value, count)
        All values with their counts, most frequent first, where `complete` (at most 256 are different).
        Else the frequent values of a categorical column, each undercounted by at most `undercount` rows;
        empty for other columns.
    sketch : bytes or None
        Serialised KLL sketch of a numeric column whose `values` aren't complete.
    hashes : bytes or None
        The smallest hashes seen (uint64), behind `distinct` where `values` aren't complete.
    withheld : bool
        No value may be kept of this column: rows, nulls and the number of different values are all there is.
    """

    name: str
    type: str
    count: int = 0
    nulls: int = 0
    nans: int = 0
    infinities: int = 0
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    mean: float | None = None
    m2: float | None = None
    distinct: int = 0
    values: tuple[tuple[Any, int], ...] = field(default=(), repr=False)
    complete: bool = True
    undercount: int = 0
    sketch: bytes | None = field(default=None, repr=False)
    hashes: bytes | None = field(default=None, repr=False)
    withheld: bool = False

    @property
    def present(self) -> int:
        """Rows with a finite value."""
        return self.count - self.nulls - self.nans - self.infinities

    @property
    def missing(self) -> float:
        """Share of rows that are null or NaN, 0 … 1."""
        return (self.nulls + self.nans) / self.count if self.count else 0.0

    @property
    def std(self) -> float | None:
        """Population standard deviation of a numeric column."""
        return None if self.m2 is None or not self.present else float((self.m2 / self.present) ** 0.5)

    def distribution(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The column as weighted points: sorted values and their shares, both of shape (n_points,).

        Exact where `values` are complete or the column has at most 8192 rows; else equal-weight points from
        the sketch, off by at most 0.05 % in rank (99 % confidence).

        Raises
        ------
        ValueError
            For a column that isn't numeric.
        """
        if self.type not in NUMERIC:
            raise ValueError(f"column {self.name!r} is of type {self.type!r}; only numbers have a distribution")
        return self._points

    @cached_property
    def _points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        import numpy as np

        if self.sketch is None:
            points = np.array([float(value) for value, _ in self.values], dtype=np.float64)
            counts = np.array([count for _, count in self.values], dtype=np.float64)
            order = np.argsort(points)
            points, weights = points[order], counts[order] / max(counts.sum(), 1.0)
        else:
            from nbops.profiles.quantile_sketch import QuantileSketch

            sketch = QuantileSketch.from_bytes(self.sketch)
            size = min(sketch.n, _MOST_ATOMS)
            points = sketch.quantiles((np.arange(size) + 0.5) / size)
            weights = np.full(size, 1.0 / size)
        points.flags.writeable = weights.flags.writeable = False
        return points, weights

    def quantiles(self, probabilities: Any) -> NDArray[np.float64]:
        """Values at `probabilities` (each 0 … 1); NaN for a column without values.

        Definition 7 of Hyndman & Fan (1996), numpy's default, where the profile is exact.
        """
        import numpy as np

        wanted = np.asarray(probabilities, dtype=np.float64)
        points, weights = self.distribution()
        if not len(points):
            return np.full(wanted.shape, np.nan)
        rows = self.present if self.sketch is None else len(points)
        ends = np.rint(np.cumsum(weights) * rows)  # rows up to and including each point
        position = wanted * (rows - 1)
        low = np.searchsorted(ends, np.floor(position), side="right")
        high = np.searchsorted(ends, np.ceil(position), side="right")
        part = position - np.floor(position)
        # equal neighbours must give just their value: bins are cut there
        with np.errstate(over="ignore"):
            result = np.where(part == 0, points[low], points[low] + part * (points[high] - points[low]))
        result = np.where(wanted == 0, float(self.minimum or 0), result)
        return np.where(wanted == 1, float(self.maximum or 0), result)

    def to_json(self) -> dict[str, Any]:
        """JSON types; of bytes how many there are."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["values"] = [list(pair) for pair in self.values]
        data.update({key: len(data[key]) for key in _BYTES if data[key] is not None})
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ColumnProfile:
        """Of :meth:`to_json`, the bytes put in."""
        known = {f.name for f in dataclasses.fields(cls)}
        fields = {key: value for key, value in data.items() if key in known}
        fields["values"] = tuple((value, count) for value, count in fields.get("values", ()))
        return cls(**fields)


def _withheld(column: ColumnProfile) -> ColumnProfile:
    kept = ("name", "type", "count", "nulls", "nans", "infinities", "distinct")
    return ColumnProfile(**{name: getattr(column, name) for name in kept}, complete=False, withheld=True)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A table's column summaries, in the order of its columns."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    format: int = FORMAT

    def column(self, name: str) -> ColumnProfile:
        """The summary of the column `name`; raises UnknownNameError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise UnknownNameError("profiled column", name, [c.name for c in self.columns])

    def withheld(self, withholds: Callable[[str], bool]) -> Profile:
        """The profile without any value (nor what is computed of them) of the columns that are to be withheld."""
        return dataclasses.replace(self, columns=tuple(_withheld(c) if withholds(c.name) else c for c in self.columns))

    def to_bytes(self) -> bytes:
        """The form kept as an artifact."""
        head = canonical(wire.to_json(self)).encode()
        long = [getattr(column, key) for column in self.columns for key in _BYTES]
        return b"".join([head, b"\n", *(part for part in long if part is not None)])

    @classmethod
    def from_bytes(cls, content: bytes) -> Profile:
        """The inverse of :meth:`to_bytes`.

        Raises
        ------
        CorruptArtifactError
            If `content` is no profile, or one of a newer format.
        """
        try:
            head, _, rest = content.partition(b"\n")
            data = parse(head.decode())
            if data["format"] > FORMAT:
                raise CorruptArtifactError(
                    f"this profile has format {data['format']!r}, this nbops reads up to {FORMAT}; upgrade nbops"
                )
            columns = _with_bytes(data["columns"], rest)
            return wire.from_json(cls, {**data, "columns": columns, "format": FORMAT})
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptArtifactError(
                f"the artifact is no profile ({error}); profile the data again, or restore it from a backup"
            ) from error


def _with_bytes(columns: list[dict[str, Any]], rest: bytes) -> list[dict[str, Any]]:
    """The columns as read, with the bytes that follow the line of JSON, or stand in it as base64 (format 1)."""
    read, place = [], 0
    for column in columns:
        filled = dict(column)
        for key in _BYTES:
            said = column.get(key)
            if isinstance(said, str):
                filled[key] = base64.b64decode(said)
            elif said is not None:
                filled[key] = rest[place : place + said]
                place += said
        read.append(filled)
    if place != len(rest):
        raise ValueError(f"{place} bytes should follow, {len(rest)} do")
    return read
