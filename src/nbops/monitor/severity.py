"""Is it drift? Measures of two profiles → a severity a column, with the reason in plain words.

What drives the verdict, and why these (docs/drift.md has the figures):

* `psi` at the customary 0.1 / 0.25. Alone it isn't enough: a shift of 0.3 standard deviations has a PSI of
  0.09, and so has a category that doubles from 11 % to 22 %;
* so, for numbers, how far they moved (`wasserstein`, in standard deviations), and for categories the largest
  change of one category's share (`share_change`);
* `missing`: becoming missing is such a change of share too; `new_categories`: what the model never saw.

KL, Jensen–Shannon, KS and chi-square are shown. A limit counts only where chance alone would hardly have
passed it at these numbers of rows, and below a minimum of rows the answer is "unknown", never "ok".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbops.core.deployments import ColumnDrift, Severity
from nbops.core.errors import SettingsError
from nbops.monitor.bins import REST, Bins, bins
from nbops.monitor.measures import chi2_p, ks_noise, measures
from nbops.profiles.profile import NUMERIC, ColumnProfile, Profile

_ORDER = (Severity.OK, Severity.WARN, Severity.ALERT)


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """The limits, (warn, alert) each. None of the defaults was chosen by looking at data.

    Attributes
    ----------
    psi
        Siddiqi's (2006) customary bounds of "some" and "significant" change.
    shift
        Wasserstein distance in reference standard deviations, for numbers; the lower bound is Evidently's.
    share
        Change of one category's share of the rows; the upper bound is what NannyML used for L-infinity.
    missing
        Change of the share of missing rows; a column that becomes *less* missing only warns.
    new
        Share of rows in categories that the reference never had.
    min_rows
        With fewer rows on either side the severity is "unknown".
    chance
        A limit counts only if unchanged data of as many rows would come as far with less than this probability.
    alert_columns
        So many columns must be at alert for the whole to be; with fewer it is a warning.
    """

    psi: tuple[float, float] = (0.1, 0.25)
    shift: tuple[float, float] = (0.1, 0.25)
    share: tuple[float, float] = (0.05, 0.1)
    missing: tuple[float, float] = (0.05, 0.1)
    new: tuple[float, float] = (0.01, 0.05)
    min_rows: int = 100
    chance: float = 0.001
    alert_columns: int = 1

    def __post_init__(self) -> None:
        for name in ("psi", "shift", "share", "missing", "new"):
            warn, alert = getattr(self, name)
            if not 0 <= warn <= alert:
                raise SettingsError(
                    f"drift limit {name} = ({warn!r}, {alert!r}): warn must be at least 0, alert at least warn"
                )
        if not 0 < self.chance < 1 or self.min_rows < 1 or self.alert_columns < 1:
            raise SettingsError(
                f"drift chance = {self.chance!r}, min_rows = {self.min_rows!r}, "
                f"alert_columns = {self.alert_columns!r}: "
                "chance lies between 0 and 1, the others are at least 1"
            )


def compare(
    reference: Profile,
    current: Profile,
    policy: DriftPolicy | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[ColumnDrift, ...]:
    """Each of the reference's columns, or those named, against the current profile.

    Raises
    ------
    UnknownNameError
        If one of `columns` isn't in the reference.
    """
    policy = policy or DriftPolicy()
    wanted = reference.columns if columns is None else [reference.column(name) for name in columns]
    here = {column.name: column for column in current.columns}
    return tuple(
        compare_column(column, here[column.name], policy)
        if column.name in here
        else ColumnDrift(
            column=column.name,
            severity=Severity.UNKNOWN,
            values={},
            why=f"{column.name}: not in the current data",
        )
        for column in wanted
    )


def overall(columns: Iterable[ColumnDrift], policy: DriftPolicy | None = None) -> Severity:
    """The worst of the known severities; "unknown" where none is known."""
    known = [column.severity for column in columns if column.severity is not Severity.UNKNOWN]
    if not known:
        return Severity.UNKNOWN
    worst = max(known, key=_ORDER.index)
    if worst is Severity.ALERT and known.count(worst) < (policy or DriftPolicy()).alert_columns:
        return Severity.WARN
    return worst


def compare_column(reference: ColumnProfile, current: ColumnProfile, policy: DriftPolicy) -> ColumnDrift:
    """One column, judged by `policy`."""
    if reference.withheld or current.withheld:
        why = f"{reference.name}: no values are kept of it ([capture] no_values)"
        return ColumnDrift(column=reference.name, severity=Severity.UNKNOWN, values={}, why=why)
    name, values = reference.name, measures(reference, current)
    fewest = min(reference.count, current.count)
    if fewest < policy.min_rows:
        side = "reference" if reference.count == fewest else "current"
        why = f"{name}: too few {side} rows to tell ({fewest}, at least {policy.min_rows} are needed)"
        return ColumnDrift(column=name, severity=Severity.UNKNOWN, values=values, why=why)
    both = bins(reference, current)
    found = [_missing(reference, current, values, policy)]
    fewest = min(reference.present, current.present)
    if both is not None and fewest >= policy.min_rows:
        found += [_moved(reference, current, both, values, policy), _new(reference, current, values, policy)]
    worst = max((severity for severity, _ in found), key=_ORDER.index)
    reasons = [text for severity, text in found if severity is not Severity.OK]
    if reasons:
        return ColumnDrift(column=name, severity=worst, values=values, why=f"{name}: " + "; ".join(reasons))
    if both is None:
        severity, why = _not_compared(reference, current)
        return ColumnDrift(column=name, severity=severity, values=values, why=f"{name}: {why}")
    if fewest < policy.min_rows:
        why = f"{name}: too few rows with a value to tell ({fewest}, at least {policy.min_rows} are needed)"
        return ColumnDrift(column=name, severity=Severity.UNKNOWN, values=values, why=why)
    return ColumnDrift(
        column=name, severity=Severity.OK, values=values, why=f"{name}: PSI {_number(values['psi'])}, no drift"
    )


def _level(value: float, limits: tuple[float, float]) -> Severity:
    return _ORDER[sum(value >= limit for limit in limits)]


def _missing(
    reference: ColumnProfile, current: ColumnProfile, values: Mapping[str, float], policy: DriftPolicy
) -> tuple[Severity, str]:
    import numpy as np

    severity = _level(abs(values["missing"]), policy.missing)
    counts = [np.array([c.missing * c.count, c.count * (1 - c.missing)]) for c in (reference, current)]
    if chi2_p(Bins(labels=(), reference=counts[0], current=counts[1])) >= policy.chance:
        severity = Severity.OK
    if values["missing"] < 0 and severity is Severity.ALERT:
        severity = Severity.WARN
    return severity, f"missing values went from {_percent(reference.missing)} to {_percent(current.missing)}"


def _moved(
    reference: ColumnProfile, current: ColumnProfile, both: Bins, values: Mapping[str, float], policy: DriftPolicy
) -> tuple[Severity, str]:
    categories, bins_differ = "share_change" in values, values["chi2_p"] < policy.chance
    levels = [_level(values["psi"], policy.psi) if bins_differ else Severity.OK]
    said = [f"PSI {_number(values['psi'])}"]
    if categories and bins_differ:
        levels.append(_level(values["share_change"], policy.share))
    if "wasserstein" in values and values["ks"] > ks_noise(reference.present, current.present, policy.chance):
        levels.append(_level(values["wasserstein"], policy.shift))
        if levels[-1] is not Severity.OK and not categories and reference.std:
            said.append(f"values moved by {_number(values['wasserstein'])} standard deviations")
    said.append(_shares_words(both) if categories else _numbers_words(reference, current, values["wasserstein"]))
    return max(levels, key=_ORDER.index), ", ".join(said)


def _new(
    reference: ColumnProfile, current: ColumnProfile, values: Mapping[str, float], policy: DriftPolicy
) -> tuple[Severity, str]:
    """New categories, beyond those that a longer look at the reference would have shown.

    Good (1953): the share of unseen categories is about the share of those seen once, a count that
    varies by its square root: three of these are allowed for.
    """
    share = values.get("new_categories", 0.0)
    if not share or reference.type in NUMERIC:  # an unseen number lies between others: PSI and shift judge it
        return Severity.OK, ""
    from scipy.special import bdtrc

    once = 1 + sum(1 for _, count in reference.values if count == 1)
    expected = min((once + 3 * once**0.5) / reference.present, 1.0)
    rows = round(share * current.present)
    by_chance = float(bdtrc(rows - 1, current.present, expected))
    severity = _level(share, policy.new) if by_chance < policy.chance else Severity.OK
    known = {value for value, _ in reference.values}
    example = next((value for value, _ in current.values if value not in known), None)
    named = "" if example is None else f", {example!r} most often"
    return severity, f"{_percent(share)} of the rows have categories the reference never had{named}"


def _not_compared(reference: ColumnProfile, current: ColumnProfile) -> tuple[Severity, str]:
    if reference.count and not reference.present and not current.present:
        return Severity.OK, "empty before and now"
    if not reference.present or not current.present:
        return Severity.UNKNOWN, f"no values in the {'current' if reference.present else 'reference'} data"
    if reference.type == current.type == "datetime":
        return Severity.OK, "a time, which always moves on; only missing values are compared"
    if reference.type != current.type:
        return Severity.ALERT, f"was of type {reference.type}, is {current.type}"
    return Severity.OK, "nearly every value is different; only missing values are compared"


def _numbers_words(reference: ColumnProfile, current: ColumnProfile, distance: float) -> str:
    """The median, where it explains most of the distance; else where the middle half of the rows is."""
    before, after = reference.quantiles([0.25, 0.5, 0.75]), current.quantiles([0.25, 0.5, 0.75])
    if not reference.std or abs(after[1] - before[1]) >= 0.5 * distance * reference.std:
        return f"its median moved from {_number(before[1], 4)} to {_number(after[1], 4)}"
    ends = [f"{_number(low, 4)} … {_number(high, 4)}" for low, _, high in (before, after)]
    return f"its middle half went from {ends[0]} to {ends[1]}"


def _shares_words(both: Bins) -> str:
    before, after = both.reference_shares, both.current_shares
    most = int(abs(after - before).argmax())
    label = both.labels[most]
    name = label if label == REST else repr(label)
    return f"{name} went from {_percent(before[most])} to {_percent(after[most])} of the rows"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
