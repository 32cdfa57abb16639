"""The measures equal exact computations on the raw values, though they only see profiles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from nbops.monitor.bins import bins
from nbops.monitor.measures import chi2_p, ks_noise, measures, psi
from nbops.profiles.profile import ColumnProfile
from nbops.profiles.profiler import profile_batches, profile_table


def profile(values) -> ColumnProfile:
    return profile_table(pa.table({"x": values})).column("x")


def plain_psi(x: np.ndarray, y: np.ndarray) -> float:
    """Decile PSI as written in every tutorial."""
    edges = np.quantile(x, np.linspace(0, 1, 11))
    edges[0], edges[-1] = -np.inf, np.inf
    p, q = (np.maximum(np.histogram(v, edges)[0] / len(v), 1e-4) for v in (x, y))
    return float(((q - p) * np.log(q / p)).sum())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform"])
def test_numbers_against_scipy(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    x, y = getattr(rng, shape)(size=6000), getattr(rng, shape)(size=900) * 1.3 + 0.1
    seen = measures(profile(x), profile(y))
    assert seen["psi"] == pytest.approx(plain_psi(x, y), rel=1e-9)
    assert seen["ks"] == pytest.approx(stats.ks_2samp(x, y).statistic, rel=1e-9)
    assert seen["wasserstein"] == pytest.approx(stats.wasserstein_distance(x, y) / x.std(), rel=1e-9)
    assert "new_categories" not in seen and "share_change" not in seen


def test_numbers_against_scipy_through_a_sketch() -> None:
    rng = np.random.default_rng(11)
    x, y = rng.gamma(2, size=200_000), rng.gamma(2.2, size=100_000)
    seen = measures(*(profile_batches(pa.table({"x": v}).to_batches(5000)).column("x") for v in (x, y)))
    assert seen["psi"] == pytest.approx(plain_psi(x, y), abs=0.002)
    assert seen["ks"] == pytest.approx(stats.ks_2samp(x, y).statistic, abs=0.003)
    assert seen["wasserstein"] == pytest.approx(stats.wasserstein_distance(x, y) / x.std(), abs=0.003)


@pytest.mark.parametrize("seed", range(5))
def test_categories_against_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet([3] * 8, size=2)
    x, y = rng.choice(list("abcdefgh"), 4000, p=p), rng.choice(list("abcdefgh"), 700, p=q)
    seen = measures(profile(x.tolist()), profile(y.tolist()))
    counts = np.array([[np.sum(v == c) for c in "abcdefgh"] for v in (x, y)])
    a, b = counts[0] / 4000, counts[1] / 700
    assert seen["js"] == pytest.approx(jensenshannon(a, b, base=2), rel=1e-9)
    assert seen["kl"] == pytest.approx(rel_entr(np.maximum(b, 1e-4), np.maximum(a, 1e-4)).sum(), rel=1e-9)
    assert seen["share_change"] == pytest.approx(np.abs(a - b).max())
    if counts.min() >= 8:  # nothing to pool
        assert seen["chi2_p"] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, rel=1e-6)
    assert "ks" not in seen


def test_few_whole_numbers_are_categories_and_numbers() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 24, 4000), rng.integers(2, 24, 900)
    seen = measures(profile(x), profile(y.astype(float)))  # nulls made pandas turn them into floats
    both = bins(profile(x), profile(y))
    assert both is not None and len(both.labels) == 24
    assert seen["ks"] == pytest.approx(stats.ks_2samp(x, y).statistic)
    assert seen["wasserstein"] == pytest.approx(stats.wasserstein_distance(x, y) / x.std())
    assert seen["new_categories"] == 0 and seen["share_change"] > 0


def test_leaving_a_heap_of_equal_values_is_seen() -> None:
    rng = np.random.default_rng(4)
    tail = rng.exponential(size=2000) + 0.5
    x, y = np.concatenate([np.zeros(3000), tail]), np.concatenate([np.full(3000, 0.01), tail])
    assert plain_psi(x[x >= 0], y) < 0.01  # cut at repeated deciles, one bin holds 0 and 0.01
    assert measures(profile(x), profile(y))["psi"] > 5
    assert measures(profile(np.full(500, 2.5)), profile(np.full(500, 2.6)))["psi"] > 5
    assert measures(profile(np.full(500, 2.5)), profile(np.full(500, 2.6)))["wasserstein"] == np.inf
    assert measures(profile(np.full(500, 2.5)), profile(np.full(300, 2.5)))["wasserstein"] == 0


VALUES = st.one_of(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=300),
    st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=300),
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=2)), min_size=1),
    st.lists(st.booleans(), min_size=1),
)


@settings(deadline=None, max_examples=150)
@given(values=VALUES)
@example(values=[1.5, 1.7976931348623153e308, 1.7976931348623157e308])
def test_nothing_is_far_from_itself(values: list) -> None:
    column = profile(values)
    seen = measures(column, column)
    assert seen.pop("chi2_p", 1.0) == pytest.approx(1.0)
    seen.pop("psi_expected", None)
    assert seen == dict.fromkeys(seen, 0.0)
    assert measures(column, profile(values + values)).get("psi", 0) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=80), st.lists(st.floats(-100, 100), min_size=2, max_size=80))
def test_ranges_and_scipy_for_any_numbers(one: list[float], other: list[float]) -> None:
    x, y = profile(one), profile(other)
    seen = measures(x, y)
    assert seen["psi"] >= 0 and seen["kl"] >= 0 and 0 <= seen["js"] <= 1 and 0 <= seen["chi2_p"] <= 1
    assert seen["ks"] == pytest.approx(stats.ks_2samp(one, other, method="asymp").statistic)
    if x.std and x.std > 1e-3:
        exact = stats.wasserstein_distance(one, other) / np.std(one)
        assert seen["wasserstein"] == pytest.approx(exact, rel=1e-6, abs=1e-9)


def test_missing_and_new() -> None:
    x = profile(["a"] * 80 + ["b"] * 20)
    y = profile(["a"] * 50 + ["z"] * 25 + [None] * 25)
    seen = measures(x, y)
    assert seen["missing"] == pytest.approx(0.25)
    assert seen["new_categories"] == pytest.approx(25 / 75)


def test_what_cannot_be_compared_has_only_missing() -> None:
    text, numbers, empty = profile(["a", "b"]), profile([1.5, 2.5]), profile(pa.nulls(3))
    identifiers = profile([f"id{i}" for i in range(2000)])
    for one, other in ((text, numbers), (numbers, empty), (empty, numbers), (identifiers, identifiers)):
        assert set(measures(one, other)) == {"missing"}


def test_text_of_many_values_is_compared_by_its_frequent_ones() -> None:
    rng = np.random.default_rng(8)
    x = [f"w{i}" for i in rng.zipf(1.5, 20_000)]
    y = [f"w{i}" for i in rng.zipf(1.5, 20_000)]
    same = measures(profile(x), profile(y))
    assert same["psi"] < 0.01 and "new_categories" not in same
    moved = measures(profile(x), profile([w.replace("w1", "w2") for w in y]))
    assert moved["psi"] > 0.25


@pytest.mark.parametrize("n_bins", [2, 5, 10])
def test_psi_without_change_is_about_what_is_expected(n_bins: int) -> None:
    rng = np.random.default_rng(9)
    shares = np.full(n_bins, 1 / n_bins)
    draws = [
        psi(rng.multinomial(2000, shares) / 2000, rng.multinomial(500, shares) / 500) for _ in range(2000)
    ]  # fmt: skip
    assert np.mean(draws) == pytest.approx((n_bins - 1) * (1 / 2000 + 1 / 500), rel=0.1)


def test_noise_levels_of_ks_and_chi_square() -> None:
    rng = np.random.default_rng(10)
    over_ks = over_chi = 0
    for _ in range(400):
        x, y = profile(rng.normal(size=400)), profile(rng.normal(size=300))
        seen = measures(x, y)
        over_ks += seen["ks"] > ks_noise(400, 300, 0.05)
        both = bins(x, y)
        assert both is not None
        over_chi += chi2_p(both) < 0.05
    assert 4 <= over_ks <= 36
    assert 4 <= over_chi <= 45


def test_sketches_of_the_rows_in_other_orders_hardly_change_a_measure() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=50_000), rng.normal(0.2, size=50_000)
    runs = [measures(profile(np.concatenate([x[i:], x[:i]])), profile(y)) for i in range(0, 50_000, 10_000)]
    for name, tolerance in {"psi": 0.002, "ks": 0.002, "wasserstein": 0.002, "js": 0.002}.items():
        assert np.ptp([seen[name] for seen in runs]) < tolerance
    assert measures(profile(x), profile(y)) == runs[0]


def test_what_psi_alone_does_not_see() -> None:
    doubled = psi(np.array([0.11, 0.89]), np.array([0.22, 0.78]))
    cuts = stats.norm.ppf(np.linspace(0, 1, 11))
    shifted = psi(np.full(10, 0.1), np.diff(stats.norm.cdf(cuts - 0.3)))
    assert doubled == pytest.approx(0.09, abs=0.005) and shifted == pytest.approx(0.09, abs=0.007)
