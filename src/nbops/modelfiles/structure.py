"""The content that compiled code follows blindly, checked before anything predicts.

scikit-learn's trees keep the numbers of child nodes and features in arrays, and its compiled code follows them
without bounds checks: a crafted file could make ``predict`` read foreign memory (see scikit-learn's pull request
34558; skops therefore trusts neither ``Tree`` nor ``TreePredictor``). Here the numbers are checked once, when the
file is loaded, in a few vectorised comparisons per tree; then the types can be trusted.

* A child comes after its parent and exists, so every walk ends. A feature exists in the tree, and the tree has
  the features that its owner checks its input for.
* Bit sets that a categorical split names exist.
* k-d and ball trees point at rows and nodes that exist.
* A spline has as many coefficients as its knots ask for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbops.core.errors import CorruptArtifactError


def check(objects: Iterable[Any], path: Path) -> None:
    """Check every object made from a model file.

    Raises
    ------
    CorruptArtifactError
        If one of them points outside itself.
    """
    for thing in objects:
        name = f"{type(thing).__module__}.{type(thing).__qualname__}"
        try:
            wrong = _CHECKS[name](thing) if name in _CHECKS else None
            if wrong is None and name.startswith("sklearn.") and hasattr(thing, "__dict__"):
                wrong = _owner(thing)
        except Exception as error:  # noqa: BLE001 - content that can't even be looked at makes no sense either
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            raise CorruptArtifactError(
                f"the model file {path.name!r} holds a {name} whose content makes no sense ({wrong});"
                " using it could crash the process, so it is not loaded"
            )


def _tree(tree: Any) -> str | None:
    import numpy as np

    count = int(tree.node_count)
    if count <= 0 or count > int(tree.capacity):
        return f"it says it has {count} nodes of {int(tree.capacity)}"
    left, right, feature = tree.children_left[:count], tree.children_right[:count], tree.feature[:count]
    inner = left != -1
    at = np.arange(count)[inner]
    for child in (left[inner], right[inner]):
        if np.any(child <= at) or np.any(child >= count):
            return "a child node that doesn't exist"
    if np.any(feature[inner] < 0) or np.any(feature[inner] >= tree.n_features):
        return "a feature that doesn't exist"
    return None


def _predictor(predictor: Any) -> str | None:
    import numpy as np

    nodes = predictor.nodes
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or not len(nodes):
        return "it has no nodes"
    inner = nodes["is_leaf"] == 0
    at = np.arange(len(nodes))[inner]
    for child in (nodes["left"][inner], nodes["right"][inner]):
        if np.any(child <= at) or np.any(child >= len(nodes)):
            return "a child node that doesn't exist"
    if np.any(nodes["feature_idx"][inner] < 0):
        return "a feature that doesn't exist"
    categorical = inner & (nodes["is_categorical"] != 0)
    for bitsets in (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets):
        if bitsets.ndim != 2 or bitsets.shape[1] != 8:
            return "bit sets of a wrong shape"
        if np.any(nodes["bitset_idx"][categorical] >= len(bitsets)):
            return "a bit set that doesn't exist"
    return None


def _neighbours(tree: Any) -> str | None:
    import numpy as np

    data, index, nodes, bounds, _, n_levels, n_nodes, *_ = tree.__getstate__()
    rows = len(data)
    if sorted(np.asarray(index).tolist()) != list(range(rows)):
        return "its index doesn't name each row once"
    if not (0 < n_levels < 63) or n_nodes != 2**n_levels - 1 or len(nodes) != n_nodes or bounds.shape[1] != n_nodes:
        return f"it says it has {n_nodes} nodes on {n_levels} levels"
    if bounds.ndim != 3 or bounds.shape[2] != data.shape[1]:
        return "bounds of a wrong shape"
    start, end = nodes["idx_start"], nodes["idx_end"]
    if np.any(start < 0) or np.any(end > rows) or np.any(start > end):
        return "a node of rows that don't exist"
    if np.any(nodes["is_leaf"][n_nodes // 2 :] == 0):
        return "a last level that goes on"
    return None


def _spline(spline: Any) -> str | None:
    from scipy.interpolate import BSpline

    try:
        BSpline(spline.t, spline.c, spline.k, extrapolate=spline.extrapolate, axis=spline.axis)
    except (ValueError, TypeError, IndexError) as error:
        return str(error)
    return None


def _owner(estimator: Any) -> str | None:
    """An estimator checks its input for `n_features_in_` columns, then compiled code indexes by its trees' own."""
    state = vars(estimator)
    predictors = state.get("_predictors")
    if predictors is not None:
        return _boosting(state, predictors)
    width = state.get("n_features_in_")
    tree: Any = state.get("tree_")
    if _is_tree(tree) and width is not None and tree.n_features != width:
        return f"a tree of {tree.n_features} features in an estimator of {width}"
    members = state.get("estimators_")
    if members is None or width is None or not _hands_rows_on(estimator):
        return None
    subsets = state.get("_estimators_features")
    for i, member in enumerate(_flat(members)):
        tree = vars(member).get("tree_") if hasattr(member, "__dict__") else None
        if not _is_tree(tree):
            continue
        expected = len(subsets[i]) if subsets is not None else width
        if tree.n_features != expected:
            return f"a tree of {tree.n_features} features in an ensemble that gives it {expected}"
    return None


def _is_tree(thing: Any) -> bool:
    return type(thing).__module__ == "sklearn.tree._tree"  # other estimators call a k-d tree ``tree_``


def _hands_rows_on(estimator: Any) -> bool:
    """Ensembles that check their input once and then call their trees' compiled code."""
    from sklearn.ensemble import IsolationForest
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting

    return isinstance(estimator, (BaseForest, BaseGradientBoosting, IsolationForest))


def _boosting(state: dict[str, Any], predictors: Any) -> str | None:
    import numpy as np

    mapper = state.get("_bin_mapper")
    known = np.asarray(mapper.is_categorical_).astype(bool) if mapper is not None else None
    width = len(known) if known is not None else state.get("n_features_in_")
    if width is None or (state.get("n_features_in_") not in (None, width)):
        return "it doesn't know how many features it has"
    for predictor in _flat(predictors):
        inner = predictor.nodes["is_leaf"] == 0
        features = predictor.nodes["feature_idx"][inner]
        if np.any((features < 0) | (features >= width)):
            return f"a feature beyond the {width} there are"
        categorical = predictor.nodes["is_categorical"][inner] != 0
        if known is None or np.any(categorical & ~known[features]):
            return "a categorical split of a feature that isn't categorical"
    return None


def _flat(members: Any) -> list[Any]:
    import numpy as np

    if isinstance(members, np.ndarray):
        return list(members.ravel())
    return [m for group in members for m in (group if isinstance(group, (list, tuple)) else [group])]


_CHECKS = {
    "sklearn.tree._tree.Tree": _tree,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": _predictor,
    "sklearn.neighbors._kd_tree.KDTree": _neighbours,
    "sklearn.neighbors._ball_tree.BallTree": _neighbours,
    "scipy.interpolate._bsplines.BSpline": _spline,
    "scipy.interpolate._bsplines._BSpline": _spline,
}
