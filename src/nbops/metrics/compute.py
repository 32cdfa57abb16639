"""A metric, by its name, of one model's predictions on rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nbops.metrics.known import kind_of


def compute(
    name: str, label: Any, prediction: Any, probabilities: Any | None = None, classes: Sequence[Any] = ()
) -> float:
    """A metric of one model on rows.

    Parameters
    ----------
    name : str
    label, prediction : arrays, shape (n_rows,)
    probabilities : array of float, shape (n_rows, n_classes), optional
    classes : sequence
        In the order of the columns of `probabilities`. The second of two is the positive one.

    Returns
    -------
    float
        NaN where the metric isn't defined for these rows (an ROC AUC of one class), or needs probabilities that the
        model doesn't give.

    Raises
    ------
    SettingsError
        If the metric is not known.
    """
    import numpy as np
    from sklearn import metrics

    kind = kind_of(name)
    function = getattr(metrics, kind.name)
    arguments: dict[str, Any] = {}
    if kind.asks == "probabilities":
        if probabilities is None:
            return math.nan
        prediction, arguments = _of_probabilities(kind.name, probabilities, classes)
        if kind.name in ("brier_score_loss", "average_precision_score") and len(classes) == 2:
            label = np.asarray(label) == classes[1]
    elif kind.name in ("f1_score", "precision_score", "recall_score"):
        found = sorted(set(np.asarray(label).tolist()) | set(np.asarray(prediction).tolist()), key=str)
        two = len(classes) == 2 or (not classes and len(found) == 2)
        arguments = {"zero_division": 0.0}
        # Two classes: of the second; more: the mean over the classes, as scikit-learn's *_macro scorers have it.
        arguments |= {"pos_label": (classes or found)[1]} if two else {"average": "macro"}
    try:
        return float(function(label, prediction, **arguments))
    except ValueError:
        return math.nan


def _of_probabilities(name: str, probabilities: Any, classes: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    if name == "log_loss":
        return probabilities, {"labels": list(classes)}
    if len(classes) == 2:
        return probabilities[:, 1], {}
    if name == "roc_auc_score":
        return probabilities, {"multi_class": "ovr", "labels": list(classes)}
    return probabilities, {}
