"""Does a notebook run under nbops as it runs without, and is what happened in it in the records?

``python tools/compare_notebooks.py FOLDER…`` executes each notebook below the folders three times, each time in a
fresh copy of its folder: with plain papermill; with plain papermill and a trace that knows nothing of nbops
(:mod:`plain_trace`); with ``--engine nbops``. It compares everything the kernel said, cell by cell. A cell that two
plain executions already tell differently (unseeded random numbers, timings) is said to vary by itself. The trace is
also what the records are held against: fits, scores, metrics, files.

The notebooks are code: they are executed. Exits with 4 if something differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from message_forms import Forms, is_record  # noqa: E402
from record_check import Check, checked  # noqa: E402

# The global generators start from the same state in all three, so that most notebooks tell the same every time, and a
# random number drawn by nbops itself would be noticed.
SEED = "import random, numpy\nrandom.seed(0)\nnumpy.random.seed(0)\ndel random, numpy\n"


@dataclass(kw_only=True)
class Executed:
    """One execution: messages by cell, how it ended, and how long it took."""

    cells: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    end: list[str] | None = None  # None: it was killed
    seconds: float = 0.0

    @property
    def cards(self) -> int:
        return sum(is_record(m) for messages in self.cells.values() for m in messages)


@dataclass(kw_only=True)
class Compared:
    notebook: str
    cells: int = 0
    errors: int = 0
    cards: int = 0
    verdict: str = "same"  # same · varies by itself · differs · timeout
    varies: dict[int, list[str]] = field(default_factory=dict)
    differs: dict[int, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    check: Check = field(default_factory=Check)


def execute(source: Path, top: Path, place: Path, mode: str, args: argparse.Namespace) -> Executed:
    """Execute a copy of `top` (the folder given) in `place`/work, in the notebook's own folder."""
    work, own = place / "work", place / mode
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(top, work, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    own.mkdir()
    home = place / "home"
    shutil.rmtree(home, ignore_errors=True)
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-seed.py").write_text(SEED)
    notebook = work / source.relative_to(top)
    spec = {
        "notebook": str(notebook),
        "output": str(own / "out.ipynb"),
        "log": str(own / "log.jsonl"),
        "engine": "nbops" if mode == "nbops" else None,
        "arguments": ["--IPKernelApp.extra_extensions=plain_trace"] if mode == "traced" else [],
        "timeout_s": args.timeout,
        "keep_going": not args.stop_at_errors,
    }
    (own / "spec.json").write_text(json.dumps(spec))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NBOPS_")}
    environ |= {
        "HOME": str(home),
        "MPLCONFIGDIR": str(place.parent / "mpl"),
        "PYTHONHASHSEED": "0",
        "NBOPS_HOME": str(own / "store"),
        "PLAIN_TRACE": str(own / "trace.jsonl"),
        "PYTHONPATH": os.pathsep.join(p for p in (str(HERE), os.environ.get("PYTHONPATH", "")) if p),
    }
    started, done = time.monotonic(), Executed()
    with (own / "papermill.txt").open("w") as said:
        child = subprocess.Popen(
            [sys.executable, str(HERE / "run_recorded.py"), str(own / "spec.json")],
            cwd=notebook.parent,
            env=environ,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
        )
        try:
            child.wait(args.timeout * (2 if mode == "traced" else 1))
        except subprocess.TimeoutExpired:
            child.kill()  # its kernel sees that its parent is gone, and ends
            child.wait()
    done.seconds = time.monotonic() - started
    log = own / "log.jsonl"
    for line in log.read_text().splitlines() if log.exists() else ():
        message = json.loads(line)
        if message["type"] == "end":
            done.end = message["content"]
        else:
            done.cells.setdefault(message["cell"], []).append(message)
    for messages in done.cells.values():  # the reply comes by a channel of its own: before or after the last outputs
        messages.sort(key=lambda message: message["type"] == "execute_reply")
    return done


def compare(source: Path, top: Path, place: Path, args: argparse.Namespace) -> Compared:
    """Three executions of one notebook, and what they differ in."""
    found = Compared(notebook=source.relative_to(top.parent).as_posix())
    begun = datetime.now(UTC)
    runs = {mode: execute(source, top, place, mode, args) for mode in ("plain", "traced", "nbops")}
    days = {(begun + timedelta(days=d)).date().isoformat() for d in (0, 1)}
    found.seconds = {mode: round(run.seconds, 1) for mode, run in runs.items()}
    plain, traced, ours = runs["plain"], runs["traced"], runs["nbops"]
    found.cells = len(plain.cells)
    found.errors = sum(any(m["type"] == "error" for m in messages) for messages in plain.cells.values())
    found.cards = ours.cards
    stopped = [
        mode for mode, run in runs.items() if run.end is None
    ]  # killed in the middle of a word, in its last cell
    until = min((max(runs[mode].cells, default=0) for mode in stopped if mode != "traced"), default=sys.maxsize)
    again = max(traced.cells, default=0) if "traced" in stopped else sys.maxsize
    forms = {mode: Forms(days) for mode in runs}
    for cell in sorted(c for c in {*plain.cells, *ours.cells} if c < until):
        said = {mode: forms[mode].cell(runs[mode].cells.get(cell, ())) for mode in runs}
        if said["plain"] == said["nbops"]:
            continue
        if said["plain"] == said["traced"] or cell >= again:
            found.differs[cell] = _difference(said["plain"], said["nbops"])
        else:
            found.varies[cell] = _difference(said["plain"], said["traced"])
    ends = [None if run.end is None else [Forms(days).text(t) for t in run.end] for run in (plain, ours)]
    if (ends[0] != ends[1] and plain.end is not None) and not found.varies:
        found.differs[-1] = [str(e)[:2000] for e in ends]
    found.verdict = "differs" if found.differs else "varies by itself" if found.varies else "same"
    if stopped:
        found.verdict += f", out of time: {', '.join(stopped)}"
    if traced.end is not None and ours.end is not None:
        found.check = checked(place / "traced" / "trace.jsonl", place / "nbops" / "store", place)
    return found


def _difference(one: list[Any], other: list[Any]) -> list[str]:
    """The first message that isn't the same, in both executions, from shortly before the place where they part."""
    for a, b in zip_longest(one, other):
        if a != b:
            texts = [json.dumps(m, ensure_ascii=False) for m in (a, b)]
            apart = next((i for i, (x, y) in enumerate(zip(*texts, strict=False)) if x != y), 0)
            return [text[max(0, apart - 200) : apart + 800] for text in texts]
    return ["", ""]


def notebooks(folders: Iterable[Path], only: list[str], without: list[str]) -> list[tuple[Path, Path]]:
    """(notebook, folder given), in order."""
    found = []
    for folder in folders:
        top = folder.resolve()
        for path in sorted(top.rglob("*.ipynb")) if top.is_dir() else [top]:
            name = path.relative_to(top.parent).as_posix()
            if ".ipynb_checkpoints" in name or any(w in name for w in without):
                continue
            if not only or any(o in name for o in only):
                found.append((path, top if top.is_dir() else top.parent))
    return found


def line(found: Compared) -> str:
    check = found.check
    counts = " | ".join(f"{k.seen}/{k.recorded}{'+' + str(k.explained) if k.explained else ''}" for k in check.kinds())
    seconds = " / ".join(str(found.seconds.get(mode, "")) for mode in ("plain", "nbops"))
    return (
        f"| {found.notebook} | {found.cells} | {found.errors} | {found.verdict} | {counts} |"
        f" {len(check.missing)} | {seconds} |"
    )


HEAD = (
    "| notebook | cells | with error | outputs | fits | scores, metrics | files | missing | s plain / nbops |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("folders", nargs="+", type=Path, help="folders of notebooks (copied whole), or notebooks")
    asked.add_argument("--only", action="append", default=[], help="only paths that contain this")
    asked.add_argument("--without", action="append", default=[], help="not paths that contain this")
    asked.add_argument("--timeout", type=float, default=90, help="seconds for one execution")
    asked.add_argument("--stop-at-errors", action="store_true", help="as papermill does; default: all cells are run")
    asked.add_argument("--json", type=Path, help="append one line a notebook to this file")
    asked.add_argument(
        "--work", type=Path, help="where to work: not below the folder for temporary files, which nbops leaves out"
    )
    asked.add_argument("--keep", action="store_true", help="keep what was executed")
    args = asked.parse_args()
    if args.work is not None:
        args.work.mkdir(parents=True, exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="compare-", dir=args.work))
    different = 0
    print(HEAD)
    for number, (path, top) in enumerate(notebooks(args.folders, args.only, args.without)):
        place = base / str(number)
        place.mkdir()
        found = compare(path, top, place, args)
        print(line(found), flush=True)
        for cell, (one, other) in found.differs.items():
            print(f"    cell {cell}:\n      plain: {one[:600]}\n      nbops: {other[:600]}", flush=True)
        for missing in found.check.missing:
            print(f"    {missing}", flush=True)
        different += bool(found.differs or found.check.missing)
        if args.json:
            with args.json.open("a") as out:
                out.write(json.dumps(asdict(found)) + "\n")
        if not args.keep:
            shutil.rmtree(place)
    if not args.keep:
        shutil.rmtree(base)
    return 4 if different else 0


if __name__ == "__main__":
    sys.exit(main())
