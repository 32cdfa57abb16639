"""How wrong were the predictions? By task, under the names of scikit-learn's functions.

Regression: ``mean_absolute_error``, ``root_mean_squared_error``, ``r2_score`` and ``bias`` (mean of prediction
minus label). Classification: ``accuracy_score`` and, from probabilities, ``log_loss``; for two classes also
``roc_auc_score`` and ``brier_score_loss``. What isn't defined for the rows at hand (R² of one value, ROC AUC of
one class) is left out, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
