"""How long until a process has started: IPython with the extension, the command line, beside mlflow's and the floor.

Whole processes, in turns. On a busy machine the CPU seconds (user and system) are the ones to trust.

    python -m benchmarks process_start        (NBOPS_BENCH_ROUNDS=10 by default here)
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.alternating import MLFLOW, QUIET

ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "10"))
HEAVY = ("pandas", "sklearn", "sqlalchemy", "numpy", "pyarrow", "scipy", "matplotlib", "papermill", "tornado")
RUNS = 20
MAKE_RUNS = f"""
import nbops
for i in range({RUNS}):
    with nbops.track(f"run {{i}}"):
        nbops.log_metric("mae", i)
"""


def run() -> list[dict[str, Any]]:
    """Print the tables; return their rows."""
    python, bin_ = sys.executable, Path(sys.executable).parent
    ipython = [python, "-m", "IPython", "--no-banner", "--quick", "-c"]
    rows = []
    with tempfile.TemporaryDirectory(prefix="nbops-bench-") as folder:
        environ = os.environ | QUIET | {"IPYTHONDIR": f"{folder}/ipython"}
        Path(folder, ".nbops").mkdir()
        subprocess.run([python, "-c", MAKE_RUNS], cwd=folder, env=environ, check=True)
        cases: dict[str, dict[str, list[Any]]] = {
            "the extension": {
                "IPython": [*ipython, "pass"],
                "IPython, %load_ext nbops": [*ipython, "%load_ext nbops"],
                "IPython, import mlflow": [MLFLOW, *ipython[1:], "import mlflow"],
            },
            "the command line": {
                "python -c pass": [python, "-c", "pass"],
                "nbops --help": [bin_ / "nbops", "--help"],
                f"nbops runs ({RUNS} runs)": [bin_ / "nbops", "runs"],
                "mlflow --version": [MLFLOW.with_name("mlflow"), "--version"],
            },
        }
        for case, commands in cases.items():
            rows += _table(case, _turns(commands, folder, environ))
        listing = f"import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
        done = subprocess.run(
            [*ipython, f"%load_ext nbops\n{listing}"], cwd=folder, env=environ, capture_output=True, text=True
        )
        print(f"\nheavy modules in IPython after %load_ext nbops: {done.stdout.strip()}")
    return rows


def _turns(
    commands: dict[str, list[Any]], folder: str, environ: dict[str, str]
) -> dict[str, list[tuple[float, float]]]:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            if not Path(command[0]).exists():
                continue
            seconds = _process(command, folder, environ)
            if number:  # the first round warms the caches
                taken[name].append(seconds)
    return taken


def _process(command: list[Any], folder: str, environ: dict[str, str]) -> tuple[float, float]:
    """(wall, CPU) seconds of a process and its children."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said.decode()[-1000:]}")
    return wall, used.ru_utime + used.ru_stime


def _table(case: str, taken: dict[str, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    first = next(iter(taken.values()))
    print(f"\n{case}: whole processes, {ROUNDS} rounds")
    print(f"  {'':<34}{'wall s':>9}{'CPU s':>9}{'more wall s':>13}{'more CPU s':>12}{'× top':>9}")
    rows = []
    for name, seconds in taken.items():
        if not seconds:
            print(f"  {name:<34}{'MISSING: not compared (docs/benchmarks.md says how to install it)':>52}")
            rows.append({"case": case, "contender": name, "missing": "not installed"})
            continue
        wall, cpu = (statistics.median(s[i] for s in seconds) for i in (0, 1))
        more = [statistics.median(s[i] - f[i] for s, f in zip(seconds, first, strict=True)) for i in (0, 1)]
        ratio = statistics.median(s[1] / f[1] for s, f in zip(seconds, first, strict=True))
        print(f"  {name:<34}{wall:>9.3f}{cpu:>9.3f}{more[0]:>13.3f}{more[1]:>12.3f}{ratio:>9.1f}")
        rows.append(
            {"case": case, "contender": name, "wall_s": wall, "cpu_s": cpu, "more_wall_s": more[0], "cpu_ratio": ratio}
        )
    return rows


if __name__ == "__main__":
    run()
