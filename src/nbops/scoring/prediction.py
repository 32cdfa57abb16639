"""A model and rows → predictions. The one place that calls ``predict``, for scoring, the gates and the smoke score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.core.canonical import digest
from nbops.core.errors import ExecutionError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_SIGNIFICANT_DIGITS = 9
SMOKE_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """`values` has shape (n_rows,); `probabilities` (n_rows, n_classes), in the order of `classes`, or None."""

    values: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None
    classes: tuple[Any, ...] = ()


def predict(model: Any, rows: pd.DataFrame) -> Predictions:
    """Predict.

    Parameters
    ----------
    model : object
        A fitted estimator with ``predict`` and perhaps ``predict_proba`` and ``classes_``.
    rows : pandas.DataFrame, shape (n_rows, n_inputs)
        The inputs, in the order of the signature; at least one row.

    Raises
    ------
    ExecutionError
        If the model raises, or gives anything but one prediction a row.
    """
    import numpy as np

    # fitted without names (on an array), it must be given none; a model of another kind decides for itself
    nameless = hasattr(model, "n_features_in_") and not hasattr(model, "feature_names_in_")
    given = rows.to_numpy() if nameless else rows
    try:
        values = np.asarray(model.predict(given))
        both = hasattr(model, "predict_proba") and hasattr(model, "classes_")
        probabilities = np.asarray(model.predict_proba(given), dtype=np.float64) if both else None
    except Exception as error:
        raise ExecutionError(
            f"the model ({type(model).__name__}) failed to predict {len(rows)} rows:"
            f" {type(error).__name__}: {error}; score the rows in a notebook to find the cause"
        ) from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (len(rows),):
        raise ExecutionError(
            f"the model ({type(model).__name__}) gave predictions of shape {values.shape} for {len(rows)} rows;"
            " only models with one prediction a row can be deployed"
        )
    return Predictions(
        values=values,
        probabilities=probabilities,
        classes=tuple(np.asarray(model.classes_).tolist()) if probabilities is not None else (),
    )


def finite(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which predictions are usable: numbers that are neither NaN nor infinite, and everything that is no float."""
    import numpy as np

    return np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)


def predictions_digest(values: NDArray[Any]) -> str:
    """A digest of predictions, equal in every process that predicts the same.

    Floats count to 9 significant digits: threads may add up a forest's trees in another order.
    """
    return digest(
        [f"{v:.{_SIGNIFICANT_DIGITS}g}" if isinstance(v, float) else v for v in values.tolist()],
    )


def evaluation_digest(model: Any, rows_path: Path) -> tuple[int, str]:
    """How many kept evaluation rows `model` was given (at most 100), and the digest of what it predicts for them.
    The clean process of the smoke score computes it, and so does whoever compares.

    Parameters
    ----------
    model : object
        A fitted estimator.
    rows_path : Path
        Parquet: the inputs, then the target as the last column.

    Raises
    ------
    ExecutionError
        If the model fails, or a prediction is NaN or infinite.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(rows_path) as file:
        batch = next(file.iter_batches(batch_size=SMOKE_ROWS), None)
    if batch is None or not batch.num_rows:
        raise ExecutionError(f"{rows_path.name} has no evaluation rows; evaluate the model on some before promoting")
    values = predict(model, batch.to_pandas().iloc[:, :-1]).values
    bad = int((~finite(values)).sum())
    if bad:
        raise ExecutionError(f"{bad} of {len(values)} predictions are not finite")
    return len(values), predictions_digest(values)
