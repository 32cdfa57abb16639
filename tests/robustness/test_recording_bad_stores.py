"""Whatever is wrong with the store: the cell runs as it would, its card says what could not be recorded, and nothing
else breaks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from recording_acts import payloads
from tracked_shell import in_child

from nbops.core.canonical import digest
from nbops.core.runs import RunStatus
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def reader(root: Path) -> Workspace:
    return open_workspace(root, environ={})


def text(cell: dict[str, Any]) -> str:
    return " | ".join(bundle["text/plain"] for bundle in cell["shown"])


def named(ws: Workspace) -> dict[str, RunStatus]:
    return {run.name: run.status for run in runs.listed(ws.store)}


def test_a_locked_store(root: Path) -> None:
    done = in_child("recording_acts:locked", root)
    assert "not recorded" not in done["first"]
    assert done["unnamed"]["error"] is None and done["unnamed"]["value"] == 2
    assert done["named"]["error"] is None
    for cell in (done["unnamed"], done["named"]):
        assert text(cell).count("is locked by another process") == 1
        assert len(cell["shown"]) == 1
    assert "not recorded" not in done["after"]
    assert done["values"] == [1, 2, 3, 4]
    ws = reader(root)
    assert named(ws) == {"interactive": RunStatus.COMPLETED, "block": RunStatus.COMPLETED}
    kept = {run.name: records.of_run(ws.store, run.id) for run in runs.listed(ws.store)}
    assert len(kept["block"]) == 1
    _, logged = kept["interactive"]
    assert [m.name for m in logged.metrics] == ["m"], "what was logged meanwhile is recorded when it can be"
    assert logged.source == digest(done["source"])
    assert ws.store.integrity() == []


def test_a_run_that_could_not_be_closed_is_closed_with_the_next_record(root: Path) -> None:
    done = in_child("recording_acts:locked_at_the_end", root)
    assert "is locked by another process" in done["said"]
    assert (done["during"], done["after"]) == ("IN_PROGRESS", "COMPLETED")


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("there", [True, False])
def test_a_workspace_that_only_others_can_write(there: bool, request: pytest.FixtureRequest) -> None:
    root = Path(tempfile.mkdtemp()) / "project"  # pytest's own folders are closed to others
    request.addfinalizer(lambda: shutil.rmtree(root.parent))
    root.mkdir()
    root.parent.chmod(0o755)
    if there:
        in_child("recording_acts:run_cells", root, {"cells": ["%%track before\na = 1"]})
    (root / "nbops.toml").touch()
    done = in_child("recording_acts:unwritable", root, env={"HOME": "/nonexistent"})
    for cell, value in ((done["tracked"], 7), (done["untracked"], 8)):
        assert cell["error"] is None and cell["value"] == value, cell
        assert text(cell).count("not recorded: the store") == 1, cell
    assert set(done["names"]) == ({"interactive", "before"} if there else set()), "what is there can be looked at"
    ws = reader(root)
    assert set(named(ws)) == ({"interactive", "before"} if there else set())
    assert list(root.rglob("*.tmp")) == []


@pytest.mark.parametrize("limit", [4096, 150_000])
def test_a_full_disk(root: Path, limit: int) -> None:
    done = in_child("recording_acts:full_disk", root, {"bytes": limit})
    assert done["during"]["error"] is None and done["during"]["value"] == sum(range(50))
    assert "large.bin" in text(done["during"]) or "not recorded" in text(done["during"])
    assert done["outside"]["error"] is None and done["outside"]["value"] == 9
    assert done["after"]["error"] is None and done["after"]["value"] == 2
    assert "not recorded" not in text(done["after"])
    ws = reader(root)
    assert ws.store.integrity() == []
    assert ws.artifacts.leftovers() == [], "what could not be kept takes no room"
    for kept in ws.artifacts.digests():
        ws.artifacts.verified(kept)
    found = named(ws)
    assert found["after"] is found["interactive"] is RunStatus.COMPLETED
    assert all(status.ended for status in found.values()), "no run is stuck"
    for run in runs.listed(ws.store):
        for record in records.of_run(ws.store, run.id):
            assert all(ws.artifacts.has(artifact.digest) for artifact in record.artifacts)


def test_a_first_commit_that_fails_does_not_spoil_the_later_ones(root: Path) -> None:
    done = in_child("recording_acts:first_record_on_full_disk", root)
    assert "not recorded" in text(done["during"])
    assert "not recorded" not in text(done["after"])
    assert named(reader(root)) == {"interactive": RunStatus.COMPLETED, "second": RunStatus.COMPLETED}


def test_three_failures_in_a_row_turn_tracking_off_and_that_is_said_once(root: Path) -> None:
    in_child("recording_acts:run_cells", root, {"cells": ["%%track\na = 1"]})
    path = reader(root).store.path
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    *cells, off, on = in_child("recording_acts:newer", root)
    assert [cell["error"] for cell in (*cells, off, on)] == [None] * 7
    assert [cell["value"] for cell in cells] == [0, 1, 2, 3, 4]
    said = [text(cell) for cell in cells]
    assert all("schema version 99" in sentence for sentence in said[:3])
    assert ["off now" in sentence for sentence in said] == [False, False, True, False, False]
    assert said[3:] == ["", ""] and text(off) == ""
    assert len(payloads([on])) == 1, "'%nbops on' tracks again"
    assert before[:100] != path.read_bytes()[:100]
    assert len(runs.listed(reader(root).store)) == 2


def test_an_interrupt_while_we_look_leaves_no_run_open(root: Path) -> None:
    done = in_child("recording_acts:interrupted_before_it_ran", root)
    assert done["during"]["error"] is None and done["during"]["value"] == 1
    assert "you interrupted the look at its data" in text(done["during"])
    assert (done["left"], done["closed"]) == ("IN_PROGRESS", "STOPPED")
    assert "not recorded" not in text(done["after"])
