"""What is handed on comes back as it was, or is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression

from nbops.core import redaction
from nbops.core.canonical import canonical
from nbops.core.errors import CorruptArtifactError, UnknownNameError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline.handover import input as take
from nbops.pipeline.handover import output
from nbops.store import records, runs


@pytest.fixture(autouse=True)
def inside(project, monkeypatch):
    monkeypatch.chdir(project.root)


FRAME = pd.DataFrame(
    {"n": [1, 2, None], "s": ["x", "é", None], "t": pd.to_datetime(["2011-01-01", None, "2012-02-29"], utc=True)},
    index=pd.Index(["a", "b", "c"], name="key"),
)


@pytest.mark.parametrize("frame", [FRAME, FRAME.iloc[:0], pd.DataFrame({"c": pd.Categorical(["u", "v"])})])
def test_a_frame_comes_back_with_its_index_and_types(frame):
    output("rides", frame)
    pd.testing.assert_frame_equal(take("rides"), frame)


@pytest.mark.parametrize("name", ["y", None])
def test_a_series_comes_back_with_its_name(name):
    series = pd.Series([1.5, None, 3], name=name)
    output("target", series)
    pd.testing.assert_series_equal(take("target"), series)


def test_tables_arrays_and_models_come_back():
    table = pa.table({"x": [1, 2], "y": ["a", None]})
    output("table", table)
    assert take("table").equals(table)
    array = np.arange(6, dtype="int16").reshape(2, 3)
    output("array", array)
    np.testing.assert_array_equal(take("array"), array)
    assert take("array").dtype == array.dtype
    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    output("model", model)
    np.testing.assert_array_equal(take("model").predict([[2.0]]), model.predict([[2.0]]))


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True], "big": 2**70}, [], "text", 0, 1.0, False, None])
def test_json_comes_back_with_its_types(value):
    output("plain", value)
    found = take("plain")
    assert found == value
    assert type(found) is type(value)


def test_numbers_of_numpy_come_back_as_pythons():
    output("scores", {"mae": np.float64(0.5), "rows": [np.int64(3)], "well": np.bool_(True)})
    assert canonical(take("scores")) == canonical({"mae": 0.5, "rows": [3], "well": True})
    output("mae", np.float32(0.5))
    assert (take("mae"), type(take("mae"))) == (0.5, float)


def test_nan_comes_back_as_nan():
    output("plain", {"x": math.nan})
    assert math.isnan(take("plain")["x"])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "a builtins.object can't be handed on; known: frame"),
        ({1: "x"}, "the key 1 is no string"),
        ({"x": {1, 2}}, "a set has no canonical form"),
        (pd.DataFrame({"x": [1, "a", b"b"]}), "frame can't hold this value"),
        (np.array([object()]), "array can't hold this value"),
    ],
)
def test_what_has_no_format_is_refused_and_leaves_nothing(project, value, says):
    with pytest.raises(UsageError, match=says):
        output("odd", value)
    ws = project.ws()
    assert not ws.store.exists()
    assert list(ws.artifacts.digests()) == ws.artifacts.leftovers() == []


@pytest.mark.parametrize(
    "made",
    [
        lambda key: {"auth": [key]},
        lambda key: pd.DataFrame({"key": [key] * 3}),
        lambda key: np.array([key]),
        lambda key: ColumnTransformer([(key, "drop", [0])]).fit([[0.0], [1.0]]),
    ],
    ids=["json", "frame", "array", "model"],
)
def test_a_secret_is_not_handed_on(project, monkeypatch, made):
    monkeypatch.setattr(redaction, "_HIDDEN", [])
    redaction.hide("tulip moon lamp")
    with pytest.raises(UsageError, match="it holds a secret"):
        output("conf", made("tulip moon lamp"))
    assert [file for file in (project.root / ".nbops" / "artifacts").rglob("*") if file.is_file()] == []
    output("conf", made("tulip"))


def test_equal_values_are_kept_once_and_the_newest_of_a_name_counts(project):
    output("n", FRAME)
    output("n", FRAME.copy())
    assert len(list(project.ws().artifacts.digests())) == 1
    output("n", 2)
    assert take("n") == 2


def test_a_name_that_nobody_handed_on():
    with pytest.raises(UnknownNameError, match=r"no notebook in this workspace has called nbops.output\('rides'"):
        take("rides")


def test_in_a_step_only_what_the_steps_before_it_made_is_found(monkeypatch, project):
    output("n", "old")
    store = project.ws().store
    old = runs.listed(store)[0]
    assert (old.kind, old.status) == (RunKind.BLOCK, RunStatus.COMPLETED)
    digest = records.artifacts(store, old.id)[0].digest
    output("n", "new")
    monkeypatch.setenv("NBOPS_INPUTS", json.dumps({"n": digest}))
    assert take("n") == "old"
    with pytest.raises(UnknownNameError, match="known: n"):
        take("m")


def test_damaged_content_is_not_given_out(project):
    output("n", [1, 2, 3])
    artifacts = project.ws().artifacts
    path = artifacts.path(next(artifacts.digests()))
    path.chmod(0o644)
    path.write_text("[1,2,4]")
    with pytest.raises(CorruptArtifactError):
        take("n")
