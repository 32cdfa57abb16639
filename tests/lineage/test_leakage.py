"""Leakage from what was seen: proved by content, suspected, or said not to be checkable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from notebook_sessions import Book, opened

from nbops.core.models import Outcome
from nbops.lineage.leakage import MANY, Finding, LeakKind, check
from nbops.promotion import candidates
from nbops.promotion.evidence import Agreement, Bounds, Evidence
from nbops.promotion.gates.leakage import leakage
from nbops.settings import DeploymentSettings

IMPORTS = """
import numpy as np, pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
names = ["a", "b", "c"]
"""
FIT = "model = Ridge().fit(train[names], train['y'])\nmean_absolute_error(test['y'], model.predict(test[names]))"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"]).assign(y=lambda f: f["a"] * 2 + 1)
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame.head(150).to_csv(tmp_path / "train.csv", index=False)
    frame.tail(50).to_csv(tmp_path / "test.csv", index=False)
    frame.tail(90).to_csv(tmp_path / "overlapping.csv", index=False)
    with opened(tmp_path, {}) as made:
        yield made


def found(book: Book, *cells: str) -> tuple[Finding, ...]:
    book.cells = {"imports": IMPORTS, **{f"cell{i}": text for i, text in enumerate(cells)}}
    book.run()
    assert book.session.run is not None
    return check(book.ws, book.session.run.id)


def gated(book: Book, model: str | None = None) -> tuple[Outcome, str]:
    assert book.session.run is not None
    candidate = candidates.find(book.ws, book.session.run.id, candidate=model)
    wishes = DeploymentSettings()
    result = leakage(
        Evidence(book.ws, candidate, None, wishes, Bounds.of(wishes, None), (), Agreement(asked=False, given=None))
    )
    return result.outcome, result.why


def test_rows_of_separate_files_are_compared(book: Book) -> None:
    (one,) = found(book, "train, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')", FIT)
    assert (one.kind, one.certain) == (LeakKind.NONE, True)
    assert one.why == "of the 50 rows it was judged on, 0 (0.0%) are among the 150 that it was trained on"
    assert gated(book)[0] is Outcome.PASSED


def test_test_rows_among_the_training_rows_are_proved_and_refused(book: Book) -> None:
    (one,) = found(book, "train, test = pd.read_csv('train.csv'), pd.read_csv('overlapping.csv')", FIT)
    assert (one.kind, one.certain, one.cells) == (LeakKind.SHARED, True, ("In [3] of book.ipynb",))
    assert one.ids == ("cell1",)
    assert "of the 90 rows it was judged on, 40 (44.4%) are among the 150 that" in one.why
    outcome, why = gated(book)
    assert outcome is Outcome.FAILED
    assert "In [3] of book.ipynb" in why


def test_a_shuffled_split_shares_nothing_whatever_the_data_came_from(book: Book) -> None:
    split = "train, test = train_test_split(pd.read_csv('all.csv').query('a > -9'), random_state=0)"
    (one,) = found(book, split, FIT)
    assert (one.kind, one.certain) == (LeakKind.NONE, True)
    assert gated(book)[0] is Outcome.PASSED


def test_fitted_on_all_and_judged_on_a_shuffled_part_of_it(book: Book) -> None:
    cells = (
        "rows = pd.read_csv('all.csv')\ntrain, test = train_test_split(rows, random_state=0)",
        FIT.replace("train[names], train['y']", "rows[names].to_numpy(), rows['y']").replace(
            "predict(test[names])", "predict(test[names].to_numpy())"
        ),
    )
    (one,) = found(book, *cells)
    assert (one.kind, one.certain) == (LeakKind.SHARED, True)
    assert "of the 50 rows it was judged on, 50 (100.0%) are among the 200" in one.why


def test_rows_copied_before_a_shuffled_split_are_in_both(book: Book) -> None:
    twice = "rows = pd.concat([pd.read_csv('all.csv')] * 2, ignore_index=True)"
    (one,) = found(book, f"{twice}\ntrain, test = train_test_split(rows, random_state=0)", FIT)
    # most rows have their copy on the other side; but so would a split of rows that repeat anyway
    assert (one.kind, one.certain) == (LeakKind.SHARED, False)
    assert "rows that repeat by coincidence may explain that" in one.why


def test_the_same_inputs_with_fresh_targets_are_not_proved_to_be_the_same_rows(book: Book) -> None:
    cells = ("train = pd.read_csv('train.csv')", "test = train.assign(y=train['y'] + 1)")
    (one,) = found(book, *cells, FIT.replace("test[names]", "test[names].set_axis(train.index + 7)"))
    assert (one.kind, one.certain) == (LeakKind.SHARED, False)
    assert "150 have inputs of rows that it was trained on, with the same or another target" in one.why
    assert gated(book)[0] is Outcome.NOT_CHECKED


def test_without_a_table_or_without_time_it_is_not_checkable(book: Book) -> None:
    cells = (
        "import scipy.sparse\ntrain, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')",
        FIT.replace("train[names]", "scipy.sparse.csr_array(train[names].to_numpy())").replace(
            "predict(test[names])", "predict(test[names].to_numpy())"
        ),
    )
    (one,) = found(book, *cells)
    assert (one.kind, one.certain, one.leak) == (LeakKind.UNKNOWN, False, False)
    assert gated(book)[0] is Outcome.NOT_CHECKED


def test_a_model_whose_judged_rows_are_not_kept_is_said_to_be_not_checkable(book: Book, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "nbops.toml").write_text("[store]\nkeep_under_mb = 0.001\n")
    for name in ("train.csv", "test.csv"):
        (tmp_path / "few" / name).write_bytes((book.path.parent / name).read_bytes())
    with opened(tmp_path / "few", {}) as other:
        (one,) = found(other, "train, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')", FIT)
    assert (one.model, one.kind, one.why) == ("model", LeakKind.UNKNOWN, "the rows it was judged on were not kept")


def test_a_model_that_could_not_be_kept_is_checked_too(book: Book) -> None:
    fit = FIT.replace("Ridge()", "make_pipeline(FunctionTransformer(lambda x: x * 2), Ridge())")
    (one,) = found(
        book,
        "from sklearn.preprocessing import FunctionTransformer\n"
        "train, test = pd.read_csv('train.csv'), pd.read_csv('overlapping.csv')",
        fit,
    )
    assert (one.kind, one.certain, one.cells) == (LeakKind.SHARED, True, ("In [3] of book.ipynb",))


def test_a_model_that_was_loaded_again_is_the_one_that_was_fitted(book: Book) -> None:
    again = "import pickle\nagain = pickle.loads(pickle.dumps(model))\nmodel = None\n"
    (one,) = found(
        book,
        "train, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')",
        FIT,
        again + "mean_absolute_error(test['y'], again.predict(test[names]))",
    )
    assert (one.model, one.kind, one.certain) == ("model", LeakKind.NONE, True)


def test_rows_that_repeat_anyway_are_a_coincidence(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.integers(0, 3, size=(300, 4)), columns=["a", "b", "c", "y"])
    frame.head(200).to_csv(tmp_path / "train.csv", index=False)
    frame.tail(100).to_csv(tmp_path / "test.csv", index=False)
    with opened(tmp_path, {}) as book:
        (one,) = found(book, "train, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')", FIT)
        assert (one.kind, one.certain) == (LeakKind.SHARED, False)
        assert gated(book)[0] is Outcome.NOT_CHECKED


SCALED = "train, test = train_test_split(X.assign(y=rows['y']), random_state=0)"


def test_a_scaler_fitted_before_the_split_is_proved_by_what_it_gave(book: Book) -> None:
    kinds = found(
        book,
        "rows = pd.read_csv('all.csv')\ninputs = rows[names]",
        "scaler = StandardScaler()\nX = pd.DataFrame(scaler.fit_transform(inputs), columns=names)",
        SCALED,
        FIT,
    )
    proved = [f for f in kinds if f.leak]
    assert [(f.kind, f.certain, f.cells) for f in proved] == [(LeakKind.BEFORE_SPLIT, True, ("In [3] of book.ipynb",))]
    outcome, why = gated(book, "model")
    assert outcome is Outcome.FAILED
    assert "'scaler' (StandardScaler) was fitted on 200 rows, and 100.0% of the rows that 'model' was judged on" in why


def test_a_transformer_that_learns_nothing_may_see_all_rows(book: Book) -> None:
    kinds = found(
        book,
        "from sklearn.preprocessing import PolynomialFeatures\nrows = pd.read_csv('all.csv')\ninputs = rows[names]",
        "wide = PolynomialFeatures()\nX = pd.DataFrame(wide.fit_transform(inputs)).rename(columns=str)",
        "X_train, X_test, y_train, y_test = train_test_split(X, rows['y'], random_state=0)",
        "model = Ridge().fit(X_train, y_train)\nmean_absolute_error(y_test, model.predict(X_test))",
    )
    assert [f.kind for f in kinds] == [LeakKind.NONE]


def test_a_scaler_fitted_before_the_split_in_two_steps_is_suspected(book: Book) -> None:
    kinds = found(
        book,
        "rows = pd.read_csv('all.csv')\ninputs = rows[names]",
        "scaler = StandardScaler().fit(inputs)\nX = pd.DataFrame(scaler.transform(inputs), columns=names)",
        SCALED,
        FIT,
    )
    suspected = [f for f in kinds if f.leak]
    assert [(f.kind, f.certain, f.cells) for f in suspected] == [
        (LeakKind.BEFORE_SPLIT, False, ("In [3] of book.ipynb",))
    ]
    outcome, why = gated(book, "model")
    assert outcome is Outcome.NOT_CHECKED  # a suspicion refuses nothing
    assert "'scaler' (StandardScaler) was fitted on 200 rows" in why


def test_a_scaler_fitted_on_the_training_rows_is_not_suspected(book: Book) -> None:
    split = "train, test = train_test_split(pd.read_csv('all.csv'), random_state=0)"
    kinds = found(book, split, FIT.replace("Ridge()", "make_pipeline(StandardScaler(), Ridge())"))
    assert [f.kind for f in kinds] == [LeakKind.NONE]
    scaled = "scaler = StandardScaler()\ntrain[names] = scaler.fit_transform(train[names])"
    kinds = found(book, split, scaled, "test[names] = scaler.transform(test[names])", FIT)
    assert [f.kind for f in kinds if f.model == "model"][-1:] == [LeakKind.NONE]
    assert not any(f.leak for f in kinds)


def test_many_models_judged_on_one_test_set(book: Book) -> None:
    loop = f"alpha = {{}}\n{FIT.replace('Ridge()', 'Ridge(alpha=alpha)')}"
    reads = "train, test = pd.read_csv('train.csv'), pd.read_csv('test.csv')"
    kinds = found(book, reads, *(loop.format(i / 7) for i in range(MANY - 1)))
    assert LeakKind.SELECTION not in {f.kind for f in kinds}
    kinds = found(book, reads, *(loop.format(i / 7) for i in range(MANY)))
    one = next(f for f in kinds if f.kind is LeakKind.SELECTION)
    assert not one.certain
    assert f"{MANY} models were judged" in one.why
