"""URIs, versions, metrics by name, and loading what was registered."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, Ridge

import nbops
from nbops.core.errors import (
    ExecutionError,
    SettingsError,
    UnknownNameError,
    UntrustedModelError,
    UsageError,
)
from nbops.core.models import Action, Field, ModelVersion, Promotion, Signature
from nbops.core.runs import CellRecord, CellStatus, ModelUse, Run, RunKind, RunStatus
from nbops.metrics import known as metrics
from nbops.metrics.compute import compute
from nbops.modelfiles.save import save
from nbops.registry import resolve
from nbops.registry.loading import library_notes, load_version
from nbops.registry.versions import Allowance, libraries_here, libraries_of, register
from nbops.store import models, records, runs
from nbops.workspace import Workspace, open_workspace

AT = datetime(2026, 1, 2, tzinfo=UTC)
X = np.arange(12.0).reshape(6, 2)
Y = X.sum(axis=1)
SIGNATURE = Signature(
    inputs=(Field(name="x0", type="number"), Field(name="x1", type="number")),
    output=Field(name="y", type="number"),
    task="regression",
)


class Halving(LinearRegression):
    """Not reviewed."""


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "nbops.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    for name in ("NBOPS_HOME", "NBOPS_STORE", "NBOPS_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    return open_workspace(tmp_path)


def a_run(ws: Workspace, model: object, run_id: str = "ab12", **environment: object) -> tuple[Run, ModelUse]:
    saved = save(model, ws.artifacts)
    run = Run(
        id=run_id,
        kind=RunKind.BLOCK,
        name="r",
        experiment="e",
        status=RunStatus.COMPLETED,
        started_at=AT,
        environment=environment,
    )
    use = ModelUse(name="best model", type=saved.type, digest=saved.digest, format=saved.format)
    record = CellRecord(
        run=run_id, seq=0, cell_id=None, source="s", execution_count=1, status=CellStatus.OK, models=(use,)
    )
    with ws.store.transaction() as tx:
        runs.save(tx, run)
        records.add(tx, record)
    return run, use


def registered(ws: Workspace, run: Run, use: ModelUse, allowance: Allowance | None = None) -> ModelVersion:
    with ws.store.transaction() as tx:
        version = register(
            tx,
            "bikes",
            run,
            use,
            signature=SIGNATURE,
            profile=None,
            evaluation=None,
            metrics={},
            judged=None,
            allowance=allowance or Allowance(),
            by="ann",
            at=AT,
        )
        models.record(
            tx,
            Promotion(
                id=f"p{version.number}",
                model="bikes",
                alias="production",
                deployment=None,
                action=Action.PROMOTED,
                from_version=None,
                to_version=version.number,
                run=run.id,
                results=(),
                by="ann",
                at=AT,
            ),
        ) if not models.history(tx, "bikes") else None
    return version


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("models:/bikes/3", {"name": "bikes", "version": 3}),
        ("models:/bikes@production", {"name": "bikes", "alias": "production"}),
        ("models:/my%20bikes@a@b", {"name": "my bikes@a", "alias": "b"}),
        ("runs:/ab12/best%20model", {"name": "best model", "run": "ab12"}),
    ],
)
def test_uris_are_parsed_and_written(uri: str, parts: dict[str, object]) -> None:
    parsed = resolve.parse(uri)
    assert parsed == resolve.ModelUri(**parts)  # type: ignore[arg-type]
    assert resolve.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "uri",
    [
        "bikes",
        "models:/",
        "models:/bikes",
        "models:/bikes/0",
        "models:/bikes/x",
        "models:/a/b/1",
        "models:/@x",
        "runs:/ab12",
        "runs:/a/b/c",
        "data:/x@1",
        "",
    ],
)
def test_what_is_no_uri(uri: str) -> None:
    with pytest.raises(UsageError, match="is no model URI; expected models:/NAME/VERSION"):
        resolve.parse(uri)


def test_load_model_by_version_alias_and_run(ws: Workspace) -> None:
    model = Ridge().fit(X, Y)
    run, use = a_run(ws, model)
    registered(ws, run, use)
    for uri in ("models:/bikes/1", "models:/bikes@production", "runs:/ab/best model"):
        np.testing.assert_array_equal(nbops.load_model(uri).predict(X), model.predict(X))
    with pytest.raises(UnknownNameError, match="no model 'bike'; did you mean 'bikes'"):
        nbops.load_model("models:/bike/1")
    with pytest.raises(UnknownNameError, match="bikes/2"):
        nbops.load_model("models:/bikes/2")
    with pytest.raises(UnknownNameError, match="'prod'; known: production"):
        nbops.load_model("models:/bikes@prod")
    with pytest.raises(UnknownNameError, match="best model"):
        nbops.load_model("runs:/ab/modell")


def test_registering_the_same_again_gives_the_same_number(ws: Workspace) -> None:
    run, use = a_run(ws, Ridge().fit(X, Y))
    other, again = a_run(ws, Ridge().fit(X, Y), "cd34")
    assert [registered(ws, *pair).number for pair in ((run, use), (run, use), (other, again))] == [1, 1, 2]
    with pytest.raises(UsageError, match="was not kept: too large"):
        registered(ws, run, dataclasses.replace(use, digest=None, reason="too large"))


def test_a_run_version_of_unreviewed_types_needs_a_yes(ws: Workspace) -> None:
    run, use = a_run(ws, Halving().fit(X, Y))
    name = f"{Halving.__module__}.Halving"
    with pytest.raises(UntrustedModelError, match=name):
        nbops.load_model("runs:/ab12/best model")
    assert isinstance(nbops.load_model("runs:/ab12/best model", allow=[name]), Halving)
    version = registered(ws, run, use, Allowance(types=(name,), by="ann", why="mine"))
    assert isinstance(load_version(ws, version), Halving)
    with pytest.raises(UntrustedModelError):
        load_version(ws, dataclasses.replace(version, allowed_types=()))
    with pytest.raises(UntrustedModelError, match="doesn't say who"):
        load_version(ws, dataclasses.replace(version, allowed_by=None))


def test_libraries_are_those_of_the_run_and_a_difference_is_a_note(ws: Workspace) -> None:
    run, use = a_run(ws, Ridge().fit(X, Y), python="3.9.1", packages={"sklearn": "0.24.2", "numpy": np.__version__})
    version = registered(ws, run, use)
    assert version.libraries["python"] == "3.9.1"
    assert version.libraries["scipy"] == libraries_here()["scipy"]
    notes = library_notes(version)
    assert [n.split(" with ")[1].split(" ")[0] for n in notes] == ["sklearn", "python"]
    assert isinstance(load_version(ws, version), Ridge)
    same = dataclasses.replace(version, libraries=libraries_of(dataclasses.replace(run, environment={})))
    assert library_notes(same) == ()


def test_a_file_that_cannot_be_loaded_here_names_the_difference(ws: Workspace) -> None:
    run, use = a_run(ws, Halving().fit(X, Y), packages={"sklearn": "0.24.2"})
    name = f"{Halving.__module__}.Halving"
    version = registered(ws, run, use, Allowance(types=(name,), by="ann", why="mine"))
    kept, globals()["Halving"] = globals()["Halving"], None
    try:
        with pytest.raises(ExecutionError, match=r"trained with sklearn 0\.24\.2"):
            load_version(ws, version)
    finally:
        globals()["Halving"] = kept


def test_metrics_by_name_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.random(50), rng.random(50)
    for name, kind in metrics.KINDS.items():
        if kind.task == "regression":
            assert compute(name, y, p) == pytest.approx(getattr(sk, name)(y, p))
    assert compute("MAE", y, p) == sk.mean_absolute_error(y, p)
    assert metrics.full_name("sklearn.metrics.r2_score") == metrics.full_name("r2") == "r2_score"
    with pytest.raises(SettingsError, match="'mea' is not known; did you mean 'mse' or 'mae'"):
        compute("mea", y, p)


@pytest.mark.parametrize("names", [(0, 1), ("no", "yes"), ("a", "b", "c")])
def test_metrics_of_classes(names: tuple[object, ...]) -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(names), 80)
    probabilities = rng.dirichlet(np.ones(len(names)), 80)
    y = np.array(names)[index]
    p = np.array(names)[probabilities.argmax(axis=1)]

    def value(name: str) -> float:
        return compute(name, y, p, probabilities, names)

    assert value("accuracy") == sk.accuracy_score(y, p)
    assert value("log_loss") == pytest.approx(sk.log_loss(y, probabilities, labels=list(names)))
    if len(names) == 2:
        assert value("auc") == pytest.approx(sk.roc_auc_score(index, probabilities[:, 1]))
        assert value("brier") == pytest.approx(sk.brier_score_loss(index, probabilities[:, 1]))
        assert value("average_precision") == pytest.approx(sk.average_precision_score(index, probabilities[:, 1]))
        assert value("f1") == pytest.approx(sk.f1_score(index, probabilities.argmax(axis=1)))
    else:
        assert value("auc") == pytest.approx(sk.roc_auc_score(index, probabilities, multi_class="ovr"))
        assert value("f1") == pytest.approx(sk.f1_score(index, probabilities.argmax(axis=1), average="macro"))
    assert math.isnan(compute("auc", y, p))


def test_what_has_no_value_is_never_better() -> None:
    assert math.isnan(compute("mae", np.array([math.nan]), np.array([1.0])))
    nan = math.nan
    assert not any(metrics.better("mae", a, b) for a, b in ((nan, 1.0), (1.0, nan), (nan, nan), (1.0, math.inf)))
    assert metrics.better("mae", 1.0, 1.0)
    assert not metrics.better("mae", 1.0, 1.0, 0.01)
    assert metrics.better("mae", 0.99, 1.0, 0.01)
    assert metrics.better("r2", 0.9, 0.8, 0.1)
    assert not metrics.better("r2", 0.8, 0.9)
    assert metrics.better("r2", -1.0, -2.0, 0.5)
    assert metrics.as_error("r2", 0.9) == pytest.approx(0.1)
    assert metrics.as_error("mae", 3.0) == 3.0
    assert metrics.as_error("bias", -2.0) == 2.0
