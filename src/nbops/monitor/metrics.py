"""How wrong were the predictions? By task, under the names of scikit-learn's functions.

Regression: ``mean_absolute_error``, ``root_mean_squared_error``, ``r2_score`` and ``bias`` (mean of prediction
minus label). Classification: ``accuracy_score`` and, from probabilities, ``log_loss``; for two classes also
``roc_auc_score`` and ``brier_score_loss``. What isn't defined for the rows at hand (R² of one value, ROC AUC of
one class) is left out, never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbops.core.errors import SettingsError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOSSES = {"mean_absolute_error", "root_mean_squared_error", "log_loss", "brier_score_loss"}
_SCORES = {"r2_score", "accuracy_score", "roc_auc_score"}  # larger is better, 1 is perfect
_EPSILON = 1e-15


def regression(label: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
    """Metrics of numbers.

    Parameters
    ----------
    label, prediction : arrays of float, shape (n_rows,), n_rows at least 1
    """
    import numpy as np

    error = prediction - label
    found = {
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_squared_error": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
    }
    spread = float(((label - label.mean()) ** 2).sum())
    if spread > 0:
        found["r2_score"] = 1.0 - float((error**2).sum()) / spread
    return found


def classification(
    label: Sequence[Any],
    prediction: Sequence[Any],
    probabilities: NDArray[Any] | None = None,
    classes: Sequence[Any] = (),
) -> dict[str, float]:
    """Metrics of classes.

    Parameters
    ----------
    label, prediction : sequences of classes, n_rows long, at least 1
    probabilities : array of float, shape (n_rows, n_classes), optional
    classes : sequence
        In the order of the columns of `probabilities`. The second of two is the positive one.

    Notes
    -----
    A label that is none of `classes` counts as predicted with probability 0 (clipped to 1e-15, as in
    scikit-learn's log loss).
    """
    import numpy as np

    found = {"accuracy_score": sum(a == b for a, b in zip(label, prediction, strict=True)) / len(label)}
    if probabilities is None or not len(classes):
        return found
    place = {c: i for i, c in enumerate(classes)}
    index = np.array([place.get(value, -1) for value in label])
    given = np.where(index >= 0, probabilities[np.arange(len(index)), index], 0.0)
    found["log_loss"] = float(-np.log(np.clip(given, _EPSILON, 1.0)).mean())
    if len(classes) == 2 and (index >= 0).all():
        positive = probabilities[:, 1]
        found["brier_score_loss"] = float(((positive - index) ** 2).mean())
        if 0 < index.sum() < len(index):
            from sklearn.metrics import roc_auc_score

            found["roc_auc_score"] = float(roc_auc_score(index, positive))
    return found


def as_error(metric: str, value: float) -> float:
    """A metric as an error, smaller is better, 0 is perfect: scores become 1 - score, a bias its size.

    Raises
    ------
    SettingsError
        For a metric that is none of those above.
    """
    if metric in _LOSSES:
        return value
    if metric in _SCORES:
        return 1.0 - value
    if metric == "bias":
        return abs(value)
    known = sorted({*_LOSSES, *_SCORES, "bias"})
    raise SettingsError(f"the realised metric {metric!r} is not known{suggestion(metric, known)}")


def degraded(metrics: Mapping[str, float], metric: str, reference: float, bound: float) -> str | None:
    """Is `metric`, seen as an error, more than `bound` times its reference? A sentence if so, else None.

    Parameters
    ----------
    metrics : mapping
        Realised metrics by name.
    metric : str
        The one that decides.
    reference : float
        Its value when the model was accepted.
    bound : float
        A multiple, such as 1.3.

    Raises
    ------
    SettingsError
        For a metric that is never realised here.
    """
    asked = bound * as_error(metric, reference)
    if metric not in metrics:
        return None
    seen = as_error(metric, metrics[metric])
    if not seen > asked:
        return None
    was = f"{metrics[metric]:.4g} against {reference:.4g} at acceptance"
    if metric in _SCORES:
        return f"{metric} {was}: its distance from 1 is {seen:.3g}, more than {bound:g} times {asked / bound:.3g}"
    times = f"{seen / (asked / bound):.2f} times" if asked else "infinitely"
    return f"{metric} {was}: {times} as large, more than {bound:g} times is too much"
