"""Every public estimator of scikit-learn is fitted, kept, loaded, and predicts as before."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.utils import all_estimators, estimator_checks
from sklearn.utils._test_common.instance_generator import _construct_instances

from nbops.modelfiles import trusted
from nbops.modelfiles.load import load
from nbops.modelfiles.save import save
from nbops.store.artifacts import ArtifactStore

TEXTS = ["a red bike", "a blue bike", "two red cars"]
OWN_INPUT: dict[str, list[Any]] = {  # what these take is no table
    "PatchExtractor": [np.arange(800.0).reshape(2, 20, 20)],
    "TfidfTransformer": [np.array([[1, 0, 2], [0, 3, 1]])],
    "CountVectorizer": [TEXTS],
    "TfidfVectorizer": [TEXTS],
    "HashingVectorizer": [TEXTS],
    "FeatureHasher": [[{"a": 1, "b": 2}, {"a": 3}]],
    "DictVectorizer": [[{"a": 1, "b": 2}, {"a": 3}]],
    "LabelBinarizer": [[1, 2, 6, 2]],
    "LabelEncoder": [["x", "y", "x"]],
    "MultiLabelBinarizer": [[("a", "b"), ("b",)]],
}
METHODS = ("predict", "predict_proba", "transform", "decision_function", "score_samples")


def fitted(estimator: Any) -> tuple[Any, Any]:
    """As scikit-learn's own check of pickling does it."""
    name = type(estimator).__name__
    if name == "FrozenEstimator":
        return estimator, np.array([[0.0], [1.0]])
    if name in OWN_INPUT:
        (given,) = OWN_INPUT[name]
        return clone(estimator).fit(given), given
    X, y = make_blobs(30, n_features=2, centers=[[0, 0, 0], [1, 1, 1]], cluster_std=0.1, random_state=0)
    X = estimator_checks._enforce_estimator_tags_X(estimator, X, kernel=RBF())
    if estimator_checks.get_tags(estimator).input_tags.allow_nan:
        X.reshape(-1)[np.random.RandomState(42).choice(X.size, 10, replace=False)] = np.nan
    estimator = clone(estimator)
    y = estimator_checks._enforce_estimator_tags_y(estimator, y)
    estimator_checks.set_random_state(estimator)
    return estimator.fit(X, y), X


def instances(cls: type) -> Iterator[Any]:
    if cls is FrozenEstimator:
        yield FrozenEstimator(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
        return
    try:
        yield from _construct_instances(cls)
    except SkipTest as why:
        pytest.fail(f"{cls.__name__} has not been tried: {why}")


def answers(estimator: Any, X: Any) -> dict[str, Any]:
    return {m: getattr(estimator, m)(X) for m in METHODS if hasattr(estimator, m)}


def same(a: Any, b: Any) -> None:
    if isinstance(a, (list, tuple)):
        for one, other in zip(a, b, strict=True):
            same(one, other)
    else:
        a, b = (v.toarray() if hasattr(v, "toarray") else np.asarray(v) for v in (a, b))
        if a.dtype.kind in "fc":  # BLAS rounds the last bit by where an array happens to lie in memory
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore")  # what scikit-learn says about these small fits is not our question
def test_every_public_estimator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifacts = ArtifactStore(tmp_path)
    refused: dict[str, str] = {}
    tried = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, cls in all_estimators():
            for instance in instances(cls):
                estimator, X = fitted(instance)
                tried += 1
                saved = save(estimator, artifacts)
                if saved.digest is None or saved.untrusted:
                    refused[name] = saved.reason or f"untrusted: {', '.join(saved.untrusted)}"
                    continue
                assert save(estimator, artifacts).digest == saved.digest, f"{name}: saved twice, two files"
                before = answers(estimator, X)
                again = load(artifacts.verified(saved.digest), "skops")
                after = answers(again, X)
                assert before.keys() == after.keys()
                for method, value in before.items():
                    same(value, after[method])
    with capsys.disabled():
        print(f"\n{tried} fitted instances of {len(all_estimators())} public estimators; refused:")
        for name, why in refused.items():
            print(f"  {name}: {why}")
    assert set(refused) == set(trusted.REFUSED)
    assert len(all_estimators()) > 190
