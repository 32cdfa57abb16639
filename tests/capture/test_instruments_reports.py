"""What is said of calls that leave no number and no model behind: curves, matrices, reports, fits out of reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from instrumented_cells import PREPARE, Cells

from nbops import fingerprint
from nbops.core.canonical import parse


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    yield made
    made.instruments.uninstall()


def test_reports_and_matrices_are_kept_as_detail(cells):
    seen = cells.run("""
from sklearn.metrics import confusion_matrix, classification_report, roc_curve
confusion_matrix(won, won); print(classification_report(won, won)); curve = roc_curve(won, y)
""")
    assert seen.metrics == ()
    names = ["classification_report.txt", "confusion_matrix.json", "roc_curve.json"]
    assert sorted(a.name for a in seen.artifacts) == names
    assert {a.about["data"] for a in seen.artifacts} == {fingerprint(cells.namespace["won"]).digest}
    (kept,) = [a for a in seen.artifacts if a.name == "roc_curve.json"]
    false, true, thresholds = parse(cells.workspace.artifacts.read_bytes(kept.digest).decode())
    assert false == cells.namespace["curve"][0].tolist() and true == cells.namespace["curve"][1].tolist()
    assert thresholds[0] == float("inf") and len(thresholds) == len(true)


def test_a_metric_of_each_class_is_kept_whole_and_what_is_too_long_is_said(cells):
    seen = cells.run("""
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, silhouette_samples
f1_score(won, won, average=None)
precision_recall_fscore_support(won, 1 - won, zero_division=0)
many = np.arange(60)
confusion_matrix(many, many)
confusion_matrix(np.arange(150), np.arange(150))
""")
    kept = {a.name: parse(cells.workspace.artifacts.read_bytes(a.digest).decode()) for a in seen.artifacts}
    assert kept["f1_score.json"] == [1.0, 1.0]
    assert kept["precision_recall_fscore_support.json"][:3] == [[0.0, 0.0]] * 3
    assert np.array(kept["confusion_matrix.json"]).tolist() == np.eye(60).tolist()
    assert [n for n in seen.notes if "too long" in n] == [
        "confusion_matrix: what it returned is not kept, it is too long"
    ]


def test_a_fit_whose_model_is_gone_is_said(cells):
    seen = cells.run("from sklearn.linear_model import Ridge\nprint(Ridge().fit(X, y).coef_)")
    assert seen.models == ()
    (note,) = seen.notes
    assert note.startswith("1 model was fitted, and is not kept: ") and "(1 Ridge)" in note


def test_a_learning_curve_is_one_report(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.model_selection import learning_curve, validation_curve
curve = learning_curve(Ridge(), X, y, cv=2)
validation_curve(Ridge(), X, y, param_name="alpha", param_range=[1, 2, 3], cv=2)
""")
    assert (seen.models, seen.metrics, seen.notes) == ((), (), ())
    learned, validated = seen.artifacts
    assert (learned.name, validated.name) == ("learning_curve.json", "validation_curve.json")
    assert learned.about["data"] == fingerprint(cells.namespace["y"]).digest
    sizes, *_ = parse(cells.workspace.artifacts.read_bytes(learned.digest).decode())
    assert sizes == cells.namespace["curve"][0].tolist()


def test_a_search_is_one_record_with_its_best_parameters_and_its_table(cells):
    cells.plain("""
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("k", OneHotEncoder(dtype=np.float32), ["kind"])])
pipe = Pipeline([("columns", columns), ("ridge", Ridge())])
""")
    seen = cells.run("""search = GridSearchCV(pipe, {"ridge__alpha": [0.1, 1.0, 1e6]}, cv=3).fit(X, y)""")
    (model,) = seen.models
    assert (model.name, model.params["best_params_"]) == ("search", {"ridge__alpha": 0.1})
    assert model.params["estimator__columns__k__dtype"] == "numpy.float32"
    (metric,) = seen.metrics
    assert (metric.name, metric.value) == ("best_score_", cells.namespace["search"].best_score_)
    (kept,) = [a for a in seen.artifacts if a.name == "cv_results.json"]
    table = parse(cells.workspace.artifacts.read_bytes(kept.digest).decode())
    assert table["param_ridge__alpha"] == [0.1, 1.0, 1e6] and table["params"][1] == {"ridge__alpha": 1.0}
    assert table["mean_test_score"] == cells.namespace["search"].cv_results_["mean_test_score"].tolist()
    assert seen.notes == ()


def test_thousands_of_nested_fits_are_one_record(cells):
    seen = cells.run("""
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
grid = {"alpha": np.logspace(-3, 3, 100).tolist()}
nested = cross_validate(GridSearchCV(Ridge(), grid, cv=3), X, y, cv=3)
search = GridSearchCV(Ridge(), grid, cv=3).fit(X, y)
""")
    assert [m.name for m in seen.models] == ["search"]
    assert [m.name for m in seen.metrics] == ["test_score", "best_score_"]
    assert seen.notes == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("mean_absolute_error(y[100:], p)", "y[100:]"),
        ("mean_absolute_error(y_true=y.iloc[-20:], y_pred=p)", "y.iloc[-20:]"),
        ("print('ä', mean_absolute_error(\n    test['y'].values[-20:],\n    p,\n))", "test['y'].values[-20:]"),
        ("mean_absolute_error(y[df.index >= 100], p)", "y[df.index >= 100]"),
        ("mean_absolute_error(y.loc[(df.index >= 100) & (df.index < 1000)], p)", "rows of y"),
        ("mean_absolute_error([1.0] * 20, p)", None),
        ("mean_absolute_error(*(y[100:], p))", None),
        ("(lambda y: mean_absolute_error(y[:20], p))(y)", None),
        ("max_error(y[100:], p)", "y[100:]"),
        ("[max_error(y[i:], p) for i in [100]]", "y[i:]"),
        ("(lambda v: [max_error(v[i:], p) for i in [100]])(y)", None),
        ("model.score(X[100:], y[100:])", "y[100:]"),
        ("(model\n .score(X[100:], y[100:]))", "y[100:]"),
        ("cross_val_score(model, X[:90], y[:90], cv=2)", "y[:90]"),
        ("GridSearchCV(model, {'alpha': [1]}, cv=2).fit(X[:90], y[:90])", "y[:90]"),
    ],
)
def test_what_has_no_name_is_called_as_the_cell_calls_it(cells, call, said):
    cells.plain("from sklearn.metrics import max_error, mean_absolute_error\nimport sklearn.linear_model as lm")
    cells.plain("from sklearn.model_selection import GridSearchCV, cross_val_score")
    cells.plain("model = lm.Ridge().fit(X, y); p = model.predict(X[100:])")
    assert [m.on for m in cells.run(call).metrics] == [said]


def test_what_a_model_was_trained_on_and_a_report_is_of_are_called_so_too(cells):
    seen = cells.run("""
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
model = LogisticRegression().fit(X.iloc[:80], won[:80])
confusion_matrix(won[80:], model.predict(X.iloc[80:]))
""")
    assert seen.models[0].on == "X.iloc[:80]"
    assert [a.about["on"] for a in seen.artifacts if a.name == "confusion_matrix.json"] == ["won[80:]"]
