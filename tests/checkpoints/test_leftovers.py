"""Checkpoints that nobody goes on from are told, and removed when asked; those that somebody may need stay."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from nbops.catalog.garbage import collect
from nbops.checkpoints import folder as folders
from nbops.checkpoints.folder import Boundary
from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.core.ids import new_id
from nbops.core.runs import Owner, Run, RunKind, RunStatus
from nbops.render.data import garbage
from nbops.store import runs
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, open_workspace

DAY = 86_400.0


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "nbops.toml").write_text("[pipeline]\ncheckpoint_days = 10\n")
    return open_workspace(tmp_path, environ={})


def run(ws: Workspace, status: RunStatus, owner: Owner | None = None, after: str | None = None) -> Run:
    made = Run(
        id=new_id(),
        kind=RunKind.STEP,
        name="long",
        experiment="long.ipynb",
        status=status,
        started_at=ws.clock.now(),
        notebook="long.ipynb",
        owner=owner,
        detail={"resumed": {"attempt": after}} if after else {},
    )
    with ws.store.transaction() as tx:
        runs.save(tx, made)
    return made


def kept(ws: Workspace, run_id: str, days: float) -> Path:
    """A state of a run, kept so long ago."""
    folder = folders.make(checkpoint_folder(ws, run_id))
    stream = folders.keep(folder, b"x" * 1000)
    folders.write(folder, Boundary(cell=1, execution_count=2, sources=("a",), saved=("x",), stream=stream))
    then = time.time() - days * DAY
    for path in (*folder.iterdir(), folder):
        os.utime(path, (then, then))
    return folder


def test_which_checkpoints_go(ws: Workspace) -> None:
    gone_process = dataclasses.replace(this_process(), started="long ago")
    old_and_resumed = run(ws, RunStatus.FAILED)
    going = run(ws, RunStatus.IN_PROGRESS, this_process(), after=old_and_resumed.id)
    stays = [
        kept(ws, run(ws, RunStatus.FAILED).id, 9),
        kept(ws, run(ws, RunStatus.IN_PROGRESS, gone_process).id, 9),  # killed: it may be gone on with
        kept(ws, going.id, 30),  # its cell takes a month
        kept(ws, old_and_resumed.id, 30),
        kept(ws, new_id(), 1),  # of a run that was deleted yesterday
    ]
    goes = {
        kept(ws, run(ws, RunStatus.FAILED).id, 11): "nobody has gone on from it for 11 days",
        kept(ws, run(ws, RunStatus.STOPPED).id, 12): "nobody has gone on from it for 12 days",
        kept(ws, run(ws, RunStatus.IN_PROGRESS, gone_process).id, 13): "nobody has gone on from it for 13 days",
        kept(ws, run(ws, RunStatus.COMPLETED).id, 0): "its run is completed",
        kept(ws, new_id(), 20): "nobody has gone on from it for 20 days",
    }
    found = collect(ws)
    assert {checkpoint_folder(ws, c.run): c.why for c in found.checkpoints} == goes
    assert all(c.size > 1000 for c in found.checkpoints)
    assert all(folder.exists() for folder in (*stays, *goes)), "it only says so"
    assert "nobody has gone on from it for 11 days" in garbage(found)
    assert "nobody goes on from the checkpoints of 5 runs" in garbage(found)
    done = collect(ws, remove=True)
    assert len(done.checkpoints) == 5
    assert [folder.exists() for folder in (*stays, *goes)] == [True] * 5 + [False] * 5
    assert collect(ws).checkpoints == ()
    # nobody is under way any more
    with ws.store.transaction() as tx:
        runs.save(tx, dataclasses.replace(going, status=RunStatus.FAILED))
    assert {c.run for c in collect(ws).checkpoints} == {going.id, old_and_resumed.id}
