"""scikit-learn's estimators being fitted, predicting and scored; functions that fit many of them."""

from __future__ import annotations

import math
import numbers
import sys
from typing import Any

from nbops.capture.instruments.call_text import argument_text
from nbops.capture.instruments.code_swap import Swaps, plain_function
from nbops.capture.instruments.json_params import params_of
from nbops.capture.instruments.model_log import HOLD_BYTES, Facts, ModelLog, Prediction, weakly
from nbops.capture.instruments.reports import keep_report
from nbops.capture.instruments.scope_models import ScopeModels
from nbops.capture.instruments.searches import searched
from nbops.capture.instruments.tables import (
    content_key,
    frame_of,
    n_bytes,
    n_bytes_alive,
    signature_of,
    target_name,
)
from nbops.capture.instruments.watch import IGNORE, CallProbe, Current, Watch, argument, cell_line
from nbops.core.runs import Metric

FITS = ("fit", "fit_transform", "fit_predict", "partial_fit")
PREDICTIONS = ("predict", "predict_proba", "decision_function")
CROSS_VALIDATIONS = ("cross_val_score", "cross_validate")
_COPIED_BYTES = 8_000_000  # of inputs that are a view of something large
CURVES = ("learning_curve", "validation_curve", "permutation_test_score")
WHOLES = ("cross_val_predict",)


class EstimatorProbe(CallProbe):
    """A method of an estimator; of other objects that use scikit-learn's mixins it hears nothing."""

    def __init__(self, current: Current, log: ModelLog, method: str) -> None:
        super().__init__(current)
        self.log, self.method = log, method

    def before(self, watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        estimator = argument(args, kwargs, 0, "self", "estimator")
        base = sys.modules["sklearn.base"].BaseEstimator
        return self.began(watch, estimator, args, kwargs) if isinstance(estimator, base) else IGNORE

    def began(self, _watch: Watch, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return estimator, args, kwargs


class FitProbe(EstimatorProbe):
    what = "a fit"

    def began(self, watch: Watch, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        X, y = argument(args, kwargs, 1, "X"), argument(args, kwargs, 2, "y")
        line = cell_line()
        known = models(watch).before_fit(estimator, line)
        # before the call: a fit may change its input in place (copy=False)
        trained_on = None if self.method == "partial_fit" else watch.fingerprint(X).digest
        return estimator, known, X, y, trained_on, line, argument_text(watch.scope.code, 0, "X")

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        estimator, known, X, y, trained_on, line, on = seen
        predicts = hasattr(estimator, "predict")
        facts = Facts(
            params=watch.attempt("a model's parameters", lambda: params_of(estimator)) or {},
            # what predicts nothing is no model to be deployed
            signature=watch.attempt("a model's signature", lambda: signature_of(estimator, X, y)) if predicts else None,
            target=target_name(y),
            trained_on=trained_on,
            on=on,
            line=line,
        )
        models(watch).fitted(known, facts, X, y)
        if self.method == "fit_transform" and not predicts:
            facts.gave = models(watch).sampled((None,), lambda: frame_of(result), target=False)
        if hasattr(estimator, "cv_results_"):
            watch.attempt(
                "a search's results",
                lambda: searched(watch, estimator, facts, known, y, argument_text(watch.scope.code, 1, "y")),
            )

    def fail(self, token: Any) -> None:
        super().fail(token)
        seen = token[1]
        if seen is not None:  # it may have been changed half way
            known = seen[1]
            known.state += 1
            known.facts = None


class PredictProbe(EstimatorProbe):
    what = "a prediction"

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        estimator, args, kwargs = seen
        X = argument(args, kwargs, 1, "X")
        key = content_key(result)
        if key is None or X is None:
            return
        keys = [key]
        if getattr(result, "ndim", 0) == 2 and result.shape[1] == 2:
            keys.append(content_key(result[:, 1]) or key)
        known, x_digest = self.log.known(estimator), watch.fingerprint(X).digest
        size = n_bytes(X)
        held = size <= HOLD_BYTES
        if held and n_bytes_alive(X) > HOLD_BYTES:  # a view of something large, which is not to be held for it
            held = size <= _COPIED_BYTES
            X = X.copy() if held else X
        prediction = Prediction(
            known=known,
            key=id(estimator),
            state=known.state,
            x_digest=x_digest,
            inputs=(lambda: X) if held else weakly(X),
            array=weakly(result),
        )
        self.log.predicted(keys, prediction, size if held else 0)


class ScoreProbe(EstimatorProbe):
    what = "a score"

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        estimator, args, kwargs = seen
        value = number(result)
        if value is None:
            return
        X, y = argument(args, kwargs, 1, "X"), argument(args, kwargs, 2, "y")
        data = watch.fingerprint(y).digest if y is not None else None
        on = argument_text(watch.scope.code, 1, "y") if y is not None else None
        if y is not None:
            known, digests = self.log.known(estimator), (watch.fingerprint(X).digest, data)
            watch.attempt("what a score is of", lambda: models(watch).evaluated(known, X, y, digests, "score", value))
        kind = type(estimator)
        source = f"{kind.__module__}.{kind.__qualname__}.score"
        watch.metrics.append(Metric(name="score", value=value, source=source, data=data, line=cell_line(), on=on))


class ScoresProbe(CallProbe):
    """A function of ``sklearn.model_selection`` that fits many times, to score: one record for all of its fits."""

    def __init__(self, current: Current, function: str) -> None:
        super().__init__(current)
        self.function = function

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        args, kwargs = seen
        y = argument(args, kwargs, 2, "y")
        given = y is not None
        self.scored(
            watch,
            result,
            watch.fingerprint(y).digest if given else None,
            argument_text(watch.scope.code, 2, "y") if given else None,
        )

    def scored(self, watch: Watch, result: Any, data: str | None, on: str | None) -> None:
        """What it returned; `data` is the digest of the targets it was given, `on` what the cell's text calls them."""


class CrossValidationProbe(ScoresProbe):
    """The mean of each score, and the scores of the folds as a series."""

    what = "a cross-validation"

    def scored(self, watch: Watch, result: Any, data: str | None, on: str | None) -> None:
        scores = result if isinstance(result, dict) else {self.function: result}
        source, line = f"sklearn.model_selection.{self.function}", cell_line()
        for name, values in scores.items():
            if name in ("estimator", "indices", "fit_time", "score_time"):
                continue
            folds = [float(v) for v in values]
            if folds:
                mean = math.fsum(folds) / len(folds)
                watch.metrics.append(Metric(name=str(name), value=mean, source=source, data=data, line=line, on=on))
                watch.series += [
                    Metric(name=str(name), value=v, step=i, source=source, data=data, line=line)
                    for i, v in enumerate(folds)
                ]


class CurveProbe(ScoresProbe):
    """A report."""

    what = "a curve of scores"

    def scored(self, watch: Watch, result: Any, data: str | None, on: str | None) -> None:
        keep_report(watch, self.function, result, data, on)


class SubclassProbe(CallProbe):
    """``__init_subclass__``: a class of estimators is being made while the scope is open."""

    what = "a new class of estimators"

    def __init__(self, current: Current, found: Any) -> None:
        super().__init__(current)
        self.found = found

    def before(self, _watch: Watch, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        return args[0]

    def after(self, _watch: Watch, seen: Any, _result: Any) -> None:
        self.found(seen)


def models(watch: Watch) -> ScopeModels:
    found: ScopeModels = watch.models
    return found


def number(result: Any) -> float | None:
    """A metric's value as a float; None for what is no single number."""
    return float(result) if type(result) is not bool and isinstance(result, numbers.Real) else None


class Estimators:
    """Swaps the code of every class's own methods."""

    def __init__(self, current: Current, swaps: Swaps, log: ModelLog) -> None:
        self.current, self.swaps, self.log = current, swaps, log
        self._known: set[type] = set()  # classes of importable modules: `swaps` remembers their methods

    def watch_classes(self) -> None:
        """All subclasses there are now, and those to come. Called at each scope's begin."""
        base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
        if base is None:
            return
        if base not in self._known:
            for owner in base.__mro__[:-1]:
                made = vars(owner).get("__init_subclass__")
                self.swaps.watch(plain_function(made), SubclassProbe(self.current, self._watch_with_bases))
        seen: set[type] = set()
        classes = [base]
        while classes:
            cls = classes.pop()
            if cls not in self._known:
                self._watch_with_bases(cls)
                if cls.__module__ != "__main__":
                    self._known.add(cls)
            subclasses = cls.__subclasses__()
            if subclasses:
                fresh = [sub for sub in subclasses if sub not in seen]
                seen.update(fresh)
                classes += fresh

    def watch_functions(self) -> None:
        module = sys.modules.get("sklearn.model_selection")
        for name in CROSS_VALIDATIONS:
            self.swaps.watch(getattr(module, name, None), CrossValidationProbe(self.current, name))
        for name in CURVES:
            self.swaps.watch(getattr(module, name, None), CurveProbe(self.current, name))
        for name in WHOLES:
            self.swaps.watch(getattr(module, name, None), CallProbe(self.current))

    def _watch_with_bases(self, cls: type) -> None:
        """Mixins too: they come from no estimator, and bring ``score`` and ``fit_transform``."""
        for owner in cls.__mro__[:-1]:
            self._watch_class(owner)

    def _watch_class(self, cls: type) -> None:
        own = vars(cls)
        kinds: tuple[tuple[type[EstimatorProbe], tuple[str, ...]], ...] = (
            (FitProbe, FITS),
            (PredictProbe, PREDICTIONS),
            (ScoreProbe, ("score",)),
        )
        for probe, names in kinds:
            for name in names:
                if name in own:
                    self.swaps.watch(plain_function(own[name]), probe(self.current, self.log, name))
