"""kill -9 at every write, artifact, store statement and rename of a scoring: nothing lost, doubled, half-visible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployed_model import AT, deployed, rows
from kill_points import killed_everywhere
from nbops.core.clock import FixedClock
from nbops.core.runs import RunStatus
from nbops.scoring.score import score
from nbops.store import deployments, runs
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace, open_workspace


def act(root: Path, arguments: object = None) -> object:
    return score(_open(root), "taxi", [root / "in.csv"], root / "out")


def _open(root: Path) -> Workspace:
    return open_workspace(root, clock=FixedClock(AT), identity="tester", environ={})


def _visible(root: Path) -> list[Path]:
    return [p for p in (root / "out").glob("*") if not p.name.startswith(".")] if (root / "out").exists() else []


def check(root: Path) -> None:
    """What a fresh process may find after a death, wherever it came."""
    ws = _open(root)
    assert ws.store.integrity() == []
    scorings = deployments.scorings(ws.store, "taxi")
    assert len(scorings) <= 1
    for run in runs.listed(ws.store):
        assert run.status in (RunStatus.LOST, RunStatus.COMPLETED)
        assert (run.status is RunStatus.COMPLETED) == (run.id in {s.run for s in scorings})
    for digest in ws.artifacts.digests():
        assert digest_of(ws.artifacts.path(digest)) == digest
    for folder in _visible(root):
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["scoring"]["run"] == scorings[0].run  # what can be seen is in the store
        for file in manifest["files"]:
            assert digest_of(folder / file["name"]) == file["digest"]
    ws.store.close()


@pytest.mark.slow
def test_a_scoring_killed_anywhere_is_whole_or_not_there_and_the_next_one_completes_it(tmp_path: Path) -> None:
    template = tmp_path / "template"
    ws = deployed(template, '[deployments.taxi]\nkey = ["id"]\n')
    data = rows(40, seed=1)
    data.loc[3, "x"] = np.nan  # so that there is a quarantine file too
    data.to_csv(template / "in.csv", index=False)
    ws.store.close()
    expected, seen = None, []
    for root, point in killed_everywhere(template, tmp_path, "test_scoring_kill:act", path=Path(__file__).parent):
        check(root)
        act(root)
        check(root)
        ws = _open(root)
        assert len(deployments.scorings(ws.store, "taxi")) == 1, point
        (folder,) = _visible(root)
        found = pd.read_parquet(folder / "predictions.parquet").drop(columns="run")
        expected = found if expected is None else expected
        pd.testing.assert_frame_equal(found, expected)
        assert not [p for p in (root / "out").iterdir() if p.name.endswith(".partial")], point
        assert act(root) == act(root)
        ws.store.close()
        seen.append(point or "")
    said = "\n".join(seen)
    for step in (
        "before COMMIT",
        "after COMMIT",
        "fsync",
        "os.rename out/",
        "os.rename .nbops/artifacts/",
        "os.mkdir",
    ):
        assert step in said, said
