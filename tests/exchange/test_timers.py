"""What is exported for cron and systemd is what they take, and does what a tick does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from croniter import croniter

from nbops.automation import schedules
from nbops.exchange import caller, timers
from nbops.settings import ScheduleSettings
from nbops.workspace import Workspace, open_workspace
from needs import missing

COMMAND = "from nbops.cli.main import main; main()"


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    root = tmp_path / "a folder with 100 % and $HOME"
    root.mkdir()
    (root / "nbops.toml").write_text('[pipelines.p.steps.a]\nnotebook = "n.ipynb"\n')
    return open_workspace(root, environ={})


def test_the_line_for_cron_ticks(ws: Workspace) -> None:
    (ws.root / "n.ipynb").write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}')
    told = "http://127.0.0.1:1/nobody"
    schedules.add(ws, "s", ScheduleSettings(every="1h", pipeline="p", on_failure=(told,)))
    (ws.root / "n.ipynb").unlink()
    schedules.run_now(ws, "s")
    comment, line = timers.crontab(ws, {"NBOPS_IDENTITY": "the night"}).splitlines()
    assert comment.startswith("#")
    assert croniter.is_valid(" ".join(line.split()[:5]))
    # cron ends the line at a bare %, and takes the backslash away from the others
    command = line.split(maxsplit=5)[5].replace("\\%", "\0")
    assert "%" not in command
    ran = subprocess.run(["sh", "-c", command.replace("\0", "%")], capture_output=True, text=True, check=False)
    assert ran.returncode == 1, "whoever calls it hears that something failed"
    failed, untold = [line for line in ran.stdout.splitlines() if "→" not in line]
    assert failed.startswith("s: failed: NotebookError: ") and "tried again" not in failed
    assert untold.startswith(f"s: {told} could not be told: URLError")
    listed = subprocess.run(
        [sys.executable, "-c", COMMAND, "schedule", "history", "s"],
        cwd=ws.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{told} could not be told" in listed.stdout
    (firing,) = schedules.history(ws, "s")
    assert firing.job is not None and "n.ipynb" in (firing.job.error or ""), "it was run, and has no such notebook"


def test_the_line_for_cron_ticks_where_the_store_is_elsewhere(ws: Workspace, tmp_path: Path) -> None:
    _, line = timers.crontab(ws, {"NBOPS_STORE": str(tmp_path / "elsewhere.sqlite")}).splitlines()
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "nothing new to decide\n", "")


@pytest.mark.parametrize(("password", "mode"), [(":hunter2-hunter2", 0o600), ("", 0o644)])
def test_units_that_hold_a_password_are_for_nobody_else(ws: Workspace, password: str, mode: int) -> None:
    environ = {**os.environ, "NBOPS_STORE": f"postgresql://ann{password}@127.0.0.1:1/db", "NBOPS_HOME": str(ws.home)}
    written = subprocess.run(
        ["sh", "-c", 'umask 022; exec "$0" -c "$1" export systemd --dir units', sys.executable, COMMAND],
        cwd=ws.root,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("NBOPS_STORE holds a secret" in written.stderr) == bool(password)
    units = sorted((ws.root / "units").iterdir())
    assert [unit.stat().st_mode & 0o777 for unit in units] == [mode] * 3
    assert f"ann{password}@" in (ws.root / "units" / "nbops-worker.service").read_text()


def test_systemd_takes_the_units(ws: Workspace, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    told = {
        "NBOPS_STORE": "postgresql://me@db/a%20b",
        "NBOPS_HOME": "",
        "NBOPS_ARTIFACTS": "/mnt/$x",
        "NBOPS_IDENTITY": "o'neil",
    }
    files = timers.units(ws, told)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in ran.stderr.splitlines() if "nbops-" in line]
    assert ours == [], "an unknown key or an executable that isn't there would be said"
    assert 'Environment="NBOPS_STORE=postgresql://me@db/a%%20b"' in files["nbops-worker.service"]
    assert 'Environment="NBOPS_IDENTITY=o\'neil"\n' in files["nbops-worker.service"]
    assert "Environment=NBOPS_ARTIFACTS=/mnt/$x\n" in files["nbops-worker.service"], (
        "no variable there: systemd.exec(5)"
    )
    assert f"Description=nbops worker of {ws.root}".replace("%", "%%") in files["nbops-worker.service"]
    (tmp_path / "nbops-tick.timer").write_text(files["nbops-tick.timer"].replace("minutely", "sometimes"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "nbops-tick.timer")], capture_output=True, text=True, check=False
    )
    assert "sometimes" in ran.stderr, "this check can fail"


def test_a_secret_in_the_store_s_url_is_noticed() -> None:
    assert caller.secrets({"NBOPS_STORE": "postgresql://me:hunter2Zq@db/x"}) == ["NBOPS_STORE"]
    assert caller.secrets({"NBOPS_STORE": "postgresql://me@db/x"}) == []
