"""Fits, predictions, metrics: what is recorded of them, and what of it is kept."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest
from instrumented_cells import PREPARE, Cells

from nbops import fingerprint


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    yield made
    made.instruments.uninstall()


@pytest.mark.parametrize(
    ("imports", "fit", "metric"),
    [
        ("from sklearn.linear_model import Ridge; from sklearn.metrics import r2_score as f", "Ridge()", "f"),
        ("import sklearn.linear_model as lm, sklearn.metrics as m", "lm.Ridge()", "m.r2_score"),
        (
            "import sklearn; import sklearn.metrics\nfrom sklearn.linear_model import *",
            "Ridge()",
            "sklearn.metrics.r2_score",
        ),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_whatever_the_import_style(cells, imports, fit, metric, before):
    work = f"model = {fit}.fit(X, y)\nvalue = {metric}(y, model.predict(X))\n"
    if before:
        cells.plain(imports)
        seen = cells.run(work)
    else:
        seen = cells.run(imports + "\n" + work)
    (model,) = seen.models
    assert (model.name, model.type) == ("model", "sklearn.linear_model._ridge.Ridge")
    assert model.params["alpha"] == 1.0
    (found,) = seen.metrics
    assert (found.name, found.source) == ("r2_score", "sklearn.metrics.r2_score")
    assert found.value == cells.namespace["value"]
    assert found.model == model.digest


def test_a_class_of_the_users_own_counts_too_defined_before_or_in_the_cell(cells):
    source = """
from sklearn.base import BaseEstimator, RegressorMixin
class {name}(RegressorMixin, BaseEstimator):
    def __init__(self, shift=1.0): self.shift = shift
    def fit(self, X, y): self.mean_ = float(np.mean(y)) + self.shift; return self
    def predict(self, X): return np.full(len(X), self.mean_)
"""
    cells.plain(source.format(name="Before"))
    seen = cells.run(source.format(name="Within") + "one = Before().fit(X, y)\ntwo = Within(shift=2).fit(X, y)\n")
    assert [(m.name, m.type, m.params) for m in seen.models] == [
        ("one", "__main__.Before", {"shift": 1.0}),
        ("two", "__main__.Within", {"shift": 2}),
    ]
    assert all(m.digest is None and f"'{m.type}' can't be found" in m.reason for m in seen.models)


def test_only_the_outermost_fit_counts(cells):
    seen = cells.run("""
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
search = GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1, 10]}, cv=3).fit(X, y)
scores = cross_validate(Ridge(), X, y, cv=4)
""")
    assert [(m.name, m.params["estimator__ridge"]) for m in seen.models] == [("search", "Ridge")]
    assert seen.models[0].params["param_grid"] == {"ridge__alpha": [0.1, 1, 10]}
    best, metric = seen.metrics
    assert (best.name, best.value) == ("best_score_", cells.namespace["search"].best_score_)
    assert best.model == seen.models[0].digest
    assert best.data == metric.data == fingerprint(cells.namespace["y"]).digest
    assert (metric.name, metric.source) == ("test_score", "sklearn.model_selection.cross_validate")
    assert metric.value == pytest.approx(np.mean(cells.namespace["scores"]["test_score"]))
    assert [(s.name, s.step) for s in seen.series] == [("test_score", i) for i in range(4)]
    assert seen.notes == ()


def test_a_search_without_a_best_score_gives_its_model_no_metric(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
search = GridSearchCV(Ridge(), {"alpha": [1, 10]}, scoring=["r2", "neg_max_error"], refit="r2", cv=2)
search.set_params(refit=False).fit(X, y)
r2_score(y, y + 1)
""")
    assert [(m.name, m.model) for m in seen.metrics] == [("r2_score", None)]


def test_the_model_that_predicted_and_the_rows_it_was_judged_on_are_kept(cells):
    seen = cells.run("""
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score
cols = ["a", "b", "kind"]
model = HistGradientBoostingRegressor(max_iter=5).fit(train[cols], train["y"])
pred = model.predict(test[cols])
mae = mean_absolute_error(test["y"], pred)
r2 = r2_score(test["y"], pred)
""")
    (use,) = seen.models
    ns = cells.namespace
    assert use.metrics == {"mean_absolute_error": ns["mae"], "r2_score": ns["r2"]}
    rows = cells.frame(use.evaluation)
    assert list(rows.columns) == ["a", "b", "kind", "y"]
    assert len(rows) == 40
    again = cells.model(use.digest).predict(rows[["a", "b", "kind"]])
    assert np.abs(again - rows["y"]).mean() == ns["mae"]
    assert [m.model for m in seen.metrics] == [use.digest] * 2
    assert [m.line for m in seen.metrics] == [7, 8]
    from nbops.fingerprints.fingerprint import fingerprint

    assert {m.data for m in seen.metrics} == {fingerprint(ns["test"]["y"]).digest}
    assert use.trained_on == fingerprint(ns["train"][ns["cols"]]).digest
    assert [(f["name"], f["type"]) for f in use.signature["inputs"]] == [
        ("a", "number"),
        ("b", "number"),
        ("kind", "integer"),
    ]
    assert use.signature["output"]["name"] == "y"
    from nbops.profiles.profile import Profile

    profile = Profile.from_bytes(cells.workspace.artifacts.read_bytes(use.profile))
    assert (profile.rows, [c.name for c in profile.columns]) == (80, ["a", "b", "kind", "y"])
    assert {a.kind for a in seen.artifacts} == {"model", "evaluation", "profile", "rows"}


def test_a_refit_on_all_rows_comes_after_the_state_that_was_judged(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
model = Ridge().fit(train[["a"]], train["y"])
before = model.coef_[0]
value = mean_absolute_error(test["y"], model.predict(test[["a"]]))
model.fit(df[["a"]], df["y"])
""")
    judged, final = seen.models
    assert judged.name == final.name == "model"
    assert judged.digest != final.digest
    assert judged.metrics == {"mean_absolute_error": cells.namespace["value"]}
    assert (final.evaluation, final.metrics) == (None, {})
    assert judged.evaluation is not None
    assert judged.profile is not None and final.profile not in (None, judged.profile)
    assert seen.metrics[0].model == judged.digest
    assert cells.model(judged.digest).coef_[0] == cells.namespace["before"]
    assert cells.model(final.digest).coef_[0] == cells.namespace["model"].coef_[0]


def test_a_metric_in_a_later_cell_still_knows_the_model_and_its_rows(cells):
    first = cells.run("""
from sklearn.linear_model import LogisticRegression
from sklearn import metrics
model = LogisticRegression().fit(train[["a", "b"]].to_numpy(), train["won"])
proba = model.predict_proba(test[["a", "b"]].to_numpy())
table = pd.DataFrame({"proba": proba[:, 1], "won": test["won"].to_numpy()})
""")
    assert first.models[0].evaluation is None
    cells.plain("gap = 1")
    seen = cells.run("auc = metrics.roc_auc_score(table['won'], table['proba'])")
    (use,) = seen.models
    assert use.digest == first.models[0].digest
    assert use.metrics == {"roc_auc_score": cells.namespace["auc"]}
    assert list(cells.frame(use.evaluation).columns) == ["x0", "x1", "won"]
    assert use.signature["task"] == "classification"
    assert use.signature["classes"] == [], "values of the data stay out of the record"
    assert use.profile == first.models[0].profile


def test_a_prediction_that_was_changed_is_the_models_no_more(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
model = Ridge().fit(train[["a"]], train["y"])
pred = model.predict(test[["a"]])
pred[pred < 0] = 0
mean_absolute_error(test["y"], pred)
""")
    assert seen.metrics[0].model is None
    assert [(m.evaluation, m.metrics) for m in seen.models] == [(None, {})]


def test_of_two_models_with_the_same_prediction_the_right_one_is_named(cells):
    seen = cells.run("""
from sklearn.dummy import DummyRegressor
from sklearn.metrics import max_error
one = DummyRegressor(strategy="constant", constant=1.0).fit(X, y)
two = DummyRegressor(strategy="constant", constant=1.0, quantile=0.5).fit(X, y)
p, q = one.predict(test[["a"]]), two.predict(test[["a"]])
max_error(test["y"], p)
max_error(test["y"], list(p))
""")
    by_name = {m.name: m for m in seen.models}
    assert seen.metrics[0].model == by_name["one"].digest
    assert seen.metrics[1].model is None  # a list of the same values could be of either
    assert by_name["two"].evaluation is None


def test_rows_changed_after_the_prediction_are_not_passed_off_as_those_judged(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
rows = test[["a"]].copy()
model = Ridge().fit(train[["a"]], train["y"])
pred = model.predict(rows)
rows.loc[rows.index[0], "a"] = 99.0
mean_absolute_error(test["y"], pred)
""")
    (use,) = seen.models
    assert use.evaluation is None and use.metrics
    assert any("changed after the prediction" in note for note in seen.notes)


def test_what_is_known_of_a_judged_model_is_not_overwritten_by_a_look_at_training_rows(cells):
    cells.run("""
from sklearn.linear_model import Ridge
model = Ridge().fit(X, y)
""")
    judged = cells.run("model.score(test[['a', 'b', 'kind']], test['y'])")
    assert [m.evaluation is not None for m in judged.models] == [True]
    after = cells.run("model.score(X, y)")
    assert after.models == ()
    assert after.metrics[0].model == judged.models[0].digest


def test_a_model_fitted_where_nobody_looked_can_still_be_judged(cells):
    cells.plain("from sklearn.linear_model import Ridge\nmodel = Ridge().fit(train[['a']], train['y'])")
    (use,) = cells.run("model.score(test[['a']], test['y'])").models
    assert use.digest and use.evaluation and use.trained_on is None
    assert [f["name"] for f in use.signature["inputs"]] == ["a"]


def test_score_is_one_metric_and_training_rows_are_no_evaluation(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
model = Ridge().fit(X, y)
a = model.score(test[["a", "b", "kind"]], test["y"])
b = model.score(X, y)
""")
    ns = cells.namespace
    assert [(m.name, m.value) for m in seen.metrics] == [("score", ns["a"]), ("score", ns["b"])]
    assert seen.metrics[0].source == "sklearn.linear_model._ridge.Ridge.score"
    (use,) = seen.models
    assert use.metrics == {"score": ns["a"]}
    assert len(cells.frame(use.evaluation)) == 40


def test_a_loop_keeps_the_last_and_counts_the_rest(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
best = None
for alpha in range(1, 301):
    model = Ridge(alpha=alpha).fit(train[["a"]], train["y"])
    value = mean_absolute_error(test["y"], model.predict(test[["a"]]))
    if best is None or value < best[0]:
        best = value, model
models = [Ridge(alpha=a).fit(X, y) for a in range(1, 101)]
same = Ridge()
for alpha in range(1, 51):
    same.set_params(alpha=alpha).fit(train[["a"]], train["y"])
    mean_absolute_error(test["y"], same.predict(test[["a"]]))
""")
    assert len(seen.metrics) == 350
    assert {m.name for m in seen.models} <= {"model", "best[1]", "models[99]", "same"}
    assert seen.models[-1].name == "same" and seen.models[-1].params["alpha"] == 50
    assert {"best[1]", "models[99]"} <= {m.name for m in seen.models} or "model" in {m.name for m in seen.models}
    assert len(list((cells.workspace.artifacts.root).rglob("*"))) < 40
    assert any("450 models were fitted" in note for note in seen.notes)


def test_named_models_in_a_dict_are_all_kept(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge, Lasso
models = {"ridge": Ridge(), "lasso": Lasso()}
for m in models.values():
    m.fit(X, y)
del m
""")
    assert [m.name for m in seen.models] == ["models['ridge']", "models['lasso']"]


def test_models_in_a_dict_are_called_by_their_key(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
models = {}
for key in (0.5, ("ridge", 1), np.float64(0.25), None): models[key] = Ridge(alpha=0.5).fit(X, y)
""")
    assert [m.name for m in seen.models] == ["models[0.5]", "models[('ridge', 1)]", "models[0.25]", "models[None]"]


def test_a_failing_fit_and_a_failing_cell_are_no_obstacle(cells):
    seen = cells.run(
        """
from sklearn.linear_model import Ridge
good = Ridge().fit(X, y)
good.fit(X, y[:3])
""",
        fails=True,
    )
    assert isinstance(cells.error, ValueError)
    assert seen.models == ()  # what a failed fit leaves behind is no model
    after = cells.run("good.fit(X, y)")
    assert [m.name for m in after.models] == ["good"]


def test_a_model_of_types_nobody_reviewed_says_so(cells):
    seen = cells.run("""
from sklearn.preprocessing import FunctionTransformer
from sklearn.pipeline import make_pipeline
from sklearn.linear_model import Ridge
def double(X): return X * 2
model = make_pipeline(FunctionTransformer(double), Ridge()).fit(X, y)
local = make_pipeline(FunctionTransformer(lambda X: X), Ridge()).fit(X, y)
""")
    assert len(seen.models) == 2
    assert all(m.reason for m in seen.models)


def test_secret_parameters_are_redacted(cells):
    seen = cells.run("""
from sklearn.base import BaseEstimator
class Remote(BaseEstimator):
    def __init__(self, api_key="", url=""): self.api_key, self.url = api_key, url
    def fit(self, X, y=None): return self
model = Remote(api_key="hunter2hunter2", url="https://me:hunter2hunter2@example.org/").fit(X)
""")
    assert "hunter2" not in repr(seen.models)
    assert seen.models[0].signature is None  # it predicts nothing


def test_budget_over_is_said_and_no_old_digest_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nbops.toml").write_text("[capture]\nbudget_s = 0.0\nkeep_models = 'none'\n")
    cells = Cells(tmp_path)
    cells.plain(PREPARE)
    seen = cells.run("from sklearn.linear_model import Ridge\nmodel = Ridge().fit(X, y)\nmodel.score(X, y)")
    cells.instruments.uninstall()
    assert seen.models[-1].trained_on is None
    assert seen.models[-1].digest is None and "keep_models" in seen.models[-1].reason
    assert seen.metrics[0].data is None and seen.metrics[0].model is None


def test_logged_models_are_named_as_asked(cells):
    cells.plain("from sklearn.linear_model import Ridge")
    cells.namespace["log"] = lambda model, name: cells.instruments.note_model(model, name)
    seen = cells.run(
        "model = Ridge().fit(train[['a']], train['y'])\nlog(model, 'bikes')\nmodel.score(test[['a']], test['y'])"
    )
    logged = [m for m in seen.models if m.logged]
    assert [(m.name, list(m.metrics)) for m in logged] == [("bikes", ["score"])]
    assert logged[0].digest and logged[0].evaluation


@pytest.mark.parametrize("hold", ["estimator", "data"])
def test_nothing_lives_longer_than_without_us(cells, hold):
    cells.plain("from sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score")
    cells.run("""
big = np.ones((1_200_000, 8))
big[::2] = 0
model = Ridge(solver="cholesky").fit(big, big[:, 0])
pred = model.predict(big)
r2_score(big[:, 0], pred)
""")
    name = {"estimator": "model", "data": "big"}[hold]
    ref = weakref.ref(cells.namespace[name])
    del cells.namespace[name]
    gc.collect()
    assert ref() is None


@pytest.mark.parametrize("table", ["big", "pd.DataFrame(big, copy=False)"])
def test_a_prediction_for_a_few_rows_of_something_large_does_not_keep_all_of_it(cells, table):
    cells.plain("from sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score")
    cells.run(f"""
big = np.ones((1_200_000, 8))
big[::2] = 0
few = {table}[:1000]
model = Ridge(solver="cholesky").fit(few[:500], big[:500, 0])
pred, target = model.predict(few), big[:1000, 0].copy()
""")
    ref = weakref.ref(cells.namespace["big"])
    del cells.namespace["big"], cells.namespace["few"]
    gc.collect()
    assert ref() is None
    assert cells.run("r2_score(target, pred)").models[0].evaluation  # and its rows can be kept all the same


def test_nothing_is_recorded_outside_a_scope(cells):
    cells.plain("from sklearn.linear_model import Ridge\nmodel = Ridge().fit(X, y)")
    assert cells.instruments.end({}).models == ()
    assert cells.run("1 + 1").models == ()


def test_a_forked_child_records_nothing(cells):
    seen = cells.run(
        """
import os
from sklearn.linear_model import Ridge
child = os.fork()
if child == 0:
    try:
        Ridge().fit(X, y)
        open("of_the_child.txt", "w").close()
    finally:
        os._exit(0 if not instruments.watch.models.fits else 3)
_, status = os.waitpid(child, 0)
""".replace("instruments.watch", "__import__('nbops.capture.instruments').capture.instruments.current().watch")
    )
    assert os.waitstatus_to_exitcode(cells.namespace["status"]) == 0
    assert seen.models == () and seen.files == ()


def test_a_cell_run_again_gives_the_same_digests(cells):
    source = """
from sklearn.ensemble import RandomForestRegressor
model = RandomForestRegressor(n_estimators=3, random_state=0).fit(train[["a", "b"]], train["y"])
model.score(test[["a", "b"]], test["y"])
"""
    (first,), (second,) = cells.run(source).models, cells.run(source).models
    assert None not in (first.digest, first.profile, first.evaluation)
    assert (first.digest, first.profile, first.evaluation) == (second.digest, second.profile, second.evaluation)
    for digest in (second.profile, second.evaluation):
        cells.workspace.artifacts.path(digest).unlink()
    (third,) = cells.run(source).models
    assert cells.workspace.artifacts.verified(third.profile) and len(cells.frame(third.evaluation)) == 40
