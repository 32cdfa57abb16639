"""How long a pipeline of 500 steps takes to say that all of them are cached.

Each step is a notebook of its own with a parameters cell, ten code cells and a local module, reads the file that the
step before it wrote, and has been run before (its runs are put into the store as an execution would have left them:
executing 500 notebooks takes half an hour and is not what is measured). Both ways are measured: ``--dry-run``, and a
run that records 500 CACHED steps.

    python -m benchmarks pipeline_cached
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from nbops.core.ids import new_id
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.notebook import files
from nbops.pipeline import cache
from nbops.pipeline.code_text import code_text
from nbops.pipeline.run import run_pipeline
from nbops.pipeline.step_outputs import kept_outputs
from nbops.store import runs
from nbops.workspace import Workspace, open_workspace, relative

STEPS = int(os.environ.get("NBOPS_BENCH_STEPS", "500"))
ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "5"))


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _project(root)
        ws = open_workspace(root, environ={})
        _as_if_run(ws)
        rows = [
            _row("dry run", lambda: _here(root, dry_run=True)),
            _row("run, recorded", lambda: _here(root, dry_run=False)),
            _row("dry run, whole process", lambda: _process(root)),
        ]
    for row in rows:
        print(
            f"{STEPS} steps, {row['what']:<24} median {row['median_s']:.2f} s, best {row['best_s']:.2f} s,"
            f" CPU (median) {row['cpu_s']:.2f} s"
        )
    return rows


def _row(what: str, act: Callable[[], None]) -> dict[str, Any]:
    """Seconds by the wall clock, and of the processor: on a busy machine the second is the one to trust."""
    walls, processors = [], []
    for _ in range(ROUNDS):
        began, times = time.perf_counter(), os.times()
        act()
        walls.append(time.perf_counter() - began)
        processors.append(sum(os.times()[:4]) - sum(times[:4]))
    return {
        "what": what,
        "steps": STEPS,
        "median_s": statistics.median(walls),
        "best_s": min(walls),
        "cpu_s": statistics.median(processors),
    }


def _here(root: Path, *, dry_run: bool) -> None:
    done = run_pipeline(open_workspace(root, environ={}), "main", dry_run=dry_run)
    states = {str(step.get("verdict", step["status"])).lower() for step in done.detail["steps"].values()}
    assert states == {"cached"}, states


def _process(root: Path) -> None:
    nbops = [sys.executable, "-c", "from nbops.cli.main import main; main()"]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as everywhere else
    command = [*nbops, "pipeline", "run", "main", "--dry-run"]
    subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True)


def _project(root: Path) -> None:
    (root / "rules.py").write_text("FACTOR = 2\n" + "\n".join(f"def f{i}(x):\n    return x * {i}\n" for i in range(20)))
    lines = []
    for i in range(STEPS):
        cells = [
            "import rules\nfrom pathlib import Path",
            *(f"x{j} = [rules.f{j}(k) for k in range({i})]" for j in range(8)),
        ]
        cells.append(f"Path('out/{i}.txt').write_text(str(month))")
        body = [
            {
                "cell_type": "code",
                "id": f"c{j}",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for j, source in enumerate(["month = 3", *cells])
        ]
        body[0]["metadata"] = {"tags": ["parameters"]}
        spec = {"name": "python3", "language": "python", "display_name": "python3"}
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body}
        (root / f"s{i}.ipynb").write_text(json.dumps(notebook))
        lines += [f"[pipelines.main.steps.s{i}]", f'notebook = "s{i}.ipynb"', f'outputs = ["out/{i}.txt"]']
        if i:
            lines.append(f'inputs = ["out/{max(0, i - 1 - i % 7)}.txt"]')
    (root / "nbops.toml").write_text("\n".join(lines))
    (root / "out").mkdir()
    for i in range(STEPS):
        (root / f"out/{i}.txt").write_text("3")


def _as_if_run(ws: Workspace) -> None:
    from nbops.pipeline.plan import input_files

    packages = {str(d.metadata["Name"]): d.version for d in list(distributions())[:100]}
    for step, spec in ws.settings.pipelines["main"].steps.items():
        notebook = ws.root / spec.notebook
        inputs = {k: v for wanted in spec.inputs for k, v in input_files(ws, wanted).items()}
        text = code_text(ws, files.read(notebook), None)
        parts, key = cache.parts_and_key(files.read(notebook), text, params={}, inputs=inputs, handovers={})
        done = Run(
            id=new_id(),
            kind=RunKind.STEP,
            name=step,
            experiment=relative(ws, notebook),
            status=RunStatus.COMPLETED,
            started_at=ws.clock.now(),
            ended_at=ws.clock.now(),
            notebook=relative(ws, notebook),
            environment={"packages": packages, "python": sys.version},
            detail={
                "outputs": kept_outputs(ws, step, spec, {}),
                "cache": {
                    "key": key,
                    "parts": parts,
                    "text": text.kept(),
                    "packages": packages,
                    "seen": {"outside": [], "reads": {}},
                },
            },
        )
        with ws.store.transaction() as tx:
            runs.save(tx, done, cache_key=key)
