"""kill -9 of workers on both kinds of store; and that the comparison finds what it looks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scheduled import opened
from soak import compared

from nbops.store import automation
from postgres_server import Server


def soaked(folder: Path, kills: int, *options: str) -> list[int]:
    """(kills, jobs, attempts, wrong), by a process of its own: it forks."""
    here = Path(__file__).parent
    ran = subprocess.run(
        [sys.executable, str(here / "soak.py"), "--kills", str(kills), "--folder", str(folder), *options],
        env=os.environ | {"PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [int(number) for number in re.findall(r"(\d+) (?:kills|jobs|attempts|wrong)", ran.stdout)]


def test_killed_workers_lose_and_double_nothing(tmp_path: Path) -> None:
    kills, jobs, attempts, wrong = soaked(tmp_path, 100)
    assert kills >= 100 and wrong == 0
    assert attempts > jobs, "some were killed in the middle of a job"


def test_nor_on_postgresql(tmp_path: Path, postgres_server: Server) -> None:
    kills, *_, wrong = soaked(tmp_path, 30, "--store", postgres_server.database())
    assert kills >= 30 and wrong == 0


@pytest.mark.parametrize("fault", ["begun twice", "in two hands", "lost", "was not decided once", "without being done"])
def test_the_comparison_can_fail(tmp_path: Path, fault: str) -> None:
    soaked(tmp_path, 2)
    ws = opened(tmp_path)
    rounds = len(automation.jobs(ws.store)) // 2
    assert compared(ws, rounds).wrong == []
    job = automation.jobs(ws.store)[0]
    log = (tmp_path / "log").read_text()
    if fault == "begun twice":
        (tmp_path / "log").write_text(log + f"begins {job.decision} {job.attempt}\n")
    elif fault == "in two hands":
        begins = f"begins {job.decision} {job.attempt}\n"
        (tmp_path / "log").write_text(
            log.replace(begins, begins + f"begins {job.decision} {job.attempt + 1}\n") + f"ends {job.decision} 1\n"
        )
    elif fault == "without being done":
        (tmp_path / "log").write_text(log.replace(f"ends {job.decision} {job.attempt}\n", ""))
    else:
        with ws.store.transaction() as tx:
            tx.write("DELETE FROM jobs WHERE decision = :d", d=job.decision)
            if fault == "was not decided once":
                tx.write("DELETE FROM decisions WHERE id = :d", d=job.decision)
    assert any(fault in sentence for sentence in compared(ws, rounds).wrong)
    ws.store.close()
