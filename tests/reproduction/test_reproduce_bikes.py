"""The bikes' training, done again: the same, on changed data, without its data, from the notebook alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bike_months import months_of

from nbops.capture.keeping import copied
from nbops.core.canonical import parse
from nbops.core.errors import UnknownNameError
from nbops.core.models import Action, Field, ModelVersion, Promotion, Signature
from nbops.core.reproduction import Reproduction, Verdict
from nbops.core.runs import RunKind
from nbops.fingerprints.fingerprint import fingerprint
from nbops.pipeline.execute import run_notebook
from nbops.render.difference import difference_text
from nbops.render.reproduction import reproduction_html, reproduction_text
from nbops.reproduction.difference import difference
from nbops.reproduction.original import original
from nbops.reproduction.reproduce import reproduce
from nbops.reproduction.restore import KEPT
from nbops.store import data_contents, models, records, runs
from nbops.store.artifacts import digest_of


def nbops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def findings(result: Reproduction, verdict: Verdict) -> set[tuple[int, str, str]]:
    return {(c.cell, f.what, f.name) for c in result.cells for f in c.findings if f.verdict is verdict}


def test_the_training_done_again_gives_the_same_model_and_leaves_the_original_alone(bikes, tmp_path: Path) -> None:
    mine = bikes.copy(tmp_path / "p")
    ws = mine.ws()
    before = {f: digest_of(f) for f in mine.root.rglob("*") if f.is_file() and ".sqlite" not in f.name}
    done = nbops(mine.root, "reproduce", bikes.run.id[:8], "--json", "--html", "report.html")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "identical"
    same = {(c["cell"], f["what"], f["name"]) for c in answer["cells"] for f in c["findings"]}
    # the parameters that papermill injected are cell 2
    assert {(2, "parameter", "max_iter"), (3, "input", "data/training.parquet"), (3, "data written", "rides")} <= same
    assert {(4, "model", "model"), (4, "metric", "mean_absolute_error"), (5, "model", "model")} <= same
    assert {r["what"]: r["exact"] for r in answer["restored"]} == {"notebook": True, "input": True}
    page = (mine.root / "report.html").read_text()
    assert "identical" in page
    assert "mean_absolute_error" in page

    assert {f: digest_of(f) for f in before} == before
    assert {f for f in mine.root.rglob("*") if f.is_file() and ".sqlite" not in f.name} - set(before) == {
        mine.root / "report.html"
    }
    assert [r.id for r in runs.listed(ws.store, kinds=[RunKind.STEP])] == [bikes.run.id]
    (check,) = runs.children(ws.store, bikes.run.id)
    assert (check.kind, check.tags, check.detail["verdict"]) == (RunKind.CHECK, ("reproduction",), "identical")
    assert check.id == answer["check"]


def test_changed_data_is_named_with_the_first_variable_and_column(bikes, tmp_path: Path) -> None:
    import pandas as pd

    mine = bikes.copy(tmp_path / "p")
    file = mine.root / "data" / "training.parquet"
    rides = pd.read_parquet(file)
    rides.loc[rides.index[100], "temp"] += 0.01
    rides.to_parquet(file)
    done = nbops(mine.root, "reproduce", bikes.run.id, "--json", "--html", "report.html")
    assert done.returncode == 4, done.stderr
    assert "column <code>temp</code>" in (mine.root / "report.html").read_text()
    assert "did not come out the same" in done.stderr
    answer = json.loads(done.stdout)
    first = answer["first"]
    assert (first["cell"], first["column"]) == (3, "temp")
    assert first["name"] in ("rides", "past")  # both are made in that cell
    assert "data/training.parquet has changed since" in answer["why"]
    assert [r["exact"] for r in answer["restored"] if r["what"] == "input"] == [False]
    verdicts = {(c["cell"], f["name"]): f["verdict"] for c in answer["cells"] for f in c["findings"]}
    assert verdicts[3, "month"] == "identical"  # it comes from another column
    assert verdicts[4, "model"] == "different"


def test_data_whose_content_is_kept_comes_back_whatever_has_become_of_the_file(bikes, tmp_path: Path) -> None:
    mine = bikes.copy(tmp_path / "p")
    ws = mine.ws()
    file = mine.root / "data" / "training.parquet"
    ws.artifacts.put_file(file)
    file.write_bytes(file.read_bytes() + b"more")
    result = reproduce(ws, bikes.run.id)
    assert result.verdict is Verdict.IDENTICAL
    assert {r.name: (r.how, r.exact) for r in result.restored}["data/training.parquet"] == (
        "from the artifact store",
        True,
    )


def test_without_its_data_it_could_not_be_done(bikes, tmp_path: Path) -> None:
    mine = bikes.copy(tmp_path / "p")
    (mine.root / "data" / "training.parquet").unlink()
    done = nbops(mine.root, "reproduce", bikes.run.id)
    assert done.returncode == 1
    assert "couldn't: the input data/training.parquet is gone, and its content was not kept" in done.stdout
    (check,) = runs.children(mine.ws().store, bikes.run.id)
    assert check.status == "FAILED"


def test_data_that_was_kept_comes_back_when_the_file_is_gone(bikes, tmp_path: Path) -> None:
    mine = bikes.copy(tmp_path / "p")
    ws, file = mine.ws(), mine.root / "data" / "training.parquet"
    kept = copied(ws, file, fingerprint(file).digest or "", run=bikes.run.id)  # as a session does by default
    assert kept is not None
    with ws.store.transaction() as tx:
        data_contents.add(tx, [kept])
    file.unlink()
    result = reproduce(ws, bikes.run.id)
    assert result.verdict is Verdict.IDENTICAL
    assert [(r.name, r.how) for r in result.restored if r.what == "input"] == [("data/training.parquet", KEPT)]
    assert not (mine.root / "data" / "training.parquet").exists()


def test_an_executed_notebook_is_enough_where_there_is_no_store(bikes, tmp_path: Path) -> None:
    mine = bikes.copy(tmp_path / "p", store=False)
    executed = bikes.root / ".nbops" / "runs" / bikes.run.id / "train.ipynb"
    (mine.root / "sent.ipynb").write_bytes(executed.read_bytes())
    result = reproduce(mine.ws(), str(mine.root / "sent.ipynb"))
    assert (result.verdict, result.run) == (Verdict.IDENTICAL, bikes.run.id)
    assert (4, "model", "model") in findings(result, Verdict.IDENTICAL)
    assert any("the store has no run" in note for note in result.notes)

    cells = json.loads(executed.read_text())
    code = [c for c in cells["cells"] if c["cell_type"] == "code"]
    code[2]["source"] = ["x = 1"]
    (mine.root / "edited.ipynb").write_text(json.dumps(cells))
    edited = reproduce(mine.ws(), str(mine.root / "edited.ipynb"))
    assert edited.verdict is Verdict.COULD_NOT
    assert "was edited after it ran" in edited.why
    for draw in (reproduction_text, reproduction_html):
        assert "was edited after it ran" in draw(edited)


def test_a_model_version_stands_for_the_run_that_made_it(bikes, tmp_path: Path) -> None:
    ws = bikes.copy(tmp_path / "p").ws()
    made = records.models(ws.store, bikes.run.id)[0]
    version = ModelVersion(
        name="bikes",
        number=1,
        run=bikes.run.id,
        artifact=made.digest or "",
        format="skops",
        type=made.type,
        signature=Signature(inputs=(), output=Field(name="cnt", type="integer"), task="regression"),
        profile=None,
        evaluation=None,
        metrics={},
        libraries={},
        created_at=bikes.run.started_at,
        created_by="test",
    )
    promoted = Promotion(
        id="p1",
        model="bikes",
        alias="production",
        deployment=None,
        action=Action.PROMOTED,
        from_version=None,
        to_version=1,
        run=bikes.run.id,
        results=(),
        by="test",
        at=bikes.run.started_at,
    )
    with ws.store.transaction() as tx:
        models.add(tx, version)
        models.record(tx, promoted)
    run = bikes.run.id[:8]
    executed = str(bikes.root / ".nbops" / "runs" / bikes.run.id / "train.ipynb")
    named = {
        "models:/bikes/1": None,
        "models:/bikes@production": None,
        f"runs:/{run}/model": None,
        f"runs:/{run}/metrics/mean_absolute_error": "mean_absolute_error",
        f"{run}/mean_absolute_error": "mean_absolute_error",
        str(ws.root / "train.ipynb"): None,
        executed: None,
    }
    for name, metric in named.items():
        known = original(ws, name)
        assert (known.run_id, known.params, known.metric) == (bikes.run.id, {"max_iter": 20}, metric), name
        assert difference(ws, name, run).changes == (), name
    with pytest.raises(UnknownNameError, match="model version"):
        original(ws, "models:/bikes/7")


def test_two_trainings_differ_in_what_was_changed(bikes, tmp_path: Path, data_dir: Path) -> None:
    mine = bikes.copy(tmp_path / "p")
    months_of(data_dir, "2011-06", "2011-07", "2011-08").to_parquet(mine.root / "data" / "training.parquet")
    notebook = mine.root / "train.ipynb"
    assert "random_state=0)" in notebook.read_text()
    notebook.write_text(notebook.read_text().replace("random_state=0)", "random_state=0, max_depth=4)", 1))
    ws = mine.ws()
    other = run_notebook(ws, notebook, params={"max_iter": 30})
    result = difference(ws, bikes.run.id, other.id)
    changes = {(c.what, c.name): c for c in result.changes}
    assert (changes["parameter", "max_iter"].a, changes["parameter", "max_iter"].b) == (20, 30)
    assert changes["metric", "mean_absolute_error"].a != changes["metric", "mean_absolute_error"].b
    rows = [records.of_run(ws.store, r)[2].writes for r in (bikes.run.id, other.id)]
    counts = [next(u.fingerprint.shape[0] for u in writes if u.name == "rides") for writes in rows]
    assert f"{counts[1] - counts[0]} rows more" in changes["data", "rides"].why
    assert "temp" in changes["data", "rides"].why
    assert "data/training.parquet" in {name for what, name in changes if what == "data"}
    assert "median moved" in changes["distribution", "model: temp"].why  # it is summer
    assert ("distribution", "model: hr") not in changes  # a day has the same hours
    cell = changes["code", "cell [4]"]
    assert "+model = HistGradientBoostingRegressor" in cell.detail
    assert "max_depth=4" in cell.detail
    assert [name for what, name in changes if what == "code"] == ["cell [2]", "cell [4]"]
    text = difference_text(result)
    assert "max_depth=4" in text
    assert "model: temp" in text
    assert difference(ws, other.id, other.id).changes == ()

    shown = nbops(mine.root, "diff", bikes.run.id, other.id, "--json")
    assert shown.returncode == 4, shown.stderr
    assert parse(shown.stdout)["changes"][0]["what"] == "parameter"
