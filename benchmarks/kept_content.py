"""What keeping the content of files costs: the cell that read one, the cell that runs while a large one waits to be
copied, and the disk when a large file grew or changed a little. Medians of runs that take turns.

    python -m benchmarks kept_content
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

ROUNDS = int(os.environ.get("NBOPS_BENCH_ROUNDS", "9"))
LOOP = "total = 0\nfor i in range(3_000_000):\n    total += i"
NEVER = "[store]\nnever_keep = ['*']\n"
LARGE_MB = 90


def run() -> list[dict[str, Any]]:
    """Print the tables; return their rows."""
    return [*small(), *while_copying(), *disk()]


def small() -> list[dict[str, Any]]:
    """Our time after a cell that read a file of its own, of a size that is copied at once."""
    head = f"{'fingerprint only':>17} {'kept':>9} {'floor: copy':>12}   ms, median"
    print(f"{'after a cell that read a new file':<36} {head}")
    rows = []
    for size in (10_000, 100_000, 990_000):
        times: dict[str, list[float]] = {"never": [], "kept": [], "copy": []}
        with Notebook(NEVER) as never, Notebook("") as kept:
            for turn in range(ROUNDS):
                for name, book in (("never", never), ("kept", kept)):
                    file = book.file(size, turn)
                    times[name].append(book.run(f"from pathlib import Path\nPath({file.name!r}).read_bytes()")[1])
                times["copy"].append(seconds(lambda file=file: copy(file)))
        row = {"bytes": size, **{name: statistics.median(found) * 1000 for name, found in times.items()}}
        print(f"{size:>30,} bytes {row['never']:17.2f} {row['kept']:9.2f} {row['copy']:12.2f}")
        rows.append(row)
    return rows


def while_copying() -> list[dict[str, Any]]:
    """The own time of a cell of pure Python right after one that read a large file, which waits to be copied."""
    times: dict[str, list[float]] = {"never": [], "kept": []}
    with Notebook(NEVER) as never, Notebook("") as kept:
        for turn in range(ROUNDS):
            for name, book in (("never", never), ("kept", kept)):
                file = book.file(LARGE_MB * 1_000_000, turn)
                book.run(f"from pathlib import Path\nPath({file.name!r}).read_bytes()")
                times[name].append(book.run(LOOP)[0])
                book.session._keeper.finish()  # as if time passed
                book.session._keeper._until = None
                file.unlink()
    row = {name: statistics.median(found) * 1000 for name, found in times.items()}
    print(f"\na cell of pure Python after one that read {LARGE_MB} MB: {row['never']:.0f} ms where nothing is kept,")
    print(f"  {row['kept']:.0f} ms where it is: × {row['kept'] / row['never']:.2f}")
    return [row]


def disk() -> list[dict[str, Any]]:
    """A 64 MB file, then one that differs a little: what the second one adds."""
    import numpy as np

    from nbops.store.artifacts import ArtifactStore

    print(f"\n{'64 MB, then':<36} {'added':>9} {'s':>6} {'MB/s':>6}")
    was = np.random.default_rng(0).bytes(64 << 20)
    new, middle = np.random.default_rng(1).bytes(200_000), len(was) // 2
    changes = {
        "(the first)": was,
        "200 kB appended": was + new,
        "200 kB inserted in the middle": was[:middle] + new + was[middle:],
        "one byte changed": was[:middle] + bytes([was[middle] ^ 1]) + was[middle + 1 :],
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store, file = ArtifactStore(Path(folder) / "artifacts"), Path(folder) / "file"
        for how, content in changes.items():
            file.write_bytes(content)
            began = time.perf_counter()
            _, written = store.add_file(file)
            took = time.perf_counter() - began
            print(f"{how:<36} {written / len(was):9.2%} {took:6.2f} {len(content) / took / 1e6:6.0f}")
            rows.append({"how": how, "added": written / len(was), "seconds": took})
    return rows


class Notebook:
    """A tracked session in a project of its own."""

    def __init__(self, toml: str) -> None:
        from nbops.capture.session import Session
        from nbops.workspace import open_workspace

        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.root = Path(self._folder.name)
        (self.root / "nbops.toml").write_text(toml)
        self.session = Session(open_workspace(self.root, environ={}), notebook=self.root / "book.ipynb")
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.run("x = 1")

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self._folder.cleanup()

    def file(self, size: int, seed: int) -> Path:
        import numpy as np

        file = self.root / f"{size}-{seed}.csv"
        file.write_bytes(np.random.default_rng(seed).bytes(size))
        return file

    def run(self, source: str) -> tuple[float, float]:
        """(the cell's own seconds, ours)"""
        from nbops.capture.cells import CellStart

        with chdir(self.root):
            code = compile(source, "cell", "exec")
            cell = self.session.begin(CellStart(source=source, code=source), self.namespace)
            assert cell is not None
            began = time.perf_counter()
            exec(code, self.namespace)
            ended = time.perf_counter()
            self.session.end(cell)
            return ended - began, time.perf_counter() - ended


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def copy(file: Path) -> None:
    import shutil

    shutil.copyfile(file, file.with_suffix(".copy"))
