"""kill -9 at every write, artifact and rename of a tracked cell: nothing lost, doubled or half-visible, and a run
that was under way is shown as LOST by a reader that writes nothing."""

from __future__ import annotations

from pathlib import Path

from recording_acts import TRAIN

from kill_points import killed_everywhere
from nbops.capture.cells import CellStart
from nbops.capture.session import Session
from nbops.core.canonical import digest
from nbops.core.runs import RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

HERE = Path(__file__).parent
TABLES = ("events", "runs", "records", "params", "metrics", "artifacts", "data_uses")


def counts(ws: Workspace) -> dict[str, int]:
    return {table: ws.store.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in TABLES}


def whole(ws: Workspace) -> bool:
    """What must hold at any moment; is the cell's record there?"""
    assert ws.store.integrity() == []
    seqs = [event["seq"] for event in ws.store.events_after(0)]
    assert seqs == list(range(1, len(seqs) + 1))
    for kept in ws.artifacts.digests():
        ws.artifacts.verified(kept)
    found = {run.kind: run for run in runs.listed(ws.store)}
    assert len(runs.listed(ws.store)) == len(found) <= 2
    if RunKind.BLOCK not in found:
        assert counts(ws)["records"] == 0
        return False
    block, session = found[RunKind.BLOCK], found[RunKind.SESSION]
    assert block.parent == session.id
    mine = records.of_run(ws.store, block.id)
    if not mine:
        assert block.status is RunStatus.LOST
        assert counts(ws)["metrics"] == counts(ws)["artifacts"] == counts(ws)["data_uses"] == counts(ws)["params"] == 0
        return False
    (record,) = mine
    assert block.status is RunStatus.COMPLETED
    assert record.source == digest(TRAIN)
    assert {metric.name for metric in record.metrics} == {"mean_absolute_error", "loss"}
    assert [m.step for m in records.metrics(ws.store, block.id) if m.name == "loss"] == [0, 1, 2]
    assert len(records.metrics(ws.store, block.id)) == 4
    assert runs.params(ws.store, block.id) == dict(record.params)
    assert [model.name for model in record.models] == ["model"]
    assert [(f.path, f.mode) for f in record.files] == [("data.csv", "read"), ("out.csv", "write")]
    assert len(records.artifacts(ws.store, block.id)) == len(record.artifacts) >= 4
    for artifact in record.artifacts:
        ws.artifacts.verified(artifact.digest)
    assert counts(ws)["data_uses"] == len(record.reads) + len(record.writes) + len(record.files)
    return True


def test_a_tracked_cell(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "nbops.toml").touch()
    seen: dict[bool, int] = {True: 0, False: 0}
    points = 0
    for root, point in killed_everywhere(template, tmp_path / "runs", "recording_acts:train", path=HERE):
        points += 1
        ws = open_workspace(root, environ={})
        recorded = whole(ws)
        seen[recorded] += 1
        before = counts(ws)
        assert all(run.status in (RunStatus.LOST, RunStatus.COMPLETED) for run in runs.listed(ws.store)), point
        assert whole(ws) is recorded and counts(ws) == before, "looking writes nothing"
        if point is None or "COMMIT" in point:  # whoever comes next can go on
            goes_on(ws)
            assert counts(ws)["records"] == before["records"] + 1
            assert ws.store.integrity() == []
        ws.store.close()
    assert points > 30, "the kill points are no longer met"
    assert seen[True] >= 3 and seen[False] >= 20, seen


def goes_on(ws: Workspace) -> None:
    session = Session(ws)
    cell = session.begin(CellStart(source="a = 1", code="a = 1", name="next"), {"a": 1})
    assert cell is not None
    assert session.end(cell).problem is None
    session.close()
