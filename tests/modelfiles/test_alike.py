"""Model files of the same fit that differ in what isn't of it, and files that differ in more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nbops.modelfiles.alike import same_but_for
from nbops.modelfiles.save import save
from nbops.workspace import open_workspace

X = np.random.default_rng(0).normal(size=(40, 3))
TEXTS = ["a good film", "a bad film", "nice and good"]


def search(alphas: list[float], seconds: float) -> GridSearchCV:
    made = GridSearchCV(Ridge(), {"alpha": alphas}, cv=2).fit(X, X[:, 0])
    made.refit_time_ = seconds
    return made


def texts(words: list[str], address: int) -> Any:
    made = make_pipeline(TfidfVectorizer(), Ridge()).fit(words, [1.0, 0.0, 1.0])
    made[0]._stop_words_id = address
    return made


@pytest.fixture
def file(tmp_path: Path) -> Any:
    artifacts = open_workspace(tmp_path, environ={}).artifacts

    def saved(model: Any) -> Path:
        digest = save(model, artifacts).digest
        assert digest is not None
        return artifacts.verified(digest)

    return saved


def test_times_of_a_search_and_addresses_are_not_of_the_fit(file: Any) -> None:
    times = {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time", "refit_time_"}
    assert set(same_but_for(file(search([0.1, 1.0], 1.0)), file(search([0.1, 1.0], 2.0)))) == times
    assert same_but_for(file(texts(TEXTS, 7)), file(texts(TEXTS, 123456789))) == ("_stop_words_id",)


def test_anything_else_is(file: Any, tmp_path: Path) -> None:
    assert same_but_for(file(search([0.1, 1.0], 1.0)), file(search([0.1, 2.0], 2.0))) == ()
    assert same_but_for(file(texts(TEXTS, 7)), file(texts([*TEXTS[:2], "nice and bad"], 8))) == ()
    assert same_but_for(file(Ridge().fit(X, X[:, 0])), file(Ridge().fit(X, X[:, 1]))) == ()
    (tmp_path / "other").write_bytes(b"no archive")
    assert same_but_for(file(texts(TEXTS, 7)), tmp_path / "other") == ()
