"""Which model is meant by a run, a pipeline's run or a notebook."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fitted_runs import X, Y, bad, good, run_with, use, workspace
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from nbops.core.errors import AmbiguousError, NotebookError, UnknownNameError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.promotion.candidates import find
from nbops.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path)


def test_a_run_by_the_beginning_of_its_id(ws: Workspace) -> None:
    model = use(ws, good())
    run = run_with(ws, (model,))
    found = find(ws, run.id[:8])
    assert (found.run, found.model, found.judged, found.refit_of) == (run, model, model, None)
    with pytest.raises(UnknownNameError, match="no run 'zzz'"):
        find(ws, "zzz")


def test_several_models_are_listed(ws: Workspace) -> None:
    one, two = use(ws, good(), name="ridge"), use(ws, bad(), name="stiff")
    run = run_with(ws, (one, two))
    with pytest.raises(AmbiguousError, match=r"--candidate ridge \(Ridge\); --candidate stiff \(Ridge\)"):
        find(ws, run.id)
    assert find(ws, run.id, candidate="stiff").model == two
    with pytest.raises(UnknownNameError, match="did you mean 'stiff'"):
        find(ws, run.id, candidate="stif")


def test_two_names_of_one_model_are_one_candidate(ws: Workspace) -> None:
    run = run_with(ws, (use(ws, good(), name="model"), use(ws, good(), name="best")))
    assert find(ws, run.id).model.name == "model"


def test_only_logged_models_are_candidates_where_one_is_logged(ws: Workspace) -> None:
    logged = use(ws, bad(), name="final", logged=True)
    run = run_with(ws, (use(ws, good()), logged))
    assert find(ws, run.id).model == logged


def test_the_last_of_a_name_counts_and_the_refit_is_judged_by_its_like(ws: Workspace) -> None:
    judged, other, refit = (
        use(ws, good(1)),
        use(ws, good(2)),
        use(ws, Ridge(alpha=0.002).fit(X[:50], Y[:50]), rows=None),
    )
    found = find(ws, run_with(ws, (judged,), (other,), (refit,)).id)
    assert (found.model, found.judged, found.refit_of) == (refit, judged, judged.digest)
    stranger = use(ws, Ridge(alpha=77).fit(X, Y), rows=None)
    assert find(ws, run_with(ws, (judged,), (stranger,)).id).judged is None


def test_a_pipelines_run_stands_for_its_steps(ws: Workspace) -> None:
    whole = run_with(ws, kind=RunKind.PIPELINE, notebook=None)
    run_with(ws, parent=whole.id, notebook="prepare.ipynb")
    step = run_with(ws, (use(ws, good()),), parent=whole.id)
    assert find(ws, whole.id).run == step


def test_a_notebook_stands_for_its_latest_completed_run_with_a_model(ws: Workspace) -> None:
    run_with(ws, (use(ws, bad()),))
    latest = run_with(ws, (use(ws, good()),))
    run_with(ws)
    run_with(ws, (use(ws, bad()),), status=RunStatus.FAILED)
    assert find(ws, str(ws.root / "train.ipynb")).run == latest
    assert find(ws, "train.ipynb").run == latest


def test_notebooks_that_give_none(ws: Workspace) -> None:
    with pytest.raises(NotebookError, match=r"no run of the notebook 'other\.ipynb' is recorded, and there is no such"):
        find(ws, str(ws.root / "other.ipynb"))
    session = run_with(ws, (use(ws, good()),), kind=RunKind.SESSION, status=RunStatus.IN_PROGRESS, ended_at=None)
    with pytest.raises(UsageError, match=f"its session {session.id} is still open: promote that id"):
        find(ws, "train.ipynb")
    assert find(ws, session.id).run.id == session.id


def test_runs_that_give_none(ws: Workspace) -> None:
    with pytest.raises(UsageError, match="made no model"):
        find(ws, run_with(ws, ()).id)
    with pytest.raises(UsageError, match="failed: ValueError: no"):
        find(ws, run_with(ws, (use(ws, good()),), status=RunStatus.FAILED, error="ValueError: no").id)
    lost = dataclasses.replace(use(ws, good()), digest=None, reason="too large")
    with pytest.raises(UsageError, match="was not kept: too large"):
        find(ws, run_with(ws, (lost,)).id)


def test_a_scaler_beside_a_model_is_no_candidate(ws: Workspace) -> None:
    scaler = dataclasses.replace(use(ws, StandardScaler().fit(X), name="scaler", rows=None), signature=None)
    run = run_with(ws, (scaler, use(ws, good(), name="ridge")))
    assert find(ws, run.id).model.name == "ridge"
