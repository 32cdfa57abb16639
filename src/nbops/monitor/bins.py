"""Two profiles of a column → the same bins for both, with the rows that fall into each.

Categories, and whole numbers of few values (an hour, a weekday), are bins themselves. Other numbers are cut
at the reference's deciles, each bin closed on its left as in numpy.histogram; where a decile is repeated
because many rows share one value (a heap: zeros, say), that value becomes a bin of its own, so that leaving
it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbops.profiles.profile import CATEGORICAL, NUMERIC, ColumnProfile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = 10
FEW_VALUES = 32  # whole numbers of up to so many different values are compared as categories
_MOST_FREQUENT = 50  # categories told apart where not all of them were counted
REST = "(all others)"


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Rows per bin, each array of shape (n_bins,). `labels` are the categories, or () for cut numbers; then `edges`
    are the n_bins - 1 places where they are cut."""

    labels: tuple[Any, ...]
    edges: tuple[float, ...] = ()
    reference: NDArray[np.float64]
    current: NDArray[np.float64]

    @property
    def reference_shares(self) -> NDArray[np.float64]:
        """Shares of the reference's present rows, adding up to 1."""
        shares: NDArray[np.float64] = self.reference / self.reference.sum()
        return shares

    @property
    def current_shares(self) -> NDArray[np.float64]:
        """Shares of the current present rows, adding up to 1."""
        shares: NDArray[np.float64] = self.current / self.current.sum()
        return shares


def bins(reference: ColumnProfile, current: ColumnProfile) -> Bins | None:
    """The common bins, or None where the columns can't be compared.

    That is: without a value on either side, of types that don't go together, datetimes (they always move on),
    and text in which no value is frequent (an identifier).
    """
    if not reference.present or not current.present:
        return None
    if are_categories(reference, current):
        return _categories(reference, current)
    if reference.type in NUMERIC and current.type in NUMERIC:
        return _cut(reference, current)
    return None


def are_categories(reference: ColumnProfile, current: ColumnProfile) -> bool:
    """Are the values of both compared as categories?"""
    both = (reference, current)
    if all(column.type in CATEGORICAL for column in both):
        return True
    return all(column.type in CATEGORICAL or _few_whole_numbers(column) for column in both) and all(
        column.complete for column in both
    )


def _few_whole_numbers(column: ColumnProfile) -> bool:
    if column.type not in NUMERIC or not column.complete or column.distinct > FEW_VALUES:
        return False
    return all(float(value).is_integer() for value, _ in column.values)


def _categories(reference: ColumnProfile, current: ColumnProfile) -> Bins | None:
    import numpy as np

    before, after = dict(reference.values), dict(current.values)
    if reference.complete and current.complete:
        labels = [*before, *(value for value in after if value not in before)]
        rest = []
    else:
        enough = max(5, reference.undercount)
        labels = [value for value, count in reference.values[:_MOST_FREQUENT] if count >= enough]
        if not labels:
            return None
        rest = [REST]
    counts = []
    for column, seen in ((reference, before), (current, after)):
        rows = [float(seen.get(label, 0)) for label in labels]
        counts.append(np.array(rows + [max(column.present - sum(rows), 0.0)] * len(rest)))
    return Bins(labels=(*labels, *rest), reference=counts[0], current=counts[1])


def _cut(reference: ColumnProfile, current: ColumnProfile) -> Bins:
    import numpy as np

    deciles = reference.quantiles(np.linspace(0, 1, PARTS + 1))
    heaps = np.unique(deciles[1:][deciles[1:] == deciles[:-1]])
    with np.errstate(over="ignore"):  # beyond the largest number there is only infinity
        after = np.nextafter(heaps, np.inf)
    edges = np.unique(np.concatenate([deciles[1:-1], heaps, after]))
    counts = []
    for column in (reference, current):
        points, weights = column.distribution()
        rows = np.bincount(np.searchsorted(edges, points, side="right"), weights, len(edges) + 1)
        counts.append(np.asarray(rows * column.present, dtype=np.float64))
    return Bins(labels=(), edges=tuple(edges.tolist()), reference=counts[0], current=counts[1])
