"""Sweeps: what a space is, the runs that come of it, going on with what is missing, and Optuna with pruning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbops.core.errors import ParameterError, RefusedError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.notebook.files import Notebook
from nbops.notebook.parameters import schema
from nbops.pipeline.sweep import run_sweep
from nbops.pipeline.sweep_space import drawn, grid, space
from nbops.pipeline.tuning import should_prune
from nbops.store import runs

CELL = "lr = 0.1\ndepth = 3\nloss: Literal['a', 'b'] = 'a'\ncolumns = ['x']\nname = ''\nday: date = None"


def dimensions(**given: str):
    body = {"cell_type": "code", "source": CELL, "metadata": {"tags": ["parameters"]}}
    known = schema(Notebook(path=Path("n.ipynb"), data={"nbformat": 4, "cells": [body]}))
    return space(known, given, "n.ipynb")


def test_values_ranges_and_every_combination() -> None:
    found = dimensions(
        lr="0.01, 0.1,1e0", depth="2..4", loss="a", columns="['x', 'y'],['z']", name='"a,b",c', day="2011-01-01"
    )
    assert [tuple(each.countable) for each in found] == [
        (0.01, 0.1, 1.0),
        (2, 3, 4),
        ("a",),
        (["x", "y"], ["z"]),
        ("a,b", "c"),
        ("2011-01-01",),
    ]
    points = grid(found)
    assert len(points) == 3 * 3 * 2 * 2
    assert points[0] == {"lr": 0.01, "depth": 2, "loss": "a", "columns": ["x", "y"], "name": "a,b", "day": "2011-01-01"}
    assert dimensions(depth="1,2,1")[0].values == (1, 2)


def test_a_grid_that_nobody_can_try_is_counted_and_refused_not_built() -> None:
    for high, said in (
        ("1000000000", r"3,000,000,000 trials \(lr 3 × depth 1,000,000,000\)"),
        ("1" + "0" * 30, "trials"),
    ):
        found = dimensions(lr="0.01,0.1,1", depth=f"1..{high}", loss="a")
        with pytest.raises(UsageError, match=said + r".* has 100,000 at most; .*--random N.*--optuna N"):
            grid(found)
        assert len(drawn(found, 5, seed=0)) == 5
    assert len(grid(dimensions(depth="1..100000"))) == 100_000
    with pytest.raises(UsageError, match="200,000 trials are too many"):
        drawn(found, 200_000, seed=0)


def test_drawn_points_lie_in_the_space_differ_and_come_again() -> None:
    found = dimensions(lr="log:0.001..1", depth="1..3", loss="a,b")
    points = drawn(found, 20, seed=1)
    assert points == drawn(found, 20, seed=1) != drawn(found, 20, seed=2)
    assert len({json.dumps(p) for p in points}) == 20
    assert all(0.001 <= p["lr"] <= 1 and p["depth"] in (1, 2, 3) and p["loss"] in "ab" for p in points)
    assert len(drawn(dimensions(depth="1..3"), 20, seed=0)) == 3


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"lr": "0.1,x"}, ParameterError, "'lr' must be a number, not 'x'"),
        ({"dept": "1,2"}, ParameterError, "no parameter 'dept'; did you mean 'depth'"),
        ({"loss": "a,c"}, ParameterError, "must be one of 'a', 'b'"),
        ({"depth": "8..2"}, ParameterError, "a range goes up"),
        ({"lr": "log:0..1"}, ParameterError, "a range goes up, from above 0"),
        ({"depth": "1..2.5"}, ParameterError, "'depth' must be an integer, not '2.5'"),
    ],
)
def test_what_is_no_space_is_said(given: dict[str, str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        dimensions(**given)


def test_a_range_without_a_grid_and_a_metric_that_nobody_knows(project) -> None:
    notebook = project.notebook("n.ipynb", "# parameters\n" + CELL)
    for how, says in (
        ({}, "lr goes over a range that has no grid"),
        ({"optuna": 3}, "--metric NAME"),
        ({"optuna": 3, "metric": "mine"}, "more of the metric 'mine' better"),
        ({"optuna": 3, "random": 3}, "not both"),
        ({"random": 3, "timeout_s": 0}, "timeout_s is 0 s: it is more than 0"),
    ):
        with pytest.raises(UsageError, match=says):
            run_sweep(project.ws(), notebook, {"lr": "0.1..0.2"}, **how)
    assert not project.ws().store.exists()


TRAIN = (
    "# parameters\nlr = 0.1\ndepth = 3",
    "import os, nbops\nif depth == 3 and not os.path.exists('mended'):\n    raise ValueError('not today')",
    "nbops.log_metric('mae', (lr - 0.1) ** 2 + depth)",
)


def test_a_grid_is_gone_on_with_and_its_best_is_named(project):
    notebook = project.notebook("train.ipynb", *TRAIN)
    given = {"lr": "0.1,0.2", "depth": "2..3"}
    told = []
    first = run_sweep(project.ws(), notebook, given, metric="mae", jobs=2, progress=told.append)
    assert (first.run.kind, first.run.status, first.run.error) == (
        RunKind.SWEEP,
        RunStatus.FAILED,
        "2 of 4 trials failed",
    )
    assert [(t.point, t.value, t.run.status) for t in first.trials][:2] == [
        ({"lr": 0.1, "depth": 2}, 2.0, "COMPLETED"),
        ({"lr": 0.2, "depth": 2}, pytest.approx(2.01), "COMPLETED"),
    ]
    assert {t.run.status for t in first.trials[2:]} == {RunStatus.FAILED}
    assert first.best == first.trials[0].run.id
    assert runs.params(project.ws().store, first.best)["lr"] == 0.1
    assert {e.step for e in told if e.state == "failed"} == {"train[lr=0.1, depth=3]", "train[lr=0.2, depth=3]"}

    (project.root / "mended").touch()
    again = run_sweep(project.ws(), notebook, given, metric="mae")
    assert (again.run.id, again.run.status, again.run.error) == (first.run.id, RunStatus.COMPLETED, None)
    assert [t.value for t in again.trials] == [2.0, pytest.approx(2.01), 3.0, pytest.approx(3.01)]
    assert len(runs.children(project.ws().store, again.run.id)) == 6, "what had completed was not run again"
    # nothing is missing now
    assert run_sweep(project.ws(), notebook, given, metric="mae").trials == again.trials
    assert len(runs.children(project.ws().store, again.run.id)) == 6
    # another space is another sweep
    other = run_sweep(project.ws(), notebook, {"lr": "0.1"}, metric="mae")
    assert other.run.id != again.run.id
    assert [trial.run.name for trial in other.trials] == ["train"], "nothing varies that would tell trials apart"


def test_the_same_sweep_twice_at_once_is_refused(project):
    from dataclasses import replace

    from nbops.store.liveness import this_process

    notebook = project.notebook("train.ipynb", "# parameters\nn = 1", "1")
    ws = project.ws()
    done = run_sweep(ws, notebook, {"n": "1"})
    with ws.store.transaction() as tx:
        runs.save(tx, replace(done.run, status=RunStatus.IN_PROGRESS, owner=this_process()))
    with pytest.raises(RefusedError, match="this sweep is running"):
        run_sweep(ws, notebook, {"n": "1"})


MODEL = (
    "# parameters\nalpha = 1.0",
    "import numpy as np, pandas as pd\nfrom sklearn.linear_model import Ridge\n"
    "from sklearn.metrics import mean_absolute_error\nx = np.random.default_rng(0).normal(size=(400, 2))\n"
    "frame = pd.DataFrame(x, columns=['a', 'b'])\ny = pd.Series(3 * x[:, 0] - x[:, 1], name='y')",
    "model = Ridge(alpha=alpha).fit(frame[:300], y[:300])\nmean_absolute_error(y[300:], model.predict(frame[300:]))",
)


def test_the_best_is_promoted_by_its_id_and_its_metric_found_by_its_short_name(project):
    from nbops.promotion.promote import promote
    from nbops.store import models

    notebook = project.notebook("train.ipynb", *MODEL)
    done = run_sweep(project.ws(), notebook, {"alpha": "0.01,100"}, metric="mae")
    assert [t.point["alpha"] for t in done.trials] == [0.01, 100.0]
    assert done.maximize is False
    assert done.best is not None
    promotion = promote(project.ws(), done.best[:8], name="lines")
    version = models.aliased(project.ws().store, "lines", "production")
    assert (promotion.to_version, version.run) == (1, done.best)


PRUNES = (
    "# parameters\nx = 0.0",
    "import nbops\nfor epoch in range(3):\n    if nbops.should_prune(abs(x - 3) + 3 - epoch, epoch):\n"
    "        nbops.skip(f'pruned at {epoch}')",
    "nbops.log_metric('mae', abs(x - 3))",
)


def test_optuna_chooses_prunes_and_goes_on(project):
    notebook = project.notebook("train.ipynb", *PRUNES)
    how = {"optuna": 8, "metric": "mae", "seed": 1}
    done = run_sweep(project.ws(), notebook, {"x": "0.0..10.0"}, **how)
    assert done.run.status == RunStatus.COMPLETED
    assert len(done.trials) == 8
    states = [t.run.status for t in done.trials]
    pruned = [t for t in done.trials if t.pruned]
    assert pruned, "Optuna's median rule prunes after five trials; seed 1 has a bad one then"
    assert all(t.run.status == RunStatus.SKIPPED and t.value is None for t in pruned)
    assert states.count(RunStatus.COMPLETED) + len(pruned) == 8
    values = [t.value for t in done.trials if t.value is not None]
    assert values == sorted(values)
    assert done.best == done.trials[0].run.id
    again = run_sweep(project.ws(), notebook, {"x": "0.0..10.0"}, **how)
    assert [t.run.id for t in again.trials] == [t.run.id for t in done.trials]


def test_a_study_gone_on_with_draws_other_points_and_counts_what_is_finished(tmp_path: Path) -> None:
    from nbops.pipeline.tuning import Study

    found = dimensions(lr="0.1..0.9", depth="1..9")
    first = Study(tmp_path / "j.log", maximize=False, seed=0)
    number, point, variables = first.ask(found)
    assert json.loads(variables["NBOPS_TRIAL"])["journal"] == str(tmp_path / "j.log")
    first.tell(number, 1.0, pruned=False)
    first.ask(found)  # and then its process is killed
    again = Study(tmp_path / "j.log", maximize=False, seed=0)
    assert again.finished == 1
    number, other, _ = again.ask(found)
    assert (number, other["lr"] != point["lr"]) == (2, True)
    again.tell(number, None, pruned=True)
    assert again.finished == 2


def test_outside_of_a_sweep_nothing_is_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBOPS_TRIAL", raising=False)
    assert should_prune(1e9, 0) is False
