"""A deleted run is gone from every reader, comes back whole, or goes for good; what is needed is not deleted."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from tracked_cells import tracked

from deployed_model import at, deployed, rows
from nbops.catalog.deletion import delete, deleted, restore
from nbops.catalog.garbage import collect
from nbops.catalog.versions import Catalogue
from nbops.cli.main import main  # noqa: F401  registers the commands
from nbops.cli.program import program
from nbops.core.errors import AmbiguousError, RefusedError, StoreError, UnknownNameError
from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.lineage.graph import lineage
from nbops.pipeline.step_run import add_detail
from nbops.scoring.score import score
from nbops.store import deployments, records, runs
from nbops.store import lineage as uses
from nbops.store.database import Reader
from nbops.verification.rebuild import rebuild
from nbops.workspace import Workspace, open_workspace
from postgres_server import Server

CELLS = {
    "read": "import pandas as pd\ndf = pd.read_csv('rides.csv')",
    "write": "out = df * 2\nout.to_csv('out.csv')",
}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Two sessions: one that saw two contents of rides.csv, then one that saw a third."""
    (tmp_path / "rides.csv").write_text("a,b\n1,2\n")
    with tracked(tmp_path, CELLS) as book:
        book.run()
        (tmp_path / "rides.csv").write_text("a,b\n1,3\n")
        book.run("read")
    (tmp_path / "rides.csv").write_text("a,b\n1,4\n")
    with tracked(tmp_path, CELLS) as book:
        book.run()
    return open_workspace(tmp_path, environ={}, identity="tester")


def sessions(ws: Workspace) -> list[str]:
    """Oldest first."""
    return [run.id for run in reversed(runs.listed(ws.store, kinds=[RunKind.SESSION]))]


def everything(reader: Reader) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, but the events."""
    return {
        table: [tuple(r) for r in reader.rows(f'SELECT rowid, * FROM "{table}" ORDER BY rowid')]
        for table in reader.tables()
        if table not in ("events", "data_numbers")
    }


def test_a_deleted_run_is_gone_from_every_reader_and_comes_back_whole(ws: Workspace) -> None:
    first, second = sessions(ws)
    digest = next(u.digest for u in uses.every_use(ws.store) if u.run == first and u.kind == "file")
    before, versions = everything(ws.store), Catalogue(ws).listed()
    assert digest and len(lineage(ws, digest).nodes) > 1
    done = delete(ws, [first[:7]])
    assert [run.id for run in done.runs] == [first]
    assert done.runs[0].until - done.runs[0].deleted_at == timedelta(days=30)
    assert sessions(ws) == [second]
    assert {use.run for use in uses.every_use(ws.store)} == {second}
    assert records.of_run(ws.store, first) == [] and records.artifacts(ws.store, first) == []
    for asked in (lambda: runs.get(ws.store, first), lambda: runs.as_stored(ws.store, first)):
        with pytest.raises(UnknownNameError, match=r"was deleted on .* 'nbops runs restore"):
            asked()
    with pytest.raises(UnknownNameError):
        lineage(ws, digest)
    assert [run.id for run in deleted(ws)] == [first] and deleted(ws)[0].deleted_by == "tester"
    assert [e["what"] for e in ws.store.events_after(0) if e["name"] == first][-1] == "deleted"
    restore(ws, [first[:5]])
    assert everything(ws.store) == before
    assert Catalogue(ws).listed() == versions
    assert deleted(ws) == []


def test_the_same_on_postgresql(postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rides.csv").write_text("a,b\n1,2\n")
    (tmp_path / "nbops.toml").write_text("[store]\nundelete_days = 0\n")
    environ = {"NBOPS_STORE": postgres_server.database()}
    for _ in range(2):
        with tracked(tmp_path, CELLS, environ=environ) as book:
            book.run()
    ws = open_workspace(tmp_path, environ=environ)
    first, second = sessions(ws)
    before, versions = everything(ws.store), Catalogue(ws).listed()
    delete(ws, [first])
    assert sessions(ws) == [second]
    with pytest.raises(UnknownNameError, match="was deleted on"):
        runs.get(ws.store, first)
    restore(ws, [first])
    assert everything(ws.store) == before and Catalogue(ws).listed() == versions
    with tracked(tmp_path, CELLS, environ=environ) as book:
        book.run()
    delete(ws, [first, second])
    aged(ws)
    assert len(collect(ws).runs) == 2
    kept = set(ws.artifacts.digests())
    with pytest.raises(RefusedError):  # what is beside no file of the store may be another's
        collect(ws, remove=True)
    assert set(ws.artifacts.digests()) == kept
    assert len(collect(ws, remove=True, alone=True).runs) == 2
    assert deleted(ws) == [] and set(ws.artifacts.digests()) <= kept
    ws.store.close()


def test_the_numbers_of_data_versions_mean_what_they_meant(ws: Workspace) -> None:
    first, _ = sessions(ws)
    was = {v.ref: v.digest for v in Catalogue(ws).listed("rides.csv")}
    assert list(was) == ["rides.csv@1", "rides.csv@2", "rides.csv@3"]
    delete(ws, [first])
    assert {v.ref: v.digest for v in Catalogue(ws).listed("rides.csv")} == {"rides.csv@3": was["rides.csv@3"]}
    with pytest.raises(UnknownNameError, match=r"rides\.csv has version 3 only"):
        Catalogue(ws).find("rides.csv@1")
    for text in ("a,b\n9,9\n", "a,b\n1,3\n"):  # new content, and one that had a number before
        (ws.root / "rides.csv").write_text(text)
        with tracked(ws.root, CELLS) as book:
            book.run()
    assert [v.number for v in Catalogue(ws).listed("rides.csv")] == [2, 3, 4]
    assert Catalogue(ws).find("rides.csv@2").digest == was["rides.csv@2"]


def test_children_go_along_and_come_back_along(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    ws = open_workspace(tmp_path, environ={})
    top, middle, leaf, other = (ended(ws, name) for name in ("top", "middle", "leaf", "other"))
    with ws.store.transaction() as tx:
        for run, parent in ((middle, top), (leaf, middle)):
            runs.save(tx, dataclasses.replace(runs.as_stored(tx, run), parent=parent))
    assert {r.id for r in delete(ws, [top], dry_run=True).runs} == {top, middle, leaf}
    assert runs.exists(ws.store, top) and deleted(ws) == []
    delete(ws, [leaf])
    assert {r.id: r.asked for r in delete(ws, [top, middle]).runs} == {top: top, middle: top}
    assert [r.id for r in runs.listed(ws.store)] == [other]
    with pytest.raises(RefusedError, match=f"was deleted with run {top}"):
        restore(ws, [middle])
    with pytest.raises(RefusedError, match=r"belongs to run .* which is deleted too"):
        restore(ws, [leaf])
    assert {r.id for r in restore(ws, [top]).runs} == {top, middle}
    assert {r.id for r in restore(ws, [leaf]).runs} == {leaf}
    assert {r.id for r in runs.family(ws.store, top)} == {top, middle, leaf}


def ended(ws: Workspace, name: str, status: RunStatus = RunStatus.COMPLETED) -> str:
    now = ws.clock.now()
    run = Run(
        id=new_id(), kind=RunKind.BLOCK, name=name, experiment="e", status=status, started_at=now, ended_at=now
    )  # fmt: skip
    with ws.store.transaction() as tx:
        runs.save(tx, run, cache_key="key")
    return run.id


def test_what_is_needed_is_not_deleted_and_it_is_said_by_what(tmp_path: Path) -> None:
    ws = deployed(tmp_path)
    source = ended(ws, "train")
    with ws.store.transaction() as tx:
        tx.write("UPDATE model_versions SET run = :run WHERE number = 1", run=source)
    rows(5, seed=3).drop(columns="y").to_csv(tmp_path / "new.csv", index=False)
    scored = score(ws, "taxi", [tmp_path / "new.csv"], tmp_path / "scored", period="2012-01")
    with pytest.raises(RefusedError, match=rf"the model version taxi/1 \(@production\) refers to run {source}"):
        delete(ws, [source])
    with pytest.raises(RefusedError, match="the scoring of the deployment taxi, period 2012-01"):
        delete(ws, [scored.run])
    free = ended(ws, "free")
    with pytest.raises(RefusedError):  # all or nothing
        delete(ws, [free, source])
    assert runs.exists(ws.store, free)
    with pytest.raises(RefusedError, match="still in_progress"):
        delete(ws, [ended(ws, "open", RunStatus.IN_PROGRESS)])
    by_another = ended(ws, "cached")
    add_detail(ws, by_another, {"cached_from": free})
    with pytest.raises(RefusedError, match=rf"the block run {by_another} \(cached\) refers"):
        delete(ws, [free])
    delete(ws, [free, by_another])
    assert deployments.scorings(ws.store, "taxi")


def test_a_deleted_run_is_no_cache_hit(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    ws = open_workspace(tmp_path, environ={})
    run = ended(ws, "step")
    found = runs.by_cache_key(ws.store, "key")
    assert found is not None and found.id == run
    delete(ws, [run])
    assert runs.by_cache_key(ws.store, "key") is None
    restore(ws, [run])
    assert runs.by_cache_key(ws.store, "key") == found


def aged(ws: Workspace) -> None:
    then = time.time() - 7200
    for file in ws.artifacts.root.rglob("*"):
        os.utime(file, (then, then))


def test_when_its_time_is_over_gc_says_so_and_removes_it_for_good(ws: Workspace) -> None:
    first, second = sessions(ws)
    mine = {a.digest for a in records.artifacts(ws.store, first)} - {
        a.digest for a in records.artifacts(ws.store, second)
    }
    kept = set(ws.artifacts.digests())
    delete(ws, [first])
    aged(ws)
    assert collect(ws, remove=True).artifacts == () and set(ws.artifacts.digests()) == kept
    later = at(ws, ws.clock.now() + timedelta(days=31))
    said = collect(later)
    assert [r.id for r in said.runs] == [first] and mine <= {a.digest for a in said.artifacts}
    assert deleted(later) and set(ws.artifacts.digests()) == kept  # it was only said
    assert "their time is over: 1 deleted run" in drawn(said)
    done = collect(later, remove=True)
    assert done.removed and mine.isdisjoint(ws.artifacts.digests())
    assert deleted(later) == [] and collect(later).runs == ()
    with pytest.raises(UnknownNameError, match="removed for good"):
        runs.get(ws.store, first)
    with pytest.raises(UnknownNameError, match="removed it for good"):
        restore(later, [first])
    held = str(everything(ws.store)["deleted_runs"])
    assert first in held and "book" not in held
    assert second in {r.id for r in runs.listed(ws.store)}


def drawn(garbage: object) -> str:
    from nbops.render.data import garbage as text

    return text(garbage)  # type: ignore[arg-type]


def test_the_period_is_a_setting(ws: Workspace) -> None:
    (ws.root / "nbops.toml").write_text("[store]\nundelete_days = 0\n")
    ws = open_workspace(ws.root, environ={})
    delete(ws, sessions(ws)[:1])
    assert len(collect(ws).runs) == 1


def test_a_rebuild_brings_no_deleted_run_back(ws: Workspace) -> None:
    first, _ = sessions(ws)
    payloads = [records.text(ws.store, first, r.seq) for r in records.of_run(ws.store, first)]
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "source": CELLS["read"],
            "metadata": {},
            "execution_count": 1,
            "outputs": [
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {"application/vnd.nbops.record.v1+json": payload_of(text or "")},
                }
            ],
        }
        for i, text in enumerate(payloads)
    ]
    (ws.root / "old.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    assert rebuild(ws).already == len(payloads)
    delete(ws, [first])
    found = rebuild(ws)
    assert found.records == 0 and len(found.lost) == len(payloads)
    assert all("not restored" in said and "was deleted on" in said for said in found.lost)
    assert not runs.exists(ws.store, first)


def payload_of(text: str) -> dict[str, object]:
    from nbops.core.canonical import parse
    from nbops.core.runs import CellRecord
    from nbops.core.wire import from_json
    from nbops.core.written import written
    from nbops.notebook.embedded import payload_of

    return dict(payload_of(written(from_json(CellRecord, parse(text)))))


def test_what_is_asked_for_wrongly_is_said(ws: Workspace) -> None:
    first, _ = sessions(ws)
    for wrong in (delete, restore):
        with pytest.raises(UnknownNameError):
            wrong(ws, ["fffffffffffffffff"])
    with pytest.raises(UnknownNameError):
        restore(ws, [first])
    delete(ws, sessions(ws))
    with ws.store.transaction() as tx:  # two that begin alike
        tx.write("UPDATE deleted_runs SET id = 'aaaa' || substr(id, 5)")
    with pytest.raises(AmbiguousError):
        restore(ws, ["aaaa"])


def test_what_came_back_otherwise_is_not_overwritten(ws: Workspace) -> None:
    first, _ = sessions(ws)
    kept = runs.as_stored(ws.store, first)
    delete(ws, [first])
    with ws.store.transaction() as tx:
        runs.save(tx, kept)
    with pytest.raises(StoreError, match="can't be restored"):
        restore(ws, [first])


def test_the_commands(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ws.root)
    first, _ = sessions(ws)

    def said(*words: str) -> str:
        done = CliRunner().invoke(program, ["runs", *words])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    assert "would delete 1 run" in said("delete", first[:8], "--dry-run")
    assert f"'nbops runs restore {first[:8]}' brings back, until" in said("delete", first[:8])
    assert first[:8] not in said("list")
    assert f"nbops runs restore {first[:8]}" in said("list", "--deleted")
    assert [r["id"] for r in json.loads(said("list", "--deleted", "--json"))] == [first]
    assert "restored 1 run" in said("restore", first[:8])
    assert json.loads(said("delete", first, "--json"))["runs"][0]["id"] == first
    assert [r["run"]["id"] for r in json.loads(said("list", "--json"))] != [first]
