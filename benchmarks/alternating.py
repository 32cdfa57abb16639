"""Contenders that take turns, each in a process of its own, so that a busy moment of the machine hits all alike.

A contender is a script in ``contenders/``: it is told what to do and in which folder, and answers with one line of
JSON, ``{"versions": {…}, "seconds": [first, second, …]}``. It may need another interpreter (mlflow has a virtual
environment of its own, so that neither pulls the other's dependencies about).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "5"))
MLFLOW = Path(os.environ.get("NBOPS_BENCH_MLFLOW", HERE.parent / ".venv-mlflow/bin/python"))
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
    "GIT_PYTHON_REFRESH": "quiet",
}
LEFT_OUT = ("NBOPS_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
"""Of this process's variables. (Where no bytecode is written, each process compiles what it imports: nobody's does.)"""
TIMEOUT_S = 600


@dataclass(frozen=True, kw_only=True)
class Contender:
    """`scale` multiplies what it measured, where it does only a part of the work (the table says so)."""

    name: str
    script: str
    work: str
    count: int
    python: Path = Path(sys.executable)
    scale: float = 1.0
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds by round. `rounds` is empty where the contender could not take part; `missing` says why."""

    name: str
    rounds: tuple[tuple[float, ...], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def seconds(self) -> list[float]:
        return [second for one in self.rounds for second in one]


def take_turns(contenders: Iterable[Contender], rounds: int = ROUNDS) -> list[Measured]:
    """A B C, A B C, …; one that fails or isn't installed is out, and the others go on."""
    contenders = list(contenders)
    seconds: dict[str, list[tuple[float, ...]]] = {c.name: [] for c in contenders}
    versions: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}
    for _ in range(rounds):
        for contender in contenders:
            if contender.name in missing:
                continue
            try:
                answer = _once(contender)
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                missing[contender.name] = _why(contender, error)
                print(f"!!! {contender.name} IS NOT COMPARED: {missing[contender.name]}")
                continue
            seconds[contender.name].append(tuple(s * contender.scale for s in answer["seconds"]))
            versions[contender.name] = answer["versions"]
    return [
        Measured(
            name=c.name,
            rounds=() if c.name in missing else tuple(seconds[c.name]),
            versions=versions.get(c.name, {}),
            missing=missing.get(c.name, ""),
        )
        for c in contenders
    ]


def table(case: str, measured: list[Measured], *, pick: Callable[[tuple[float, ...]], Iterable[float]] = tuple) -> Any:
    """Print a case: the first contender is what the others are compared with. Returns its rows.

    The ratio is the median of the rounds' ratios of medians; `pick` chooses among a round's seconds."""
    print(f"\n{case}")
    print(f"  {'':<50}{'median ms':>11}{'best':>10}{'p99':>10}{'n':>6}{'× top':>9}")
    rows = []
    floor = [statistics.median(pick(one)) for one in measured[0].rounds]
    for one in measured:
        if not one.rounds:
            print(f"  {one.name:<50}{'MISSING: not compared':>46}")
            rows.append({"case": case, "contender": one.name, "missing": one.missing})
            continue
        picked = [list(pick(seconds)) for seconds in one.rounds]
        every = sorted(second for seconds in picked for second in seconds)
        ratio = statistics.median(statistics.median(s) / f for s, f in zip(picked, floor, strict=True)) if floor else 0
        row = {
            "case": case,
            "contender": one.name,
            "median_s": statistics.median(every),
            "best_s": every[0],
            "p99_s": every[min(len(every) - 1, int(0.99 * len(every)))] if len(every) >= 100 else None,
            "n": len(every),
            "ratio": ratio,
            "versions": one.versions,
        }
        p99 = f"{row['p99_s'] * 1e3:.2f}" if row["p99_s"] is not None else ""
        median, best = (f"{row[key] * 1e3:.2f}" for key in ("median_s", "best_s"))
        print(f"  {one.name:<50}{median:>11}{best:>10}{p99:>10}{len(every):>6}{ratio:>9.1f}")
        rows.append(row)
    return rows


def _once(contender: Contender) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="nbops-bench-") as folder:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(LEFT_OUT)}
        done = subprocess.run(
            [contender.python, HERE / "contenders" / contender.script, contender.work, str(contender.count)],
            cwd=folder,
            env=environ | QUIET | {"IPYTHONDIR": f"{folder}/ipython"} | contender.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def _why(contender: Contender, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {contender.python.name} of its own; docs/benchmarks.md says how to install it"
    if isinstance(error, subprocess.CalledProcessError):
        return f"{contender.script} {contender.work} failed:\n{error.stderr[-1500:]}"
    return f"{type(error).__name__}: {error}"
