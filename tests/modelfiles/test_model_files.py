"""What a model file may hold, and what is refused however it is dressed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import Birch
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer
from sklearn.tree import DecisionTreeRegressor

from nbops.core.errors import CorruptArtifactError, UntrustedModelError, UsageError
from nbops.modelfiles import trusted
from nbops.modelfiles.load import PICKLE, load, untrusted_types
from nbops.modelfiles.save import save
from nbops.store.artifacts import ArtifactStore

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0]


class Doubling(LinearRegression):
    """A type that nobody reviewed."""

    def predict(self, X: Any) -> Any:
        return 2 * super().predict(X)


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def rewritten(source: Path, target: Path, change: Any) -> Path:
    """A copy of a skops file whose schema went through `change`."""
    with ZipFile(source) as old, ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(data))) if name == "schema.json" else data)
    return target


def test_the_file_is_a_skops_file(artifacts: ArtifactStore) -> None:
    model = Ridge().fit(X, Y)
    saved = save(model, artifacts)
    assert saved.type == "sklearn.linear_model._ridge.Ridge"
    assert saved.size == artifacts.path(saved.digest or "").stat().st_size
    again = skops.io.load(artifacts.path(saved.digest or ""))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_pipeline_over_a_table_with_categories(artifacts: ArtifactStore) -> None:
    table = pd.DataFrame(
        {"n": X[:, 0], "c": pd.Categorical(RNG.choice(list("xyz"), 60)), "s": RNG.choice(["u", "v"], 60)}
    )
    columns = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c", "s"])], remainder="passthrough")
    for model in (
        make_pipeline(columns, RandomForestRegressor(5, random_state=0)),
        HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=5, min_samples_leaf=2),
    ):
        model.fit(table[["n", "c", "s"]] if hasattr(model, "steps") else table[["n", "c"]], Y)
        given = table[list(model.feature_names_in_)]
        saved = save(model, artifacts)
        assert saved.untrusted == ()
        again = load(artifacts.verified(saved.digest or ""), "skops")
        np.testing.assert_array_equal(again.predict(given), model.predict(given))


def test_other_types_are_saved_named_and_need_a_yes(artifacts: ArtifactStore) -> None:
    saved = save(Doubling().fit(X, Y), artifacts)
    assert saved.digest is not None
    name = f"{Doubling.__module__}.Doubling"
    assert saved.untrusted == (name,)
    path = artifacts.verified(saved.digest)
    assert untrusted_types(path) == (name,)
    with pytest.raises(UntrustedModelError, match=f"--allow-type {name}") as refusal:
        load(path, "skops")
    assert refusal.value.types == (name,)
    assert refusal.value.exit_code == 3
    assert isinstance(load(path, "skops", allow=[name]), Doubling)


def test_a_pickle_only_by_explicit_choice(artifacts: ArtifactStore) -> None:
    saved = save(Doubling().fit(X, Y), artifacts, format="pickle")
    assert saved.untrusted == (PICKLE,)
    path = artifacts.verified(saved.digest or "")
    with pytest.raises(UntrustedModelError, match="pickle"):
        load(path, "pickle")
    assert isinstance(load(path, "pickle", allow=[PICKLE]), Doubling)
    with pytest.raises(UsageError, match="onnx"):
        save(Ridge(), artifacts, format="onnx")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (make_pipeline(FunctionTransformer(lambda x: x), Ridge()), "<lambda>' can't be found by name"),
        (Birch(n_clusters=2), "Birch are not supported"),
    ],
)
def test_what_cannot_be_written_says_why(artifacts: ArtifactStore, model: Any, why: str) -> None:
    saved = save(model.fit(X, Y), artifacts)
    assert saved.digest is None
    assert saved.reason is not None
    assert why in saved.reason
    assert list(artifacts.digests()) == []


def test_distributions_of_scipy_are_not_trusted(artifacts: ArtifactStore) -> None:
    from scipy.stats import uniform

    search = RandomizedSearchCV(Ridge(), {"alpha": uniform(0, 1)}, n_iter=2, random_state=0).fit(X, Y)
    assert any(name.startswith("scipy.stats.") for name in save(search, artifacts).untrusted)


def test_saving_does_not_change_the_model_and_threads_agree(artifacts: ArtifactStore) -> None:
    model = RandomForestRegressor(5, random_state=0).fit(X, Y)
    before = model.predict(X)
    digests: list[str | None] = []
    threads = [threading.Thread(target=lambda: digests.append(save(model, artifacts).digest)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 4
    assert len(set(digests)) == 1
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"not a zip")
    with pytest.raises(CorruptArtifactError, match="no skops file"):
        load(path, "skops")


def test_a_trusted_function_is_not_called_by_a_file(artifacts: ArtifactStore, tmp_path: Path) -> None:
    saved = save(Ridge().fit(X, Y), artifacts)

    def as_constructor(schema: dict[str, Any]) -> dict[str, Any]:
        schema["content"]["content"]["alpha"] = {
            "__class__": "mean",
            "__module__": "numpy",
            "__loader__": "ConstructorFromReduceNode",
            "content": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []},
        }
        return schema

    crafted = rewritten(artifacts.path(saved.digest or ""), tmp_path / "crafted", as_constructor)
    with pytest.raises(UntrustedModelError, match=r"uses the function numpy\.mean as a type"):
        load(crafted, "skops")


@pytest.mark.parametrize("name", ["builtins.eval", "os.system", "operator.methodcaller", "subprocess.Popen"])
def test_nothing_that_runs_code_is_on_the_list(name: str) -> None:
    assert name not in trusted.TRUSTED


def test_every_name_on_the_list_exists() -> None:
    import importlib

    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401

    # Reviewed for other versions of numpy, scipy and scikit-learn that we support.
    elsewhere = {n for n in trusted.TRUSTED if n.startswith("scipy.sparse._") and n.endswith(("_matrix", "_array"))}
    elsewhere |= {"scipy.interpolate._bsplines._BSpline", "scipy._lib.array_api_compat.numpy._aliases.asarray"}
    for name in set(trusted.TRUSTED) - elsewhere:
        module, _, attribute = name.rpartition(".")
        thing = getattr(importlib.import_module(module), attribute)
        assert isinstance(thing, type) == (name in trusted.TYPES), name


def crafted(model: Any, artifacts: ArtifactStore) -> Path:
    """A model whose content was tampered with before it was saved: the types are all in order."""
    saved = save(model, artifacts)
    assert saved.untrusted == ()
    return artifacts.verified(saved.digest or "")


def _bad_tree(tree: Any, field: str, value: int) -> Any:
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    return tree


@pytest.mark.parametrize(("field", "value"), [("left_child", 10**9), ("right_child", 0), ("feature", 99)])
def test_a_crafted_tree_is_refused(artifacts: ArtifactStore, field: str, value: int) -> None:
    model = DecisionTreeRegressor().fit(X, Y)
    _bad_tree(model.tree_, field, value)
    with pytest.raises(CorruptArtifactError, match="content makes no sense"):
        load(crafted(model, artifacts), "skops")


@pytest.mark.parametrize("cls", [RandomForestRegressor, GradientBoostingRegressor, IsolationForest])
def test_an_ensemble_that_feeds_its_trees_too_few_features_is_refused(artifacts: ArtifactStore, cls: type) -> None:
    model = cls(n_estimators=2).fit(X, Y)
    model.n_features_in_ = 1
    if cls is IsolationForest:
        model._estimators_features = [np.arange(1)] * 2
    with pytest.raises(CorruptArtifactError, match="features"):
        load(crafted(model, artifacts), "skops")


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**9), ("feature_idx", 99), ("is_categorical", 1), ("feature_idx", -5)]
)
def test_a_crafted_boosting_is_refused(artifacts: ArtifactStore, field: str, value: int) -> None:
    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5).fit(X, Y)
    model._predictors[0][0].nodes[field][0] = value
    with pytest.raises(CorruptArtifactError, match="content makes no sense"):
        load(crafted(model, artifacts), "skops")


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_a_crafted_neighbour_tree_is_refused(artifacts: ArtifactStore, algorithm: str) -> None:
    model = KNeighborsRegressor(algorithm=algorithm).fit(X, Y)
    assert load(crafted(model, artifacts), "skops").predict(X[:3]) == pytest.approx(model.predict(X[:3]))
    state = list(model._tree.__getstate__())
    state[1] = np.asarray(state[1]).copy()
    state[1][0] = 10**6
    model._tree.__setstate__(tuple(state))
    with pytest.raises(CorruptArtifactError, match="index"):
        load(crafted(model, artifacts), "skops")


def test_a_crafted_spline_is_refused(artifacts: ArtifactStore) -> None:
    model = SplineTransformer().fit(X)
    spline = model.bsplines_[0]
    if hasattr(spline, "_c"):
        spline._c = spline._c[:2]
    else:  # from SciPy 1.18 on
        spline._delegate_to.c = spline._delegate_to.c[:2]
    with pytest.raises(CorruptArtifactError, match="BSpline"):
        load(crafted(model, artifacts), "skops")
