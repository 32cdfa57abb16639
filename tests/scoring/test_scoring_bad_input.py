"""Inputs and stores that are not as they should be: said in one sentence, nothing visible, nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import resource
from pathlib import Path

import numpy as np
import pytest

from deployed_model import deployed, rows
from nbops.core.errors import CorruptArtifactError, ExecutionError, InputDataError, NbopsError, StoreFullError
from nbops.core.runs import RunStatus
from nbops.scoring.score import score
from nbops.store import deployments, models, runs
from nbops.workspace import Workspace


def refused(ws: Workspace, file: Path, match: str, error: type[NbopsError] = InputDataError) -> None:
    """Scoring `file` fails with a message like `match`; no output, no scoring; the run, if any, says why."""
    with pytest.raises(error, match=match):
        score(ws, "taxi", [file], ws.root / "out")
    assert not (ws.root / "out").exists() or not list((ws.root / "out").iterdir())
    assert deployments.scorings(ws.store, "taxi") == []
    for run in runs.listed(ws.store):
        assert run.status is RunStatus.FAILED and error.__name__ in (run.error or "")
    assert ws.artifacts.leftovers() == []


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return deployed(tmp_path / "w")


def test_a_missing_column(ws: Workspace, tmp_path: Path) -> None:
    rows(30).rename(columns={"city": "town"}).to_csv(tmp_path / "a.csv", index=False)
    refused(ws, tmp_path / "a.csv", r"a\.csv: the column 'city' is missing, a model's input.*; add it")
    rows(30).drop(columns="x").to_parquet(tmp_path / "a.parquet")
    refused(ws, tmp_path / "a.parquet", r"a\.parquet: the column 'x' is missing")


def test_a_missing_key_column(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", '[deployments.taxi]\nkey = ["trip"]\n')
    rows(30).to_csv(tmp_path / "a.csv", index=False)
    refused(ws, tmp_path / "a.csv", "the column 'trip' is missing, a deployment's key")


def test_a_changed_type(ws: Workspace, tmp_path: Path) -> None:
    rows(30).assign(x="high").to_csv(tmp_path / "a.csv", index=False)
    refused(ws, tmp_path / "a.csv", r"'x' has changed its type: the model was trained on number.*30 of 30.*'high'")
    rows(30).assign(n=np.linspace(0, 1, 30)).to_parquet(tmp_path / "a.parquet")
    refused(ws, tmp_path / "a.parquet", "'n' has changed its type: the model was trained on integer")


@pytest.mark.parametrize("content", [b"id,x,n,city,y\n", b"", b"\n\n"])
def test_no_rows(ws: Workspace, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    refused(ws, tmp_path / "a.csv", "no rows|is empty")


def test_no_rows_in_parquet(ws: Workspace, tmp_path: Path) -> None:
    rows(3).head(0).to_parquet(tmp_path / "a.parquet")
    refused(ws, tmp_path / "a.parquet", "there are no rows to score")


def test_not_utf8(ws: Workspace, tmp_path: Path) -> None:
    text = rows(30).to_csv(index=False).replace("Łódź", "Köln")
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    refused(ws, tmp_path / "a.csv", r"a\.csv: line \d+ is not UTF-8 \(byte 0xf6 at position \d+\); save it as UTF-8")


def test_unreadable_files(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 this is no Parquet file, PAR1")
    refused(ws, tmp_path / "a.parquet", r"a\.parquet can't be read")
    (tmp_path / "a.xlsx").write_bytes(b"")
    refused(ws, tmp_path / "a.xlsx", "neither CSV")
    refused(ws, tmp_path / "none.csv", r"no file matches '.*none\.csv'")
    refused(ws, tmp_path, "is a folder; name CSV or Parquet files")
    (tmp_path / "twice.csv").write_text("x,x,n,city\n1,2,3,Bonn\n")
    refused(ws, tmp_path / "twice.csv", "the column 'x' is there twice")


def test_files_of_one_input_have_the_same_columns(ws: Workspace, tmp_path: Path) -> None:
    rows(30).to_csv(tmp_path / "p1.csv", index=False)
    rows(30).drop(columns="y").to_csv(tmp_path / "p2.csv", index=False)
    refused(ws, tmp_path / "p*.csv", "'y' is in one file of the input only")


def test_a_file_that_changes_while_it_is_read(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows(30).to_csv(file, index=False)

    def append(_: int) -> None:
        with file.open("a") as more:
            more.write("late,1,1,Bonn,1\n")

    with pytest.raises(InputDataError, match="changed while it was read"):
        score(ws, "taxi", [file], ws.root / "out", progress=append)
    assert deployments.scorings(ws.store, "taxi") == [] and not (ws.root / "out").exists()


def test_a_corrupt_model(ws: Workspace, tmp_path: Path) -> None:
    rows(30).to_csv(tmp_path / "a.csv", index=False)
    path = ws.artifacts.path(models.get(ws.store, "taxi", 1).artifact)
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(ws, tmp_path / "a.csv", "is damaged", CorruptArtifactError)


def test_a_model_that_fails_is_said(ws: Workspace, tmp_path: Path) -> None:
    """The contract lets a new city pass (it is drift); a model whose encoder was not told so refuses it."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from deployed_model import register

    train = rows(200)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"), LinearRegression()
    )
    model.fit(train[["x", "n", "city"]], train["y"])
    register(ws, model, train[["x", "n", "city"]], train["y"])
    rows(30).assign(city="Oslo").to_csv(tmp_path / "a.csv", index=False)
    refused(
        ws, tmp_path / "a.csv", r"the model \(Pipeline\) failed to predict 30 rows: ValueError: .*Oslo", ExecutionError
    )


def _score_with_little_space(ws: Workspace, file: Path, limit: int, out: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        score(ws, "taxi", [file], ws.root / out)
    except StoreFullError as error:
        os._exit(28 if "free some space" in str(error) else 1)
    except BaseException:  # noqa: BLE001 - any other error is a failure of the test
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("limit", [0, 2_000, 30_000])
def test_a_full_disk_leaves_nothing_and_the_next_try_completes(ws: Workspace, tmp_path: Path, limit: int) -> None:
    rows(3000, seed=3).to_csv(tmp_path / "a.csv", index=False)
    ws.store.close()
    child = multiprocessing.get_context("fork").Process(
        target=_score_with_little_space, args=(ws, tmp_path / "a.csv", limit, "out")
    )
    child.start()
    child.join()
    assert child.exitcode == 28
    assert deployments.scorings(ws.store, "taxi") == []
    assert not (ws.root / "out").exists() or not list((ws.root / "out").iterdir())
    assert ws.artifacts.leftovers() == []
    assert all(run.status is not RunStatus.IN_PROGRESS for run in runs.listed(ws.store))
    scoring = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    assert scoring.rows == 3000
