"""Metrics by name: the function, and which way is better.

The names are scikit-learn's function names; a few short ones that people write in nbops.toml stand for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nbops.core.errors import SettingsError, suggestion


@dataclass(frozen=True, kw_only=True)
class MetricKind:
    """`asks` is what the metric is computed from: "values" (predictions) or "probabilities"."""

    name: str
    greater_is_better: bool
    task: str
    asks: str = "values"
    perfect: float = 0.0


def _kinds() -> dict[str, MetricKind]:
    errors = (
        "mean_absolute_error mean_squared_error root_mean_squared_error median_absolute_error max_error"
        " mean_absolute_percentage_error mean_squared_log_error root_mean_squared_log_error mean_poisson_deviance"
        " mean_gamma_deviance mean_pinball_loss"
    )
    scores = "r2_score explained_variance_score d2_absolute_error_score"
    hits = "accuracy_score balanced_accuracy_score f1_score precision_score recall_score matthews_corrcoef"
    kinds = [MetricKind(name=n, greater_is_better=False, task="regression") for n in errors.split()]
    kinds += [MetricKind(name=n, greater_is_better=True, task="regression", perfect=1.0) for n in scores.split()]
    kinds += [MetricKind(name=n, greater_is_better=True, task="classification", perfect=1.0) for n in hits.split()]
    for name, greater in (
        ("log_loss", False),
        ("brier_score_loss", False),
        ("roc_auc_score", True),
        ("average_precision_score", True),
    ):
        kinds.append(
            MetricKind(
                name=name,
                greater_is_better=greater,
                task="classification",
                asks="probabilities",
                perfect=1.0 if greater else 0.0,
            )
        )
    return {kind.name: kind for kind in kinds}


KINDS = _kinds()

SHORT = {
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "r2": "r2_score",
    "accuracy": "accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score",
    "f1": "f1_score",
    "precision": "precision_score",
    "recall": "recall_score",
    "auc": "roc_auc_score",
    "roc_auc": "roc_auc_score",
    "average_precision": "average_precision_score",
    "brier": "brier_score_loss",
    "logloss": "log_loss",
}


def full_name(name: str) -> str:
    """scikit-learn's name for a metric; an unknown name is returned as it is."""
    bare = name.rpartition(".")[2]
    return SHORT.get(bare.lower(), bare)


def known(name: str) -> bool:
    return full_name(name) in KINDS


def kind_of(name: str) -> MetricKind:
    """What is known of a metric.

    Raises
    ------
    SettingsError
        If nothing is.
    """
    found = KINDS.get(full_name(name))
    if found is None:
        raise SettingsError(f"the metric {name!r} is not known{suggestion(name, [*KINDS, *SHORT])}")
    return found


def better(name: str, one: float, other: float, margin: float = 0.0) -> bool:
    """Is `one` better than `other` by the relative `margin`, or as good where the margin is 0? Never for a NaN."""
    if not (math.isfinite(one) and math.isfinite(other)):
        return False
    if kind_of(name).greater_is_better:
        return one >= other + margin * abs(other)
    return one <= other - margin * abs(other)


def as_error(name: str, value: float) -> float:
    """A metric as an error: smaller is better, 0 is perfect. Scores become 1 - score, a bias its size.

    Raises
    ------
    SettingsError
        If the metric is not known.
    """
    if name == "bias":
        return abs(value)
    kind = kind_of(name)
    return kind.perfect - value if kind.greater_is_better else value
