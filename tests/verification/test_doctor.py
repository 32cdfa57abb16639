"""``nbops doctor``: what is wrong is said, what can be mended is, and a lost store comes back from notebooks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded_notebook import CELLS, notebook, workspace

from nbops.core.errors import StoreError
from nbops.core.runs import RunStatus
from nbops.pipeline.execute import run_notebook
from nbops.store import records, runs
from nbops.store.liveness import partial
from nbops.verification.doctor import examine
from nbops.verification.rebuild import rebuild
from nbops.verification.verify import verify

TRACK = """
import sys, time
import nbops
with nbops.track("long"):
    print("running", flush=True)
    from nbops.capture.current import current_session
    with current_session().workspace.artifacts.writing(".part") as pending:
        pending.file.write(b"half")
        pending.file.flush()
        print("writing", flush=True)
        sys.stdin.read()
"""


def killed_in_the_middle(root: Path, *, kill: bool = True) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", TRACK], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert [child.stdout.readline(), child.stdout.readline()] == ["running\n", "writing\n"]
    if kill:
        child.send_signal(signal.SIGKILL)
        end(child)
    return child


def end(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    child.stdout.close()
    child.wait(30)


def test_a_healthy_store(root: Path) -> None:
    ws = workspace(root)
    health = examine(ws)
    assert health.problems == health.repaired == ()
    assert (health.root, health.store, health.exists) == (str(root), str(ws.store.path), True)
    assert "nbops.toml" in health.why and "kill -9" in health.durability and health.journal == "wal"
    assert health.runs == len(runs.listed(ws.store)) == 2
    assert health.artifacts == len(list(ws.artifacts.digests())) >= 5


def test_looking_at_a_store_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    health = examine(workspace(tmp_path), repair=True)
    assert not health.exists and health.problems == health.repaired == ()
    assert [path.name for path in tmp_path.iterdir()] == ["nbops.toml"]


def test_what_a_killed_process_left(root: Path) -> None:
    killed_in_the_middle(root)
    ws = workspace(root)
    before = ws.store.events_after(0)
    first = examine(ws)
    assert len(first.problems) == 3, first.problems  # the session's run, the block's, the artifact
    assert len(ws.store.events_after(0)) == len(before), "looking writes nothing"
    mended = examine(ws, repair=True)
    assert mended.problems == () and len(mended.repaired) == 3
    assert ws.artifacts.leftovers() == []
    (block,) = (run for run in runs.listed(ws.store) if run.name == "long")
    assert (block.status, block.error) == (RunStatus.LOST, "its process died") and block.ended_at is not None
    assert examine(ws, repair=True).repaired == ()


def test_what_a_living_process_is_doing_is_left_alone(root: Path) -> None:
    child = killed_in_the_middle(root, kill=False)
    try:
        ws = workspace(root)
        assert examine(ws, repair=True).problems == ()
        assert len(ws.artifacts.leftovers()) == 1
        assert {run.status for run in runs.listed(ws.store) if run.name == "long"} == {RunStatus.IN_PROGRESS}
    finally:
        end(child)
    assert {run.status for run in runs.listed(ws.store) if run.name == "long"} == {RunStatus.COMPLETED}
    assert examine(ws).problems == ()


def test_drafts_of_notebooks_and_scorings(root: Path) -> None:
    signing = "from nbops.store.liveness import partial; print(partial('2011-07__m-v1__0a0a0a0a'))"
    gone = subprocess.run([sys.executable, "-c", signing], capture_output=True, text=True, check=True).stdout.strip()
    old, fresh, named = root / ".a.ipynb.0123abcd.tmp", root / "sub" / ".b.ipynb.0123abcd.tmp", root / ".c.ipynb.tmp"
    (root / "sub").mkdir()
    for file in (old, fresh, named):
        file.write_text("{")
    os.utime(old, (time.time() - 3600,) * 2)
    os.utime(named, (time.time() - 3600,) * 2)
    elsewhere = ".2011-07__m-v1__0a0a0a0a.w-1-2-elsewhere-0b0b0b0b.partial"
    dead, mine, other = (root / "out" / name for name in (gone, partial("2011-07__m-v1__0a0a0a0a"), elsewhere))
    for folder in (dead, mine, other):
        folder.mkdir(parents=True)
        (folder / "predictions.parquet").touch()
    ws = workspace(root)
    assert {p.split(" was left")[0] for p in examine(ws).problems} == {str(dead), str(old)}
    assert len(examine(ws, repair=True).repaired) == 2
    assert [path.exists() for path in (old, fresh, named, dead, mine, other)] == [False, True, True, False, True, True]


def test_a_damaged_artifact_is_set_aside_and_can_be_made_again(root: Path) -> None:
    ws = workspace(root)
    digest = ws.artifacts.put_bytes(b"content")
    path = ws.artifacts.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"c0ntent")
    (problem,) = examine(ws).problems
    assert digest in problem and "doctor --repair" in problem
    examine(ws, repair=True)
    assert not ws.artifacts.has(digest)
    assert [file.read_bytes() for file in (ws.artifacts.root / "damaged").iterdir()] == [b"c0ntent"]
    assert ws.artifacts.put_bytes(b"content") == digest
    assert ws.artifacts.read_bytes(digest) == b"content"
    assert examine(ws).problems == ()


def test_missing_artifacts(root: Path) -> None:
    ws = workspace(root)
    (step,) = (run for run in runs.listed(ws.store) if run.name == "plain")
    (kept,) = records.artifacts(ws.store, step.id, kind="notebook")
    ws.artifacts.path(kept.digest).unlink()
    (problem,) = examine(ws, repair=True).problems
    assert f"1 artifacts of run {step.id} are missing" in problem


def test_a_damaged_database_is_said(root: Path) -> None:
    ws = workspace(root)
    path = ws.store.path
    ws.store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    ws.store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = os.urandom(len(content) - 4096 * 2)
    path.write_bytes(bytes(content))
    problems = examine(workspace(root), repair=True).problems
    assert any("nbops.sqlite" in problem or "ree" in problem or "page" in problem for problem in problems), problems
    path.write_bytes(b"no database at all" * 1000)
    assert any("is damaged" in problem for problem in examine(workspace(root)).problems)
    with pytest.raises(StoreError, match=r"move the file away .*: 'nbops doctor --rebuild' then"):
        rebuild(workspace(root))


def test_a_lost_store_is_rebuilt_from_the_notebooks(root: Path) -> None:
    ws = workspace(root)
    kept = {run.name: (run.id, [records.text(ws.store, run.id, r.seq) for r in records.of_run(ws.store, run.id)])
            for run in runs.listed(ws.store)}  # fmt: skip
    last = {run_id: records.latest_metrics(ws.store, [run_id])[run_id] for run_id, _ in kept.values()}
    params = {run_id: runs.params(ws.store, run_id) for run_id, _ in kept.values()}
    ws.store.close()
    shutil.rmtree(ws.home)
    (root / "broken.ipynb").write_text("{")
    (root / ".ipynb_checkpoints").mkdir()
    shutil.copy(root / "executed.ipynb", root / ".ipynb_checkpoints")
    shutil.copy(root / "executed.ipynb", root / "same again.ipynb")

    ws = workspace(root)
    done = rebuild(ws)
    assert (done.notebooks, done.records, done.already) == (2, 4, 4)
    assert {run.id for run in runs.listed(ws.store)} == {run_id for run_id, _ in kept.values()}
    for run_id, texts in kept.values():
        assert [records.text(ws.store, run_id, r.seq) for r in records.of_run(ws.store, run_id)] == texts
        assert repr(records.latest_metrics(ws.store, [run_id])[run_id]) == repr(last[run_id])
    assert not verify(ws, root / "executed.ipynb").differs
    small = kept["small"][0]
    assert runs.params(ws.store, small) == params[small]
    said = "\n".join(done.lost)
    assert "broken.ipynb' is no notebook" in said
    assert "cell 2: restored with the last step only of loss" in said
    assert "cell 4: restored without the detail that only the store had" in said
    assert len(done.lost) == 3
    assert any("artifacts of run" in problem for problem in examine(ws).problems)

    again = rebuild(ws)
    assert (again.records, again.already) == (0, 8)
    assert again.lost == tuple(line for line in done.lost if "broken" in line)


def test_a_rebuild_of_what_is_whole_changes_nothing(root: Path) -> None:
    ws = workspace(root)
    before = ws.store.events_after(0)
    done = rebuild(ws)
    assert (done.records, done.lost) == (0, ()) and done.already >= 4
    assert len(ws.store.events_after(0)) == len(before)


def test_the_executed_notebooks_of_the_home_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)
    (tmp_path / "nbops.toml").touch()
    ws = workspace(tmp_path)
    run_notebook(ws, notebook(tmp_path / "nb.ipynb", "a = 1", CELLS[0].replace("df = pd.read_csv('in.csv')", "")))
    ws.store.close()
    for file in ws.home.glob("nbops.sqlite*"):
        file.unlink()
    ws = workspace(tmp_path)
    assert rebuild(ws).records == 2
    assert examine(ws).problems == (), "the artifacts were not lost"
