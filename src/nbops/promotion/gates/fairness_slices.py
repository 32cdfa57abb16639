"""Is any group of rows served much worse than all of them? Asked for in nbops.toml, by column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from nbops.core.models import GateResult
from nbops.metrics import known as metrics
from nbops.metrics.compute import compute
from nbops.promotion.evidence import Evidence, UnavailableError
from nbops.promotion.gates.gate import failed, gate, not_checked, passed

NAME = "fairness slices"
MOST_GROUPS = 20
FEWEST_ROWS = 30
"""A group of fewer rows is named and not judged: its error is mostly chance."""


@gate(NAME)
def fairness_slices(evidence: Evidence) -> GateResult:
    asked = evidence.wishes.gates.slices
    if not asked:
        return not_checked(
            NAME,
            "no group of rows is served much worse",
            "nbops.toml names no columns ([deployments.NAME.gates] slices = { COLUMN = 1.5 })",
        )
    name = evidence.deciding
    said = ", ".join(f"{column!r} at most {bound:g} × the error of all" for column, bound in asked.items())
    said = f"{name} of every group by {said}"
    try:
        inputs, predictions, overall = evidence.rows[0], evidence.judged_predictions, evidence.metric(name)
    except UnavailableError as error:
        return failed(NAME, said, "nothing to judge by", str(error))
    missing = [column for column in asked if column not in inputs.columns]
    many = [column for column in asked if column not in missing and inputs[column].nunique() > MOST_GROUPS]
    if missing or many:
        why = [f"the kept rows have no column {column!r}" for column in missing]
        why += [f"{c!r} has {inputs[c].nunique()} values, more than {MOST_GROUPS} groups" for c in many]
        return failed(NAME, said, "no groups", "; ".join(why))
    level = metrics.as_error(name, overall)
    judged, small, wrong = 0, [], []
    values: dict[str, Any] = {"metric": name, "overall": overall}
    for column, group, inside in _groups(evidence, list(asked)):
        where, rows = f"{column} = {group}", int(inside.sum())
        if rows < FEWEST_ROWS:
            small.append(f"{where} ({rows} rows)")
            continue
        judged += 1
        chances = predictions.probabilities[inside] if predictions.probabilities is not None else None
        value = compute(name, evidence.rows[1][inside], predictions.values[inside], chances, predictions.classes)
        values[where] = value
        if not (math.isfinite(value) and metrics.as_error(name, value) <= asked[column] * level):
            had = f"{value:.4g}" if math.isfinite(value) else "no value"
            wrong.append(f"{where}: {name} is {had} on {rows} rows, on all it is {overall:.4g}")
    left = f"; too few rows to judge: {', '.join(small)}" if small else ""
    if wrong:
        return failed(NAME, said, f"{len(wrong)} of {judged} groups", "; ".join(wrong) + left, values)
    if not judged:
        return failed(NAME, said, "no group of enough rows", left.removeprefix("; "), values)
    return passed(NAME, said, f"{judged} groups{left}", f"{judged} groups judged{left}", values)


def _groups(evidence: Evidence, columns: list[str]) -> Iterator[tuple[str, Any, Any]]:
    """(column, value, which rows: bool, shape (n_rows,)); rows without a value are a group of their own."""
    for column in columns:
        series = evidence.rows[0][column]
        for value in sorted(series.dropna().unique(), key=str):
            yield column, value, (series == value).to_numpy(dtype=bool, na_value=False)
        if series.isna().any():
            yield column, "missing", series.isna().to_numpy()
