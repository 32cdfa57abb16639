"""Tracking without IPython: a script's blocks, and what it logs outside of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nbops.core.canonical import digest
from nbops.core.runs import RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace


def run(folder: Path, script: str, **env: str) -> tuple[Workspace, subprocess.CompletedProcess[str]]:
    """Run a script in a workspace of its own."""
    (folder / ".nbops").mkdir(exist_ok=True)
    (folder / "script.py").write_text(script)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NBOPS_")}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return open_workspace(folder, environ={}), done


def test_a_block_is_a_run_of_its_own(tmp_path: Path) -> None:
    script = (
        "import nbops\n"
        "with nbops.track('train', tags=['nightly']):\n"
        "    nbops.log_params({'depth': 3, 'api_key': 'abcd'})\n"
        "    for step in range(3):\n        nbops.log_metric('loss', 1 / (step + 1), step=step)\n"
        "    nbops.log_metrics({'mae': 2, 'r2': 0.5})\n"
        "    nbops.log_artifact(b'content', name='a.txt')\n"
        "    nbops.set_tag('late')\n"
    )
    ws, done = run(tmp_path, script)
    assert (done.stdout, done.stderr) == ("", "")
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    (session,) = runs.listed(ws.store, kinds=[RunKind.SESSION])
    assert (block.name, block.status, block.tags) == ("train", RunStatus.COMPLETED, ("nightly", "late"))
    assert (session.name, session.status, block.parent) == ("script", RunStatus.COMPLETED, session.id)
    assert runs.params(ws.store, block.id) == {"depth": 3, "api_key": "[redacted]"}
    logged = [(m.name, m.step, m.value) for m in records.metrics(ws.store, block.id)]
    assert logged == [("loss", 0, 1.0), ("loss", 1, 0.5), ("loss", 2, 1 / 3), ("mae", None, 2.0), ("r2", None, 0.5)]
    (record,) = records.of_run(ws.store, block.id)
    assert [(m.name, m.step) for m in record.metrics] == [("loss", 2), ("mae", None), ("r2", None)]
    assert record.source == digest(script)
    (kept,) = records.artifacts(ws.store, block.id, "file")
    assert ws.artifacts.read_bytes(kept.digest) == b"content"


def test_logging_outside_of_a_block_opens_a_session(tmp_path: Path) -> None:
    ws, done = run(tmp_path, "import nbops\nnbops.log_metric('m', 1)\nnbops.log_param('p', 'q')\n")
    assert done.stderr == ""
    (session,) = runs.listed(ws.store)
    assert (session.kind, session.status) == (RunKind.SESSION, RunStatus.COMPLETED)
    assert runs.params(ws.store, session.id) == {"p": "q"}
    assert [m.value for m in records.metrics(ws.store, session.id)] == [1.0]


def test_a_block_that_raises_ends_failed_and_the_error_goes_on(tmp_path: Path) -> None:
    ws, done = run(tmp_path, "import nbops\nwith nbops.track('bad'):\n    raise ValueError('no')\n")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: no\n")
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    assert (block.status, block.error) == (RunStatus.FAILED, "ValueError: no")


def test_an_interrupted_block_ends_stopped(tmp_path: Path) -> None:
    ws, _ = run(tmp_path, "import nbops\nwith nbops.track('long'):\n    raise KeyboardInterrupt\n")
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    assert block.status is RunStatus.STOPPED


def test_importing_and_doing_nothing_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "import nbops\nnbops.track\n")
    assert list((tmp_path / ".nbops").iterdir()) == []


def test_disabled_the_script_runs_as_it_is(tmp_path: Path) -> None:
    script = (
        "import nbops\nwith nbops.track('x'):\n    nbops.log_metric('m', 1)\nnbops.log_param('p', 1)\nprint('ran')\n"
    )
    _, done = run(tmp_path, script, NBOPS_DISABLED="1")
    assert (done.stdout, done.stderr) == ("ran\n", "")
    assert list((tmp_path / ".nbops").iterdir()) == []


def test_what_is_no_number_or_model_is_refused_by_name(tmp_path: Path) -> None:
    calls = ["log_metric('mae', 'low')", "log_metric('m', 1, step='a')", "log_model(3, 'name')"]
    tries = "".join(f"try:\n    nbops.{call}\nexcept Exception as e:\n    print(e)\n" for call in calls)
    _, done = run(tmp_path, f"import nbops\nwith nbops.track('a'):\n    pass\n{tries}")
    number, step, model = done.stdout.splitlines()
    assert number.startswith("the metric 'mae' must be a number, got 'low'")
    assert step == "the step of the metric 'm' must be a whole number, got 'a'"
    assert model.startswith("log_model takes a fitted estimator, got 3 of type int")


def test_a_block_in_a_block_is_part_of_it_and_that_is_said(tmp_path: Path) -> None:
    script = "import nbops\nwith nbops.track('a'):\n    with nbops.track('b'):\n        nbops.log_metric('m', 1)\n"
    ws, done = run(tmp_path, script)
    said = "the block 'b' ran within this one and is part of it: no run of its own"
    assert done.stderr == f"nbops: {said}\n"
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    (record,) = records.of_run(ws.store, block.id)
    assert (block.name, [m.name for m in record.metrics], record.notes) == ("a", ["m"], (said,))


def test_a_store_that_cannot_be_written_does_not_stop_the_script(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    _, done = run(
        tmp_path, "import nbops\nwith nbops.track('x'):\n    print('ran')\n", NBOPS_HOME=str(tmp_path / "home")
    )
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "not recorded" in done.stderr


def test_logging_does_not_stop_the_script_either(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    _, done = run(tmp_path, "import nbops\nnbops.log_metric('m', 1)\nprint('ran')\n", NBOPS_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (0, "ran\n")


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    script = (
        "import os, nbops\nwith nbops.track('x'):\n    pid = os.fork()\n    if pid == 0:\n"
        "        nbops.log_metric('child', 1)\n        raise SystemExit\n    os.waitpid(pid, 0)\n"
        "    nbops.log_metric('parent', 1)\n"
    )
    ws, done = run(tmp_path, script)
    assert done.returncode == 0
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    assert block.status is RunStatus.COMPLETED
    assert [m.name for m in records.metrics(ws.store, block.id)] == ["parent"]


def test_code_and_environment(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "script.py").write_text("")
    subprocess.run([*git, "add", "script.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    ws, _ = run(tmp_path, "import nbops, blake3\nnbops.log_param('a', 1)\n")
    (session,) = runs.listed(ws.store)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert session.code["commit"] == head
    assert session.code["dirty"] is True
    assert session.code["diff"].startswith("sha256:")
    assert session.environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "blake3" in session.environment["packages"]


def test_an_import_in_the_block_that_uses_it_misses_nothing_of_the_mixins(tmp_path: Path) -> None:
    """score, fit_transform and fit_predict come from mixins, which are no estimators themselves."""
    script = (
        "import nbops\n"
        "with nbops.track('first'):\n"
        "    import numpy as np\n"
        "    from sklearn.cluster import KMeans\n"
        "    from sklearn.preprocessing import PolynomialFeatures\n"
        "    from sklearn.linear_model import LinearRegression\n"
        "    from sklearn.svm import LinearSVC\n"
        "    X = np.arange(40.0).reshape(20, 2); y = np.arange(20) % 2\n"
        "    svc = LinearSVC().fit(X, y)\n"
        "    svc.score(X, y)\n"
        "    LinearRegression().fit(X, y).score(X, y)\n"
        "    poly = PolynomialFeatures(); poly.fit_transform(X)\n"
        "    means = KMeans(2, n_init=1); means.fit_predict(X)\n"
    )
    ws, done = run(tmp_path, script)
    assert done.returncode == 0, done.stderr
    (block,) = runs.listed(ws.store, kinds=[RunKind.BLOCK])
    (record,) = records.of_run(ws.store, block.id)
    assert [m.source.rpartition(".")[0].rpartition(".")[2] for m in record.metrics] == ["LinearSVC", "LinearRegression"]
    assert {m.type.rpartition(".")[2] for m in record.models} >= {"LinearSVC", "PolynomialFeatures", "KMeans"}
