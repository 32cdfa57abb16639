"""statsmodels' fits: a model of theirs is fitted by ``Model.fit``, which returns results.

There is no reviewed file format for results, so none is kept as a file; the record has the formula, the measures
of the fit, and the coefficients as an artifact.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from functools import partial
from types import FrameType
from typing import Any

from nbops.capture.instruments.code_swap import Swaps, plain_function
from nbops.capture.instruments.json_params import plain
from nbops.capture.instruments.names import names_of
from nbops.capture.instruments.watch import IGNORE, CallProbe, Current, Watch, argument, cell_line
from nbops.core.canonical import canonical
from nbops.core.runs import ModelUse

RESULT_MODULES = (
    "statsmodels.api",
    "statsmodels.formula.api",
    *(
        f"statsmodels.{module}"
        for module in (
            "base.model",
            "discrete.count_model",
            "discrete.discrete_model",
            "gam.generalized_additive_model",
            "genmod.generalized_estimating_equations",
            "genmod.generalized_linear_model",
            "miscmodels.ordinal_model",
            "regression.linear_model",
            "regression.mixed_linear_model",
            "regression.quantile_regression",
            "regression.recursive_ls",
            "robust.robust_linear_model",
            "tsa.ar_model",
            "tsa.ardl.model",
            "tsa.arima.model",
            "tsa.exponential_smoothing.ets",
            "tsa.holtwinters.model",
            "tsa.regime_switching.markov_autoregression",
            "tsa.regime_switching.markov_regression",
            "tsa.statespace.dynamic_factor",
            "tsa.statespace.sarimax",
            "tsa.statespace.structural",
            "tsa.statespace.varmax",
            "tsa.vector_ar.var_model",
        )
    ),
)
"""Each defines classes of models, which a notebook may fit in the cell that imports it."""
_FITS = ("fit", "fit_regularized", "fit_constrained")
_MEASURES = ("rsquared", "rsquared_adj", "prsquared", "aic", "bic", "llf", "deviance", "mse_resid", "f_pvalue")
_MOST = 20  # results of a cell
_NOT_KEPT = "statsmodels' results have no safe file format"


@dataclasses.dataclass(kw_only=True, eq=False)
class _Fit:
    results: Any  # held until the cell's end, to know what it is called
    type: str
    trained_on: str | None
    params: dict[str, Any]
    line: int | None


class ResultsProbe(CallProbe):
    what = "a fit"

    def __init__(self, current: Current, names: tuple[str, ...]) -> None:
        super().__init__(current)
        self.names = names  # of the positional parameters: a stub passes on what was given, and the defaults

    def before(self, watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if _within_statsmodels():
            return IGNORE
        model = argument(args, kwargs, 0, "self")
        inputs = _inputs(model)
        trained_on = watch.fingerprint(inputs).digest if inputs is not None else None
        said = {"formula": getattr(model, "formula", None), "endog": getattr(model, "endog_names", None)}
        given = dict(zip(self.names, args, strict=False)) | kwargs
        settings = {k: plain(v) for k, v in given.items() if type(v) in (bool, int, float, str) and k != "self"}
        params = {k: plain(v) for k, v in said.items() if v is not None} | settings
        return model, trained_on, params, cell_line()

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        model, trained_on, params, line = seen
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        if len(watch.results) >= _MOST:
            watch.note(f"more than {_MOST} statsmodels fits; the last {_MOST} are recorded")
            watch.results.pop(0)
        watch.results.append(_Fit(results=result, type=kind, trained_on=trained_on, params=params, line=line))


def _inputs(model: Any) -> Any:
    """What a formula was applied to, else the regressors; of a model of time series, which makes some of its own, the
    series."""
    data = getattr(model, "data", None)
    series = type(model).__module__.startswith("statsmodels.tsa.")
    found = (getattr(data, name, None) for name in ("frame", "orig_endog" if series else "orig_exog"))
    return next((value for value in found if value is not None), None)


def _within_statsmodels() -> bool:
    """Is it statsmodels itself that fits: the null model of a summary, the regressions of a test?"""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("nbops."):
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None  # `frame` is the fit's own
    return caller is not None and str(caller.f_globals.get("__name__")).startswith("statsmodels.")


class Results:
    """Swaps the ``fit`` of every class of statsmodels' models."""

    def __init__(self, current: Current, swaps: Swaps) -> None:
        self.current, self.swaps = current, swaps

    def watch_classes(self) -> None:
        base = getattr(sys.modules.get("statsmodels.base.model"), "Model", None)
        classes = [base] if base is not None else []
        while classes:
            cls = classes.pop()
            classes += cls.__subclasses__()
            for name in _FITS:
                function = plain_function(vars(cls).get(name))
                if function is not None:
                    names = function.__code__.co_varnames[: function.__code__.co_argcount]
                    self.swaps.watch(function, ResultsProbe(self.current, names))

    def finish(self, watch: Watch, namespace: Mapping[str, Any]) -> tuple[ModelUse, ...]:
        """What is said of the scope's fits."""
        fits, watch.results = watch.results, []
        names = names_of({id(fit.results) for fit in fits}, namespace) if fits else {}
        uses = []
        for number, fit in enumerate(fits, 1):
            name = names.get(id(fit.results), fit.type.rpartition(".")[2])
            watch.attempt("a fit's coefficients", partial(_keep, watch, fit, name, number))
            uses.append(
                ModelUse(
                    name=name,
                    type=fit.type,
                    digest=None,
                    reason=_NOT_KEPT,
                    params=fit.params,
                    trained_on=fit.trained_on,
                    metrics=_measures(fit.results),
                )
            )
        return tuple(uses)


def _measures(results: Any) -> dict[str, float]:
    found = {}
    for name in _MEASURES:
        try:
            value = float(getattr(results, name))
        except Exception:  # noqa: BLE001 - not every result has every measure, and some fail only when they are asked for
            continue
        if math.isfinite(value):
            found[name] = value
    return found


def _keep(watch: Watch, fit: _Fit, name: str, number: int) -> None:
    results = fit.results
    names = [str(n) for n in getattr(results.model, "exog_names", None) or ()]
    table: dict[str, Any] = {"names": names}
    for what in ("params", "bse", "pvalues"):
        values = getattr(results, what, None)
        if isinstance(values, Mapping):  # of exponential smoothing: some are no numbers
            table[what] = {str(k): plain(v) for k, v in values.items()}
        elif values is not None:
            table[what] = [float(v) for v in getattr(values, "to_numpy", lambda v=values: v)().ravel()]
    content = canonical(table).encode()
    if len(content) < 1_000_000:
        watch.keep(
            content,
            name=f"coefficients-{number}.json",
            kind="detail",
            media="application/json",
            about={"line": fit.line, "model": name},
        )
