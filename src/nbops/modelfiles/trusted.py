"""Which types a model file may hold without anybody being asked.

skops trusts the public estimators, numpy's number types and ufuncs, and little else: every forest, every
histogram gradient boosting, every k-d tree is refused. This list adds exact names, each reviewed. Being on it
means that a hostile file may

* call the type with any arguments made of trusted things, or make an empty one and set any state into it;
* for a function: hand it to an estimator that calls it with data. (Where the file itself could cause a call
  while it is loaded, :mod:`nbops.modelfiles.load` refuses functions: it lets them stand as values only.)

So nothing is here whose construction, ``__setstate__`` or call can run code from its arguments, import by name,
or touch files, processes or the network. Types whose *content* compiled code follows without bounds checks
(``CHECKED``) are trusted only because :mod:`nbops.modelfiles.structure` checks that content first.

Left out on purpose:

* ``scipy.stats`` distributions (in ``RandomizedSearchCV(param_distributions=…)``): their ``__setstate__`` passes
  a text from the state to ``exec``.
* ``sklearn.metrics._dist_metrics.PyFuncDistance*``: call a Python function that the state names.
* ``operator.methodcaller``, ``attrgetter``, ``itemgetter``, bound methods: call by name.
* anything of pandas, and functions that people wrote (``FunctionTransformer(my_function)``): not ours to review.
"""

from __future__ import annotations

_DISTANCES = (
    "BrayCurtis Canberra Chebyshev Dice Euclidean Hamming Haversine Jaccard Kulsinski Mahalanobis Manhattan Matching"
    " Minkowski RogersTanimoto RussellRao SEuclidean SokalMichener SokalSneath"
)


def _names(module: str, names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in names.split())


CHECKED = frozenset(
    {
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._ball_tree.BallTree",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._bsplines._BSpline",  # what the one above holds from SciPy 1.18 on
    }
)
"""Trusted because their content is checked as well."""

TYPES: frozenset[str] = (
    CHECKED
    # Parts of fitted estimators: plain objects of arrays and numbers, filled through __dict__.
    | _names("sklearn.calibration", "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling")
    | _names("sklearn.cluster._bisect_k_means", "_BisectingTree")
    | _names("sklearn.gaussian_process._gpc", "_BinaryGaussianProcessClassifierLaplace")
    | _names("sklearn.impute._iterative", "_ImputerTriplet")  # a named tuple
    | _names("sklearn.multiclass", "_ConstantPredictor")
    | _names("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer")
    # Estimators that scikit-learn shows only once an experimental module was imported.
    | _names("sklearn.model_selection._search_successive_halving", "HalvingGridSearchCV HalvingRandomSearchCV")
    | _names("sklearn.impute._iterative", "IterativeImputer")
    # Losses: a formula each, at most one number of state.
    | _names("sklearn._loss.loss", "HalfTweedieLoss HalfTweedieLossIdentity")
    # Kernels of Gaussian processes: formulas of numbers and of other kernels.
    | _names(
        "sklearn.gaussian_process.kernels",
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter Matern PairwiseKernel"
        " Product RBF RationalQuadratic Sum WhiteKernel",
    )
    # Distances: formulas; the weighted ones hold an array. Not PyFuncDistance, which calls what it is given.
    | frozenset(f"sklearn.metrics._dist_metrics.{n}Distance{bits}" for n in _DISTANCES.split() for bits in (32, 64))
    # How a search split its rows and scored: numbers, and a scoring function that must itself be trusted.
    | _names(
        "sklearn.model_selection._split",
        "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut LeavePOut PredefinedSplit"
        " RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold"
        " StratifiedShuffleSplit TimeSeriesSplit _CVIterableWrapper",
    )
    | _names("sklearn.metrics._scorer", "_CurveScorer _MultimetricScorer _PassthroughScorer _Scorer")
    | _names("sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest")
    # Containers and selectors: a dictionary with attributes; which columns by dtype or pattern.
    | _names("sklearn.utils._bunch", "Bunch")
    | _names("sklearn.compose._column_transformer", "make_column_selector")
    # A function with some arguments fixed; the function must itself be trusted.
    | _names("functools", "partial")
    # numpy: type descriptions and the abstract number types that selectors name.
    | _names("numpy", "dtype number integer floating signedinteger unsignedinteger inexact complexfloating generic")
    # scipy's sparse matrices: read from .npz with allow_pickle=False, which checks their indices.
    | frozenset(
        f"scipy.sparse._{kind}.{kind}_{form}"
        for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
        for form in ("matrix", "array")
    )
)

FUNCTIONS: frozenset[str] = (
    # Pooling of features (FeatureAgglomeration) and the like: arithmetic on one array.
    _names("numpy", "amax amin max mean median min prod ptp std sum var")
    # How BSpline turns numbers into arrays, before SciPy 1.18.
    | _names("scipy._lib.array_api_compat.numpy._aliases", "asarray")
    # How HistGradientBoosting reads its numerical columns.
    | _names("sklearn.utils.validation", "check_array")
    # One run of Lloyd's or Elkan's algorithm (BisectingKMeans keeps which).
    | _names("sklearn.cluster._kmeans", "_kmeans_single_elkan _kmeans_single_lloyd")
    # Scores of single features: arrays in, arrays out.
    | _names("sklearn.feature_selection._univariate_selection", "chi2 f_classif f_oneway f_regression r_regression")
    | _names("sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression")
    # Every scoring function that scikit-learn has a name for: arrays in, a number out.
    | _names(
        "sklearn.metrics._classification",
        "accuracy_score balanced_accuracy_score brier_score_loss d2_brier_score d2_log_loss_score f1_score fbeta_score"
        " jaccard_score log_loss matthews_corrcoef precision_score recall_score",
    )
    | _names("sklearn.metrics._ranking", "average_precision_score roc_auc_score top_k_accuracy_score")
    | _names(
        "sklearn.metrics._regression",
        "d2_absolute_error_score explained_variance_score max_error mean_absolute_error"
        " mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance"
        " mean_squared_error mean_squared_log_error mean_tweedie_deviance median_absolute_error r2_score"
        " root_mean_squared_error root_mean_squared_log_error",
    )
    | _names("sklearn.metrics._scorer", "negative_likelihood_ratio positive_likelihood_ratio")
    | _names(
        "sklearn.metrics.cluster._supervised",
        "adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score homogeneity_score"
        " mutual_info_score normalized_mutual_info_score rand_score v_measure_score",
    )
)

TRUSTED = tuple(sorted(TYPES | FUNCTIONS))
"""What is passed to skops, beside its own defaults."""

REFUSED = {
    "Birch": "its tree of subclusters refers to itself; skops can't write it",
}
"""Public estimators of scikit-learn that can't be kept as skops files, and why."""
