"""Runs found by filter and order: against the same question asked of the values in Python."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nbops.core.errors import UsageError
from nbops.core.run_filter import Both, Comparison, Either, Not, Word, parse_filter
from nbops.core.runs import CellRecord, CellStatus, Metric, ModelUse, Run, RunKind, RunStatus
from nbops.store import records, run_search, runs
from nbops.store.database import Database

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Database:
    """Twelve runs: lr 0.1, 0.2, 0.3; mae i; those divisible by 4 failed; the last has no metric and an odd name."""
    database = Database(tmp_path / "s.sqlite")
    with database.transaction() as tx:
        for i in range(12):
            run = Run(
                id=f"{i:02d}abc",
                kind=RunKind.BLOCK,
                name="50%_\"odd\" 'name'" if i == 11 else f"ridge {i}",
                experiment="bikes",
                status=RunStatus.FAILED if i % 4 == 0 else RunStatus.COMPLETED,
                started_at=AT + timedelta(hours=i),
                ended_at=AT + timedelta(hours=i, seconds=i),
                notebook="train.ipynb" if i < 6 else None,
                tags=("nightly",) if i % 2 else (),
                environment={"packages": {"heavy": "1"}},
            )
            runs.save(tx, run)
            runs.set_params(
                tx, run.id, {"lr": [0.1, 0.2, 0.3][i % 3], "depth": i, "solver": "svd" if i < 3 else "lsqr"}
            )
            if i < 11:
                values = [99.0, float(i)]
                records.add_metrics(tx, run.id, 0, [Metric(name="mae", value=v, step=s) for s, v in enumerate(values)])
    return database


def found(store: Database, text: str) -> set[int]:
    return {int(r.run.id[:2]) for r in run_search.search(store, filter=text, limit=100).items}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", set(range(12))),
        ("metrics.mae < 5", set(range(5))),
        ("metrics.mae < 5 and params.lr = 0.1", {0, 3}),
        ("params.lr=0.1 params.depth>=6", {6, 9}),
        ("params.depth = 3", {3}),
        ("params.solver = svd", {0, 1, 2}),
        ("params.solver != svd", set(range(3, 12))),
        ("params.solver ~ VD", {0, 1, 2}),
        ("status = failed", {0, 4, 8}),
        ("not status = FAILED and notebook = train.ipynb", {1, 2, 3, 5}),
        ("metrics.mae = null", {11}),
        ("metrics.mae != null", set(range(11))),
        ("notebook = null", set(range(6, 12))),
        ("tag = nightly and metrics.mae > 6", {7, 9}),
        ("ridge", set(range(11))),
        ("odd", {11}),
        ('"50%_"', {11}),
        ("03", {3}),
        ("seconds >= 9", {9, 10, 11}),
        ("metrics.mae < 2 or metrics.mae > 9", {0, 1, 10}),
        ("(metrics.mae < 2 or metrics.mae > 9) and status != FAILED", {1, 10}),
        ('name = "50%_\\"odd\\" \'name\'"', {11}),
        ('started_at >= "2026-01-01T10"', {10, 11}),
        ("params.`lr` > 0.25", {2, 5, 8, 11}),
    ],
)
def test_a_filter_finds_what_it_says(store: Database, text: str, wanted: set[int]) -> None:
    assert found(store, text) == wanted
    assert run_search.search(store, filter=text, limit=1).total == len(wanted)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metrics.mae <", "a value is expected"),
        ("speed = 3", "there is no field 'speed'"),
        ("(name = a", r"'\)' is missing"),
        ("name = a)", "is not expected here"),
        ('name = "a', "quote open"),
        ("and name = a", "is expected"),
        ("metrics.mae = fast", "is a number"),
        ("(" * 200 + "a" + ")" * 200, "too deep"),
        ("= 3", "is expected"),
        ("metrics.mae < " + "9" * 5000, "too large, at character 15"),
        ("params.lr = 1e999", "too large"),
        (" or ".join(["a"] * 201), "more than 200 fields and words, at character 1001"),
    ],
)
def test_a_bad_filter_says_what_and_where(store: Database, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        run_search.search(store, filter=text)


def test_the_longest_and_deepest_filter_is_one_that_the_database_takes(store: Database) -> None:
    long = " or ".join(["params.a = 1", "metrics.b > 2", "a", "tag = x"] * 37)
    same = run_search.search(store, filter="not (params.a = 1 or metrics.b > 2 or a or tag = x) and b").total
    assert run_search.search(store, filter="not (" * 25 + long + ")" * 25 + " and b" * 50).total == same > 0
    assert run_search.search(store, filter=" and ".join(["not zzz"] * 200)).total > 0


def test_the_tree_of_a_filter() -> None:
    lr = Comparison(space="params", field="lr", operator="=", value=0.1)
    mae = Comparison(space="metrics", field="mae", operator="<", value=50)
    assert parse_filter("metrics.mae<50 and params.lr==0.1") == Both(terms=(mae, lr))
    assert parse_filter("a or not b c") == Either(
        terms=(Word(text="a"), Both(terms=(Not(term=Word(text="b")), Word(text="c"))))
    )
    assert parse_filter("  ") is None


@pytest.mark.parametrize("few", [5000, 3], ids=["sorted as they are", "from an index"])
def test_pages_are_in_order_whole_and_light(store: Database, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_search, "_FEW", few)

    def order(**asked: object) -> list[int]:
        return [int(r.run.id[:2]) for r in run_search.search(store, **asked).items]  # type: ignore[arg-type]

    assert order(limit=3) == [11, 10, 9]
    assert order(limit=3, offset=3) == [8, 7, 6]
    assert order(sort="metrics.mae", descending=False, limit=20) == [*range(11), 11]  # without the metric: last
    assert order(sort="metrics.mae", limit=4, offset=9) == [1, 0, 11]
    assert order(sort="metrics.mae", limit=3, offset=11) == [11]
    assert order(sort="params.depth", limit=2) == [11, 10]
    assert order(sort="seconds", descending=False, limit=2) == [0, 1]
    assert order(sort="name", descending=False, limit=1) == [11]
    (row,) = run_search.search(store, filter="id = 03abc").items
    assert row.params == {"lr": 0.1, "depth": 3, "solver": "lsqr"}
    assert row.metrics == {"mae": 3.0}  # the last step's
    assert row.run.environment == {}
    (row,) = run_search.search(store, filter="id = 03abc", columns=["params.lr"]).items
    assert (row.params, row.metrics) == ({"lr": 0.1}, {})
    assert run_search.columns(store) == {"params": ["depth", "lr", "solver"], "metrics": ["mae"]}
    for bad in ({"sort": "speed"}, {"limit": 0}, {"limit": 5000}, {"offset": -1}):
        with pytest.raises(UsageError):
            run_search.search(store, **bad)  # type: ignore[arg-type]


def test_what_a_run_becomes_is_found_too(store: Database) -> None:
    run = runs.get(store, "03abc")
    with store.transaction() as tx:
        runs.save(
            tx, dataclasses.replace(run, status=RunStatus.FAILED, tags=("late",), ended_at=AT + timedelta(days=9))
        )
        runs.set_params(tx, run.id, {"depth": "deep"})
        records.add_metrics(tx, run.id, 1, [Metric(name="mae", value=1000.0)])
    assert found(store, "tag = late") == found(store, "metrics.mae = 1000") == {3}
    assert found(store, "seconds > 86400") == {3}
    assert 3 not in found(store, "params.depth < 100")
    assert found(store, "params.depth = deep") == {3}


@pytest.mark.parametrize("train_last", [True, False])
def test_a_run_is_listed_with_what_its_model_did_on_rows_it_was_not_fitted_on(
    store: Database, train_last: bool
) -> None:
    test, train = (Metric(name="mae", value=v, model="a1:m", data=f"f1:{v}") for v in (2.0, 1.0))
    record = CellRecord(
        run="05abc",
        seq=1,
        cell_id=None,
        source="",
        execution_count=1,
        status=CellStatus.OK,
        metrics=(
            *([test, train] if train_last else [train, test]),
            Metric(name="best_score_", value=0.5, model="a1:m"),
            Metric(name="r2", value=0.6, model="a1:m", data="f1:1.0"),  # on training rows only
        ),
        models=(ModelUse(name="m", type="Ridge", digest="a1:m", evaluation="a1:e", metrics={"mae": 2.0}),),
    )
    with store.transaction() as tx:
        records.add(tx, record)
    assert records.latest_metrics(store, ["05abc"])["05abc"] == {"mae": 2.0, "best_score_": 0.5, "r2": 0.6}
    assert [m.value for m in records.metrics(store, "05abc") if m.name == "mae"][-2:] == (
        [2.0, 1.0] if train_last else [1.0, 2.0]
    )
