"""Several processes and one store: kernels side by side, and children forked from a tracked cell."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tracked_shell import in_child

from nbops.core.runs import RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import open_workspace

CELLS = 12


def test_two_kernels_track_into_one_store(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()

    def work(name: str) -> int:
        root = tmp_path / name  # a folder of its own, below the workspace's root
        root.mkdir()
        pid: int = in_child("recording_acts:many", root, {"cells": CELLS, "name": name})
        return pid

    with ThreadPoolExecutor(2) as pool:
        pids = list(pool.map(work, ["one", "two"]))
    ws = open_workspace(tmp_path, environ={})
    found = runs.listed(ws.store, limit=1000)
    assert {run.status for run in found} == {RunStatus.COMPLETED}
    sessions = [run for run in found if run.kind is RunKind.SESSION]
    assert {run.owner.pid for run in sessions if run.owner} == set(pids)
    for session in sessions:
        children = runs.children(ws.store, session.id)
        (name,) = {child.name.rstrip("0123456789") for child in children}
        assert [child.name for child in children] == [f"{name}{i}" for i in range(CELLS)]
        for i, child in enumerate(children):
            (record,) = records.of_run(ws.store, child.id)
            assert (record.params["shared"], record.metrics[0].value) == (i, float(i))
    seqs = [event["seq"] for event in ws.store.events_after(0)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert ws.store.integrity() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    done = in_child("recording_acts:forked", tmp_path)
    assert done["done"]["error"] is None and done["done"]["value"] == 0, done
    assert done["worker"]["error"] is None and done["worker"]["value"] == 3
    ws = open_workspace(tmp_path, environ={})
    assert {run.name: run.status for run in runs.listed(ws.store)} == {
        "interactive": RunStatus.COMPLETED,
        "parent": RunStatus.COMPLETED,
        "pool": RunStatus.COMPLETED,
    }
    (parent,) = (run for run in runs.listed(ws.store) if run.name == "parent")
    (record,) = records.of_run(ws.store, parent.id)
    assert [metric.name for metric in record.metrics] == ["before", "after"]
    assert record.files == (), "what the child opened is the child's"
    assert record.artifacts == ()
    assert not any(ws.artifacts.read_bytes(digest) == b"child" for digest in ws.artifacts.digests())
    assert ws.store.integrity() == []
