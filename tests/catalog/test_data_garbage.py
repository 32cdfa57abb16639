"""What nothing refers to is found and removed, and nothing else: after promoting, scoring and labelling, everything
still loads."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tracked_cells import tracked

from deployed_model import deployed, fitted, register, rows
from nbops.catalog.garbage import collect
from nbops.core.canonical import canonical
from nbops.core.errors import RefusedError, StoreError
from nbops.core.ids import new_id
from nbops.core.runs import Artifact, CellRecord, CellStatus, Run, RunKind, RunStatus
from nbops.core.wire import to_json
from nbops.monitor.drift import drift
from nbops.monitor.labels import add_labels, known_labels
from nbops.monitor.performance import update
from nbops.registry.loading import load_version
from nbops.scoring.score import score
from nbops.store import deployments, models, records, runs
from nbops.store.liveness import this_process
from nbops.verification.doctor import examine
from nbops.workspace import Workspace, open_workspace


def aged(ws: Workspace, hours: float = 2.0) -> None:
    """Everything kept was put so long ago."""
    then = time.time() - hours * 3600
    for digest in ws.artifacts.digests():
        os.utime(ws.artifacts.path(digest), (then, then))


def digests(ws: Workspace) -> set[str]:
    return set(ws.artifacts.digests())


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A store that holds one run with one artifact, of two hours ago."""
    (tmp_path / "nbops.toml").touch()
    made = open_workspace(tmp_path, environ={})
    now = made.clock.now()
    content = made.artifacts.put_bytes(b"referred to")
    run = Run(
        id=new_id(),
        kind=RunKind.BLOCK,
        name="r",
        experiment="e",
        status=RunStatus.COMPLETED,
        started_at=now,
        ended_at=now,
    )
    with made.store.transaction() as tx:
        runs.save(tx, run)
        records.add_artifact(tx, run.id, 0, Artifact(name="a", kind="file", digest=content, size=11))
    aged(made)
    return made


def test_where_nothing_is_kept_there_is_nothing_to_do_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    empty = open_workspace(tmp_path, environ={})
    assert collect(empty, remove=True).artifacts == ()
    assert not empty.home.exists()


def test_only_what_nothing_refers_to_is_removed_and_only_when_asked(ws: Workspace) -> None:
    used = digests(ws)
    left = ws.artifacts.put_bytes(b"left over")
    aged(ws)
    found = collect(ws)
    assert [(a.digest, a.size) for a in found.artifacts] == [(left, 9)]
    assert (found.removed, found.referenced, found.fresh, found.size) == (False, 1, 0, 9)
    assert digests(ws) == used | {left}
    assert collect(ws, remove=True).artifacts == found.artifacts
    assert digests(ws) == used
    assert ws.artifacts.leftovers() == []
    assert collect(ws, remove=True).artifacts == ()


def test_what_was_put_within_the_hour_is_left_alone_with_what_it_names(ws: Workspace) -> None:
    inner = ws.artifacts.put_bytes(b"inner")
    aged(ws)
    outer = ws.artifacts.put_bytes(json.dumps({"detail": inner}).encode())
    found = collect(ws, remove=True)
    assert (found.artifacts, found.fresh) == ((), 2)
    assert {inner, outer} <= digests(ws)


def test_old_content_that_is_put_again_is_fresh(ws: Workspace, tmp_path: Path) -> None:
    left = ws.artifacts.put_bytes(b"left over")
    (tmp_path / "file").write_bytes(b"left over")
    for put in (
        lambda: ws.artifacts.put_bytes(b"left over"),
        lambda: ws.artifacts.put_file(tmp_path / "file"),
        lambda: _written(ws, b"left over"),
    ):
        aged(ws)
        assert put() == left
        assert collect(ws, remove=True).artifacts == ()
    assert left in digests(ws)


def test_content_put_after_the_plan_was_made_stays(ws: Workspace) -> None:
    left = ws.artifacts.put_bytes(b"left over")
    assert ws.artifacts.remove(left, put_before=time.time() - 60) is False
    assert left in digests(ws)
    assert ws.artifacts.remove(left, put_before=time.time() + 60) is True
    assert ws.artifacts.remove(left, put_before=time.time() + 60) is False


def test_what_was_put_since_an_open_run_began_is_left_alone(ws: Workspace) -> None:
    left = ws.artifacts.put_bytes(b"logged early in a long cell")
    run = Run(
        id=new_id(),
        kind=RunKind.BLOCK,
        name="long",
        experiment="e",
        status=RunStatus.IN_PROGRESS,
        started_at=ws.clock.now() - timedelta(hours=5),
        owner=this_process(),
    )
    with ws.store.transaction() as tx:  # the row that will refer to what it put isn't there yet
        runs.save(tx, run)
    aged(ws, hours=4)
    assert (collect(ws, remove=True).artifacts, left in digests(ws)) == ((), True)
    with ws.store.transaction() as tx:
        runs.save(tx, dataclasses.replace(run, status=RunStatus.FAILED))
    assert [a.digest for a in collect(ws, remove=True).artifacts] == [left]


def test_the_whole_of_a_record_too_small_to_name_it_stays(ws: Workspace) -> None:
    (run,) = runs.listed(ws.store)
    record = CellRecord(run=run.id, seq=0, cell_id=None, source="j1:", execution_count=1, status=CellStatus.OK)
    mine = ws.artifacts.put_bytes(canonical(to_json(record)).encode())
    unknown = ws.artifacts.put_bytes(canonical(to_json(dataclasses.replace(record, run=new_id()))).encode())
    aged(ws)
    assert [a.digest for a in collect(ws, remove=True).artifacts] == [unknown]
    assert mine in digests(ws)


def test_what_a_notebook_or_other_kept_content_names_is_referred_to(ws: Workspace) -> None:
    in_notebook = ws.artifacts.put_bytes(b"named by a notebook")
    chained = ws.artifacts.put_bytes(b"named by the next")
    manifest = ws.artifacts.put_bytes(b"x" * (1 << 20) + chained.encode())  # across the border of a read
    (ws.root / "deep").mkdir()
    (ws.root / "deep" / "n.ipynb").write_text(json.dumps({"cells": [{"outputs": [in_notebook, manifest]}]}))
    aged(ws)
    assert collect(ws, remove=True).artifacts == ()
    assert {in_notebook, chained, manifest} <= digests(ws)
    (ws.root / "deep" / "n.ipynb").unlink()
    assert {a.digest for a in collect(ws).artifacts} == {in_notebook, chained, manifest}


def test_where_another_store_may_refer_to_it_nothing_is_removed(ws: Workspace, tmp_path: Path) -> None:
    left = ws.artifacts.put_bytes(b"left over")
    aged(ws)
    elsewhere = open_workspace(tmp_path, environ={"NBOPS_STORE": str(tmp_path / "other" / "s.sqlite"),
                                                  "NBOPS_ARTIFACTS": str(ws.artifacts.root)})  # fmt: skip
    with pytest.raises(StoreError, match="there is no store"):
        collect(elsewhere)
    with elsewhere.store.transaction() as tx:
        tx.event("test", "", "")
    with pytest.raises(RefusedError, match="beside the store"):
        collect(elsewhere, remove=True)
    second = sqlite3.connect(ws.store.path.with_name("second.sqlite"))
    second.execute("CREATE TABLE t (a)")
    second.close()
    with pytest.raises(RefusedError, match=r"second\.sqlite"):
        collect(ws, remove=True)
    assert left in digests(ws)


def test_after_promotion_scoring_and_labels_everything_still_loads(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    train = rows(400, seed=5)
    columns = ["x", "n", "city"]
    register(ws, fitted(train), train[columns], train["y"], evaluation=train[[*columns, "y"]].head(50))
    batch = rows(200, seed=1)
    batch.to_csv(ws.root / "2012-01.csv", index=False)
    scoring = score(ws, "taxi", [ws.root / "2012-01.csv"], ws.root / "out")
    predictions = pd.read_parquet(ws.root / scoring.output / "predictions.parquet")
    labels = pd.DataFrame({"prediction_id": predictions["prediction_id"], "label": batch["y"].to_numpy()})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    add_labels(ws, "taxi", tmp_path / "labels.csv")
    (performance,) = update(ws, "taxi")
    report = drift(ws, "taxi")
    used = digests(ws)
    left = {ws.artifacts.put_bytes(f"left {i}".encode()) for i in range(3)}
    aged(ws)

    assert {a.digest for a in collect(ws, remove=True).artifacts} == left
    assert digests(ws) == used

    for version in models.versions(ws.store, "taxi"):
        for digest in (version.artifact, version.profile, version.evaluation):
            assert digest is not None
            ws.artifacts.verified(digest)
        assert len(load_version(ws, version).predict(batch[columns])) == 200
    known = known_labels(ws, "taxi")
    assert known is not None and known.num_rows == 200
    assert deployments.performances(ws.store, "taxi") == [performance]
    assert drift(ws, "taxi").columns == report.columns
    folder = ws.root / scoring.output
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert score(ws, "taxi", [ws.root / "2012-01.csv"], ws.root / "out") == scoring, "restored from the artifacts"
    assert pd.read_parquet(folder / "predictions.parquet").equals(predictions)
    assert not [p for p in examine(ws).problems if "artifact" in p]


def test_after_tracked_cells_everything_recorded_is_still_there(tmp_path: Path) -> None:
    cells = {
        "make": "import numpy as np, pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
        "from sklearn.metrics import mean_absolute_error\n"
        "wide = pd.DataFrame({f'column number {i}': np.arange(40.0) * i for i in range(600)})\n"
        "X = wide.iloc[:, :3]; y = X.sum(axis=1)",
        "fit": "model = LinearRegression().fit(X[:30], y[:30])\nmean_absolute_error(y[30:], model.predict(X[30:]))",
        "keep": "import nbops\nnbops.output('wide', wide)",
    }
    with tracked(tmp_path, cells) as book:
        book.run()
        ws = book.ws
        (run,) = runs.listed(ws.store, kinds=[RunKind.SESSION])
    used = digests(ws)
    assert {a.kind for a in records.artifacts(ws.store, run.id)} >= {
        "model",
        "evaluation",
        "profile",
        "detail",
    }
    left = ws.artifacts.put_bytes(b"left over")
    aged(ws)
    assert [a.digest for a in collect(ws, remove=True).artifacts] == [left]
    assert digests(ws) == used
    assert examine(ws).problems == ()


def _written(ws: Workspace, content: bytes) -> str:
    with ws.artifacts.writing() as pending:
        pending.file.write(content)
    return pending.digest
