"""The functions of ``sklearn.metrics`` being called: the number, what it was computed on, whose prediction it was."""

from __future__ import annotations

import sys
import types
from typing import Any

from nbops.capture.instruments.call_text import argument_text
from nbops.capture.instruments.code_swap import Swaps
from nbops.capture.instruments.estimators import models, number
from nbops.capture.instruments.model_log import ModelLog
from nbops.capture.instruments.reports import keep_report
from nbops.capture.instruments.tables import content_key
from nbops.capture.instruments.watch import CallProbe, Current, Watch, argument, cell_line
from nbops.core.runs import Metric

_NO_METRICS = ("get_", "make_", "check_", "pairwise_", "euclidean_", "nan_euclidean_")
_FIRST = ("y_true", "labels_true", "X", "x", "y1", "a")
_SECOND = ("y_pred", "y_score", "y_proba", "y_prob", "pred_decision", "labels_pred", "labels", "y", "y2", "b")


class MetricProbe(CallProbe):
    what = "a metric"

    def __init__(self, current: Current, log: ModelLog, name: str) -> None:
        super().__init__(current)
        self.log, self.name = log, name

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        args, kwargs = seen
        value = number(result)
        y_true, y_pred = argument(args, kwargs, 0, *_FIRST), argument(args, kwargs, 1, *_SECOND)
        data = watch.fingerprint(y_true).digest
        on = argument_text(watch.scope.code, 0, *_FIRST)
        if value is None:
            keep_report(watch, self.name, result, data, on)
            return
        watch.attempt("whose prediction it was", lambda: self._judged(watch, y_true, y_pred, data, value))
        source = f"sklearn.metrics.{self.name}"
        watch.metrics.append(Metric(name=self.name, value=value, source=source, data=data, line=cell_line(), on=on))

    def _judged(self, watch: Watch, y_true: Any, y_pred: Any, data: str | None, value: float) -> None:
        """Connect the value with the model that predicted, if that is known and still the same."""
        prediction = self.log.predictor(y_pred, content_key(y_pred))
        if prediction is None:
            return
        known = prediction.known
        if prediction.state != known.state:
            watch.note(f"{self.name}: the model was fitted again after it had predicted; the model judged is not kept")
            return
        X, x_digest = prediction.inputs(), prediction.x_digest
        if x_digest is not None and known.facts is not None and known.facts.trained_on == x_digest:
            pass  # its training rows, which aren't kept: whether they are still the same doesn't matter
        elif X is None:
            watch.note(f"{self.name}: the rows predicted are gone; no evaluation rows kept")
            x_digest = None
        elif x_digest is not None and watch.fingerprint(X).digest != x_digest:
            watch.note(f"{self.name}: the rows predicted were changed after the prediction; they are not kept")
            x_digest = None
        models(watch).evaluated(known, X, y_true, (x_digest, data), self.name, value)


def watch_metrics(current: Current, swaps: Swaps, log: ModelLog) -> None:
    """Every public function of ``sklearn.metrics`` that measures."""
    module = sys.modules.get("sklearn.metrics")
    for name in getattr(module, "__all__", ()):
        function = getattr(module, name, None)
        if isinstance(function, types.FunctionType) and not name.startswith(_NO_METRICS):
            swaps.watch(function, MetricProbe(current, log, name))
