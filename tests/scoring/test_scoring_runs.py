"""Scoring: streamed, whole or not at all, and the same input and version are the same run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from deployed_model import CITIES, deployed, fitted, register, rows
from nbops.core.errors import SettingsError, UnknownNameError, UsageError
from nbops.core.runs import RunKind, RunStatus
from nbops.profiles.profile import Profile
from nbops.scoring.score import score
from nbops.store import deployments, records, runs
from nbops.store.liveness import partial
from nbops.workspace import Workspace

KEYED = '[deployments.taxi]\nkey = ["id", "n"]\n'


def folder_of(ws: Workspace, scoring: object) -> Path:
    return ws.root / scoring.output  # type: ignore[attr-defined]


def test_every_row_gets_the_models_prediction_an_id_and_where_it_comes_from(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", KEYED)
    data = rows(500, seed=1)
    data.to_csv(tmp_path / "2012-01.csv", index=False)
    seen: list[int] = []
    scoring = score(ws, "taxi", [tmp_path / "2012-01.csv"], ws.root / "out", progress=seen.append)

    table = pd.read_parquet(folder_of(ws, scoring) / "predictions.parquet")
    expected = fitted(rows(600)).predict(data[["x", "n", "city"]])
    np.testing.assert_allclose(table["prediction"], expected)
    assert list(table["id"]) == list(data["id"])
    assert list(table["n"]) == list(data["n"]) and table["n"].dtype == "int64"
    assert table["prediction_id"].is_unique
    assert set(table["version"]) == {1} and set(table["model"]) == {"taxi"} and set(table["run"]) == {scoring.run}
    assert set(table["scored_at"]) == {pd.Timestamp("2012-01-01", tz="UTC")}
    assert (scoring.period, scoring.rows, scoring.rejected) == ("2012-01", 500, 0)
    assert seen[-1] == 500

    assert sorted(p.name for p in folder_of(ws, scoring).iterdir()) == ["manifest.json", "predictions.parquet"]
    manifest = json.loads((folder_of(ws, scoring) / "manifest.json").read_text())
    assert manifest["scoring"]["predictions"] == scoring.predictions == manifest["files"][0]["digest"]
    run = runs.get(ws.store, scoring.run)
    assert (run.kind, run.status) == (RunKind.SCORE, RunStatus.COMPLETED)
    assert {a.digest for a in records.artifacts(ws.store, run.id)} == {scoring.predictions, scoring.profile}
    profile = Profile.from_bytes(ws.artifacts.read_bytes(scoring.profile or ""))
    assert [c.name for c in profile.columns] == ["x", "n", "city", "prediction"]
    assert profile.rows == 500
    assert profile.column("prediction").mean == pytest.approx(expected.mean())


def test_the_same_input_and_version_are_the_same_run_whatever_the_file_is_called(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(50, seed=1).to_csv(tmp_path / "a.csv", index=False)
    shutil.copy(tmp_path / "a.csv", tmp_path / "b.csv")
    first = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    assert score(ws, "taxi", [tmp_path / "b.csv"], ws.root / "out") == first
    assert len(deployments.scorings(ws.store, "taxi")) == 1
    assert len(runs.listed(ws.store)) == 1


def test_another_version_is_another_run_with_other_prediction_ids(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(50, seed=1).to_csv(tmp_path / "a.csv", index=False)
    first = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    other = rows(600, seed=7)
    register(ws, fitted(other), other[["x", "n", "city"]], other["y"])
    second = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    assert second.run != first.run and second.version == 2 and second.output != first.output
    ids = [pd.read_parquet(folder_of(ws, s) / "predictions.parquet")["prediction_id"] for s in (first, second)]
    assert not set(ids[0]) & set(ids[1])


def test_a_deleted_output_folder_is_made_again_from_the_artifacts(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(50, seed=1)
    data.loc[3, "x"] = np.nan
    data.to_csv(tmp_path / "a.csv", index=False)
    first = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    before = {p.name: p.read_bytes() for p in folder_of(ws, first).iterdir()}
    assert set(before) == {"manifest.json", "predictions.parquet", "quarantine.csv"}
    shutil.rmtree(ws.root / "out")
    assert score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out") == first
    assert {p.name: p.read_bytes() for p in folder_of(ws, first).iterdir()} == before
    elsewhere = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "elsewhere")
    assert elsewhere.run == first.run
    assert (folder_of(ws, elsewhere) / "predictions.parquet").read_bytes() == before["predictions.parquet"]


def test_a_damaged_output_folder_is_not_overwritten(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(50, seed=1).to_csv(tmp_path / "a.csv", index=False)
    first = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    (folder_of(ws, first) / "predictions.parquet").unlink()
    with pytest.raises(UsageError, match=r"isn't the whole output of run .*; move it away"):
        score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")


def test_csv_and_parquet_and_several_files_give_the_same_predictions(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(90, seed=1)
    data.to_csv(tmp_path / "whole.csv", index=False)
    data.to_parquet(tmp_path / "whole.parquet")
    data.assign(city=data["city"].astype("category")).to_parquet(tmp_path / "category.parquet")
    data.to_csv(tmp_path / "whole.tsv", index=False, sep="\t")
    data.head(40).to_csv(tmp_path / "part-1.csv", index=False)
    data.tail(50)[["y", "city", "n", "x", "id"]].to_csv(tmp_path / "part-2.csv", index=False)
    wanted = None
    for name in ("whole.csv", "whole.parquet", "category.parquet", "whole.tsv", "part-*.csv"):
        scoring = score(ws, "taxi", [tmp_path / name], ws.root / "out")
        found = pd.read_parquet(folder_of(ws, scoring) / "predictions.parquet")["prediction"]
        wanted = found if wanted is None else wanted
        pd.testing.assert_series_equal(found, wanted)
    assert [s.period for s in deployments.scorings(ws.store, "taxi")][-1] == "part-1_to_part-2"


def test_a_block_border_changes_nothing_and_types_do_not_flip(tmp_path: Path) -> None:
    """`x` looks like whole numbers for 5 MB, then has halves: a guess per block would make it integer first."""
    ws = deployed(tmp_path / "w")
    data = rows(200_000, seed=2)
    data["x"] = data["n"] // 4 + np.where(data.index < 199_000, 0.0, 0.5)
    data.astype({"x": str}).replace({"x": r"\.0$"}, "", regex=True).to_csv(tmp_path / "big.csv", index=False)
    scoring = score(ws, "taxi", [tmp_path / "big.csv"], ws.root / "out")
    found = pd.read_parquet(folder_of(ws, scoring) / "predictions.parquet")
    np.testing.assert_allclose(found["prediction"], fitted(rows(600)).predict(data[["x", "n", "city"]]))
    assert found["prediction_id"].is_unique and scoring.rejected == 0


def test_bad_rows_are_quarantined_with_a_reason_and_can_be_corrected_and_scored(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(60, seed=1).astype({"x": object, "n": object})
    data.loc[5, "x"] = "abc"
    data.loc[7, "n"] = 2.5
    data.loc[9, "city"] = None
    data.loc[11, "x"] = "inf"
    lines = data.to_csv(index=False).splitlines()
    lines.insert(21, "r,1")  # after 20 rows, too few fields
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    scoring = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    assert (scoring.rows, scoring.rejected) == (56, 5)
    kept = pd.read_csv(folder_of(ws, scoring) / "quarantine.csv")
    reasons = dict(zip(kept["source_row"], kept["reason"], strict=True))
    assert sorted(reasons) == [5, 7, 9, 11, 20]
    assert "'abc'" in reasons[5] and "'x'" in reasons[5]
    assert "'2.5'" in reasons[7] and "'n'" in reasons[7]
    assert "'city'" in reasons[9]
    assert "infinite" in reasons[11]
    assert reasons[20] == "2 fields, the header has 5"
    assert kept.loc[kept["source_row"] == 20, "source_text"].item() == "r,1"
    found = pd.read_parquet(folder_of(ws, scoring) / "predictions.parquet")
    rows_scored = [int(i.rpartition("-")[2]) for i in found["prediction_id"]]
    assert rows_scored == [i for i in range(60) if i not in (5, 7, 9, 11)]

    corrected = kept[kept["source_row"] != 20].assign(x=0.0, n=1, city=CITIES[0])
    corrected.to_csv(tmp_path / "corrected.csv", index=False)
    again = score(ws, "taxi", [tmp_path / "corrected.csv"], ws.root / "out")
    assert (again.rows, again.rejected) == (4, 0)


def test_more_than_five_percent_rejected_rows_raise_one_alert(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(100, seed=1)
    data.loc[:4, "x"] = np.nan
    data.to_csv(tmp_path / "five.csv", index=False)
    score(ws, "taxi", [tmp_path / "five.csv"], ws.root / "out")
    assert deployments.alerts(ws.store) == []
    data.loc[:5, "x"] = np.nan
    data.to_csv(tmp_path / "six.csv", index=False)
    for _ in range(2):
        score(ws, "taxi", [tmp_path / "six.csv"], ws.root / "out")
    (alert,) = deployments.alerts(ws.store)
    assert alert.kind == "rejected rows" and "6 of 100 rows (6.0 %)" in alert.message


def test_an_input_of_bad_rows_only_is_complete_with_all_of_them_in_quarantine(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(30, seed=1).assign(x=np.inf).to_csv(tmp_path / "a.csv", index=False)
    scoring = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    assert (scoring.rows, scoring.rejected) == (0, 30)
    assert pq.read_table(folder_of(ws, scoring) / "predictions.parquet").num_rows == 0
    assert len(pd.read_csv(folder_of(ws, scoring) / "quarantine.csv")) == 30


def test_a_classifier_gives_each_class_its_probability(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", classifier=True)
    rows(80, seed=1).to_csv(tmp_path / "a.csv", index=False)
    scoring = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")
    found = pd.read_parquet(folder_of(ws, scoring) / "predictions.parquet")
    both = found[["probability_late", "probability_on time"]]
    np.testing.assert_allclose(both.sum(axis=1), 1)
    assert (found["prediction"] == np.where(both["probability_late"] > 0.5, "late", "on time")).all()


def test_two_at_once_make_one_scoring(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(3000, seed=1).to_csv(tmp_path / "a.csv", index=False)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out"), range(4)))
    assert len({s.run for s in made}) == 1
    assert len(deployments.scorings(ws.store, "taxi")) == 1
    status = [r.status for r in runs.listed(ws.store)]
    assert status.count(RunStatus.COMPLETED) == 1
    assert set(status) <= {RunStatus.COMPLETED, RunStatus.CACHED}
    assert [p.name for p in (ws.root / "out").iterdir()] == [Path(made[0].output).name]


def test_a_key_may_not_have_a_name_of_ours(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", '[deployments.taxi]\nkey = ["run"]\n')
    rows(30).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SettingsError, match="'run' is a column nbops writes"):
        score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out")


def test_an_unknown_deployment_is_named(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    with pytest.raises(UnknownNameError, match=r"no deployment 'taxis'; did you mean 'taxi'"):
        score(ws, "taxis", ["a.csv"], ws.root / "out")


def test_the_period_may_be_given_and_makes_a_fit_folder_name(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(30).to_csv(tmp_path / "a.csv", index=False)
    scoring = score(ws, "taxi", [tmp_path / "a.csv"], ws.root / "out", period="2012/01 β..")
    assert scoring.period == "2012/01 β.."
    name = os.path.basename(scoring.output)  # noqa: PTH119 - the text itself is looked at
    assert name.startswith("2012_01_β___taxi-v1__") and folder_of(ws, scoring).is_dir()


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    rows(30).to_csv(tmp_path / "a.csv", index=False)
    named = "from nbops.store.liveness import partial; print(partial('x'))"
    gone = subprocess.run([sys.executable, "-c", named], capture_output=True, text=True, check=True).stdout.strip()
    elsewhere, here = ".x.w-1-2-elsewhere-0a0a0a0a.partial", partial("x")
    out = ws.root / "out"
    for name in (gone, elsewhere, here, ".mine.partial", ".x.o.1.a"):
        (out / name).mkdir(parents=True)
    score(ws, "taxi", [tmp_path / "a.csv"], out)
    left = sorted(p.name for p in out.iterdir() if p.name.startswith("."))
    assert left == sorted([elsewhere, here, ".mine.partial", ".x.o.1.a"])
