"""Estimators of other libraries: those that follow scikit-learn's interface, and statsmodels' results."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from instrumented_cells import PREPARE, Cells

import needs
from nbops import fingerprint
from nbops.core.canonical import parse


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    yield made
    made.instruments.uninstall()


def needed(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        needs.missing(name)


@pytest.mark.parametrize(
    ("library", "estimator"),
    [("lightgbm", "LGBMRegressor(n_estimators=4, verbose=-1)"), ("xgboost", "XGBRegressor(n_estimators=4)")],
)
def test_estimators_with_scikit_learns_interface(cells, library, estimator):
    needed(library)
    seen = cells.run(f"""
import {library}
model = {library}.{estimator}.fit(train[["a", "b"]], train["y"])
from sklearn.metrics import r2_score
value = r2_score(test["y"], model.predict(test[["a", "b"]]))
""")
    (model,) = seen.models
    assert (model.name, model.params["n_estimators"]) == ("model", 4)
    assert model.type.startswith(library) and model.digest is not None and "--allow-type" in model.reason
    assert model.evaluation is not None and model.trained_on is not None
    assert [(m.name, m.value, m.model) for m in seen.metrics] == [("r2_score", cells.namespace["value"], model.digest)]


def test_a_model_of_a_time_series_was_trained_on_the_series(cells):
    needed("statsmodels")
    seen = cells.run("""
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.ar_model import AutoReg
moved = ARIMA(y, order=(1, 0, 0)).fit()
again = AutoReg(y, lags=2).fit()
from statsmodels.tsa.holtwinters import SimpleExpSmoothing
smooth = SimpleExpSmoothing(y, initialization_method="estimated").fit()
""")
    assert [m.name for m in seen.models] == ["moved", "again", "smooth"]
    assert seen.notes == ()
    kept = [
        parse(cells.workspace.artifacts.read_bytes(a.digest).decode()) for a in seen.artifacts if a.kind == "detail"
    ]
    assert 0 <= kept[2]["params"]["smoothing_level"] <= 1
    assert {m.trained_on for m in seen.models} == {fingerprint(cells.namespace["y"]).digest}


def test_what_statsmodels_fits_for_itself_is_no_model(cells):
    needed("statsmodels")
    seen = cells.run("""
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller
res = sm.Logit(won, sm.add_constant(X[["a"]])).fit(disp=0)
res.summary()
adfuller(np.asarray(y), result_object=True)
sm.OLS(y, X[["a"]]).fit().summary()
""")
    assert [m.name for m in seen.models] == ["res", "OLS"]


@pytest.mark.parametrize("before", [True, False])
def test_statsmodels_results(cells, before):
    needed("statsmodels")
    imports = "import statsmodels.api as sm, statsmodels.formula.api as smf\n"
    work = """
line = smf.ols("y ~ a + np.exp(b)", data=df).fit()
won_by = sm.Logit(won, sm.add_constant(X[["a"]])).fit(disp=0, method="bfgs")
"""
    if before:
        cells.plain(imports)
    seen = cells.run(work if before else imports + work)
    line, won_by = seen.models
    assert (line.name, line.type) == ("line", "statsmodels.regression.linear_model.OLS")
    assert line.params | {"formula": "y ~ a + np.exp(b)", "endog": "y", "method": "pinv"} == line.params
    assert line.metrics["rsquared"] == cells.namespace["line"].rsquared
    assert line.digest is None and "no safe file format" in line.reason
    assert (won_by.name, won_by.params["method"]) == ("won_by", "bfgs")
    assert won_by.metrics["aic"] == cells.namespace["won_by"].aic
    kept = [a for a in seen.artifacts if a.name.startswith("coefficients")]
    table = parse(cells.workspace.artifacts.read_bytes(kept[0].digest).decode())
    assert table["names"] == ["Intercept", "a", "np.exp(b)"]
    assert table["params"] == cells.namespace["line"].params.tolist()
    assert seen.notes == ()


def test_formulas_see_the_callers_names(cells):
    needed("statsmodels")
    cells.run("""
import statsmodels.formula.api as smf
def fit():
    def twice(x): return 2 * x
    return smf.ols("y ~ twice(a)", data=df).fit()
results = fit()
""")
    assert cells.namespace["results"].model.exog_names == ["Intercept", "twice(a)"]
