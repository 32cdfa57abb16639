"""The peak memory of one cell, run by IPython in this process, with nbops tracking it or (``NBOPS_DISABLED=1``) not.

The same cell runs on little data first, so that what is imported on first use isn't counted as the data's. Then the
kernel is told to forget the peak so far (``/proc/self/clear_refs``), and the cell runs on all of it, up to the end of
the session, as content may be copied after the cell. A last cell reads the data once more.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

TRACKED = os.environ.get("NBOPS_DISABLED") != "1"
IMPORTS = "import numpy as np, pandas as pd, pyarrow\n"
FILE = '''
import numpy as np, pandas as pd
from pathlib import Path
block = pd.DataFrame(np.random.default_rng(0).random((20_000, 10))).to_csv(index=False).split("\\n", 1)
def write(name, n_bytes):
    """A CSV of random numbers; the same block again and again, as nobody waits for a gigabyte of formatting."""
    with Path(name).open("w") as file:
        file.write(block[0] + "\\n")
        for _ in range(max(1, n_bytes // len(block[1]))):
            file.write(block[1])
write("little.csv", 0)
write("much.csv", int(SIZE))
'''
FIT = """
from sklearn.dummy import DummyRegressor
from sklearn.metrics import r2_score
"""
KEEP = "[store]\nkeep = ['{}']\nquota_per_run_mb = 100_000\nquota_mb = 100_000\n"
# name → (toml, what is made before and isn't tracked, the cell: SIZE is in bytes, FILE the file's name, the last cell)
WORK = {
    "floats": (
        "",
        IMPORTS,
        "df = pd.DataFrame(np.random.default_rng(0).random((int(SIZE) // 80, 10)), copy=False)",
        "first = df.iloc[0, 0]",
    ),
    "objects": (
        "",
        IMPORTS,
        "df = pd.DataFrame({f'c{j}': pd.Series([f'row {i} of {j}' for i in range(int(SIZE) // 320)], dtype=object)"
        " for j in range(5)})",
        "first = df.iloc[0, 0]",
    ),
    "strings": (
        "",
        IMPORTS,
        "df = pd.DataFrame({f'c{j}': pd.Series(np.random.default_rng(j).integers(10**9, 10**10, int(SIZE) // 100)"
        ").astype('str') for j in range(5)})",
        "first = df.iloc[0, 0]",
    ),
    "csv": ("", FILE, "df = pd.read_csv(FILE)", "first = df.iloc[0, 0]"),
    "kept csv": (KEEP.format("*.csv"), FILE, "size = open(FILE).seek(0, 2)", "first = 1"),
    "kept frame": (
        KEEP.format("df"),
        IMPORTS,
        "df = pd.DataFrame(np.random.default_rng(0).random((int(SIZE) // 80, 10)), copy=False)",
        "first = df.iloc[0, 0]",
    ),
    "judged rows": (
        "",
        IMPORTS + FIT,
        "X = pd.DataFrame(np.random.default_rng(0).random((int(SIZE) // 80, 10)), copy=False)\ny = X[0] + X[1]\n"
        "model = DummyRegressor().fit(X[:500], y[:500])\nr2 = r2_score(y, model.predict(X))",
        "first = X.iloc[0, 0]",
    ),
    "fitted rows": (
        "",
        IMPORTS + FIT,
        "X = pd.DataFrame(np.random.default_rng(0).random((int(SIZE) // 80, 10)), copy=False)\ny = X[0] + X[1]\n"
        "model = DummyRegressor().fit(X, y)",
        "first = X.iloc[0, 0]",
    ),
}


def main(work: str, size: int) -> None:
    toml, before, cell, last = WORK[work]
    Path("nbops.toml").write_text(toml + "[capture]\nbudget_s = 3600\n")  # nothing is left out
    shell = InteractiveShell.instance()
    line = "%%track\n" if TRACKED else ""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        shell.run_cell("%load_ext nbops").raise_error()
        shell.run_cell(f"SIZE, FILE = {size}, 'much.csv'\n{before}", store_history=True).raise_error()
        for text in ("SIZE, FILE = 200_000, 'little.csv'", line + cell, line + last):
            shell.run_cell(text, store_history=True).raise_error()
        shell.run_cell(f"SIZE, FILE = {size}, 'much.csv'", store_history=True).raise_error()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        base = _kilobytes("VmRSS")
        for text in (line + cell, line + last):
            shell.run_cell(text, store_history=True).raise_error()
        shell.run_line_magic("unload_ext", "nbops")
        peak = _kilobytes("VmHWM")
    if TRACKED:
        recorded(4)
    versions = {name: version(name) for name in ("nbops", "pandas", "pyarrow")}
    print(json.dumps({"versions": versions, "base_mb": base / 1024, "above_mb": (peak - base) / 1024}))


def recorded(count: int) -> None:
    """Fail where the store doesn't hold what was to be tracked."""
    from nbops.store import records, runs
    from nbops.workspace import open_workspace

    store = open_workspace(Path.cwd()).store
    found = [record for run in runs.listed(store) for record in records.of_run(store, run.id)]
    assert len(found) == count, f"{count} cells, {len(found)} records"
    for record in found:
        assert all(use.fingerprint.digest for use in (*record.reads, *record.writes)), record
        assert all(file.digest and not file.not_kept for file in record.files if "little" in file.path), record.files
        assert not record.notes, record.notes


def _kilobytes(name: str) -> int:
    with Path("/proc/self/status").open() as file:
        return next(int(text.split()[1]) for text in file if text.startswith(name))


if __name__ == "__main__":
    main(sys.argv[1], int(float(sys.argv[2]) * 1e9))
