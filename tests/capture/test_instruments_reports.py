"""What is said of calls that leave no number and no model behind: curves, matrices, reports, fits out of reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from instrumented_cells import PREPARE, Cells

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
