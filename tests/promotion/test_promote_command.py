"""``nbops promote`` as its user meets it: the gates, the refusal with exit code 3, what is promoted already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fitted_runs import bad, good, run_with, use, workspace

from nbops.workspace import Workspace


def nbops(ws: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", *words],
        cwd=ws.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_promoted_once_refused_once_and_already_there(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "project", "")
    first, second = run_with(ws, (use(ws, good()),)), run_with(ws, (use(ws, bad()),))
    done = nbops(ws, "promote", first.id, "--name", "rides")
    assert done.returncode == 0, done.stderr
    assert "✓ smoke score" in done.stdout
    assert "rides version 1 is production now, deployed as rides" in done.stdout
    refused = nbops(ws, "promote", second.id, "--name", "rides")
    assert refused.returncode == 3
    assert "✗ margin over the champion" in refused.stdout
    again = nbops(ws, "promote", first.id, "--name", "rides")
    assert again.returncode == 0
    assert "rides version 1 is production already, since" in again.stdout
    history = nbops(ws, "models", "history", "rides").stdout
    assert history.count("promoted") == 1
    assert history.count("refused") == 1
