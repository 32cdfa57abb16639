"""How far are two stored profiles of a column apart? Figures only; what they mean is `severity`'s matter.

Raw data is never read again: all of this comes from two `ColumnProfile`s. Over the bins of `bins`: PSI, KL,
Jensen–Shannon, chi-square, largest change of a share. Over the distributions of numbers: KS, Wasserstein.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbops.monitor.bins import Bins, are_categories, bins
from nbops.profiles.profile import NUMERIC, ColumnProfile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOR = 1e-4  # the share an empty bin is taken to have, so that logarithms stay finite
_ENOUGH_EXPECTED = 5.0


def measures(reference: ColumnProfile, current: ColumnProfile) -> dict[str, float]:
    """All measures that make sense for the column.

    Returns
    -------
    dict
        `missing` always: share of null and NaN rows, current minus reference. Where bins exist: `psi`,
        `psi_expected` (of chance alone), `kl`, `js`, `chi2_p`; for categories also `share_change` and, where
        all of the reference's categories are known, `new_categories`; for numbers `ks` and `wasserstein`.
    """
    values = {"missing": current.missing - reference.missing}
    both = bins(reference, current)
    if both is None:
        return values
    p, q = both.reference_shares, both.current_shares
    values["psi"] = psi(p, q)
    values["psi_expected"] = psi_expected(len(p), reference.present, current.present)
    values["kl"] = kl(p, q)
    values["js"] = js(p, q)
    values["chi2_p"] = chi2_p(both)
    if reference.type in NUMERIC and current.type in NUMERIC:
        values["ks"] = ks(reference, current)
        values["wasserstein"] = wasserstein(reference, current)
    if are_categories(reference, current):
        values["share_change"] = float(abs(q - p).max())
        if reference.complete:
            values["new_categories"] = new_categories(reference, current)
    return values


def psi(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Population stability index of shares p (reference) and q (current), both of shape (n_bins,).

    Sum of (q - p) ln(q / p), shares below 0.0001 counted as 0.0001: Siddiqi, Credit Risk Scorecards (2006);
    it is the symmetric divergence J of Kullback & Leibler (1951) over bins. 0 for equal shares, no upper
    bound. For a normal column that moved by d standard deviations it is about d².
    """
    import numpy as np

    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    return float(((q - p) * np.log(q / p)).sum())


def psi_expected(n_bins: int, n_reference: int, n_current: int) -> float:
    """The PSI to expect where nothing has changed: (B - 1)(1/n + 1/m), Yurdakul (2018)."""
    return (n_bins - 1) * (1.0 / n_reference + 1.0 / n_current)


def kl(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Kullback–Leibler divergence of current from reference, in nats: sum of q ln(q / p), with PSI's floor.

    Kullback & Leibler (1951). The floor can bring it a little below 0; it is then 0.
    """
    import numpy as np

    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    return max(float((q * np.log(q / p)).sum()), 0.0)


def js(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Jensen–Shannon distance, base 2: 0 for equal shares, 1 where no bin is shared.

    The square root of the divergence of Lin (1991); a metric: Endres & Schindelin (2003).
    """
    import numpy as np
    from scipy.special import rel_entr

    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)).sum() / 2 / np.log(2)
    return float(min(max(bits, 0.0), 1.0) ** 0.5)


def chi2_p(both: Bins) -> float:
    """The chance of bins at least so different if nothing had changed: Pearson's test of homogeneity.

    Bins in which fewer than 5 rows would be expected on either side are pooled (Cochran 1954). Rows are
    taken to be independent; where they aren't (hours of one day) the chance is greater than this.
    """
    import numpy as np
    from scipy.special import chdtrc

    table = np.stack([both.reference, both.current])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    rare = expected.min(axis=0) < _ENOUGH_EXPECTED
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
        expected = np.column_stack([expected[:, ~rare], expected[:, rare].sum(axis=1)])
        if expected[:, -1].min() < _ENOUGH_EXPECTED and table.shape[1] > 1:
            into = int(expected[0, :-1].argmin())
            for array in (table, expected):
                array[:, into] += array[:, -1]
            table, expected = table[:, :-1], expected[:, :-1]
    if table.shape[1] < 2:
        return 1.0
    return float(chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))


def ks(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Kolmogorov–Smirnov statistic: the largest gap between the two distribution functions, 0 … 1."""
    import numpy as np

    _, f, g = _distribution_functions(reference, current)
    return float(np.abs(f - g).max())


def ks_noise(n_reference: int, n_current: int, chance: float) -> float:
    """The KS statistic that unchanged data exceeds with probability `chance` (Smirnov 1948, large samples)."""
    from scipy.special import kolmogi

    return float(kolmogi(chance) * (1.0 / n_reference + 1.0 / n_current) ** 0.5)


def wasserstein(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Wasserstein-1 distance in reference standard deviations: how far values moved, on average.

    The area between the distribution functions (Vallender 1974). A reference that never varied (or whose
    variance is beyond all numbers) makes it 0 or infinity.
    """
    import numpy as np

    points, f, g = _distribution_functions(reference, current)
    gaps = np.abs(f - g)[:-1]
    with np.errstate(over="ignore"):
        distance = float((gaps[gaps > 0] * np.diff(points)[gaps > 0]).sum())
    if not reference.std or np.isinf(reference.std):
        return 0.0 if distance == 0 else float("inf")
    return distance / reference.std


def new_categories(reference: ColumnProfile, current: ColumnProfile) -> float:
    """Share of the current present rows whose category the reference never had."""
    known = {value for value, _ in reference.values}
    if current.complete:
        new = sum(count for value, count in current.values if value not in known)
    else:  # all that isn't among the known ones, and those are undercounted
        new = current.present - sum(count + current.undercount for value, count in current.values if value in known)
    return max(new, 0) / current.present


def _distribution_functions(
    reference: ColumnProfile, current: ColumnProfile
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """All points of both, sorted, and both distribution functions there."""
    import numpy as np

    x, p = reference.distribution()
    y, q = current.distribution()
    points = np.union1d(x, y)
    f = np.concatenate([[0.0], np.cumsum(p)])[np.searchsorted(x, points, side="right")]
    g = np.concatenate([[0.0], np.cumsum(q)])[np.searchsorted(y, points, side="right")]
    return points, f, g
