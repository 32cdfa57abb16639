"""tools/compare_notebooks.py can fail: a notebook that tells with nbops what it doesn't tell without, and a file that a
plain trace sees and no record has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "compare_notebooks.py"
CELLS = (
    "import sys\nprint('fine')",
    "'nbops' in sys.modules",
    "import pathlib\nfound = pathlib.Path('.cache/rows.csv').read_text(), pathlib.Path('rows.csv').read_text()",
    "from sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score\n"
    "model = Ridge().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])\nr2_score([1.0, 4.0], model.predict([[0.5], [1.5]]))",
)


def test_a_planted_difference_and_a_missing_read_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    (folder / ".cache").mkdir(parents=True)
    for name in ("rows.csv", ".cache/rows.csv"):  # caches are machinery to nbops
        (folder / name).write_text("a\n1\n")
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(CELLS)
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "planted.ipynb").write_text(json.dumps(book))
    report = tmp_path / "found.jsonl"
    words = ["--timeout", "120", "--work", tmp_path, "--json", report, folder]
    done = subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["verdict"] == "differs" and list(found["differs"]) == ["1"]
    without, tracked = found["differs"]["1"]
    assert "False" in without and "True" in tracked
    (missing,) = found["check"]["missing"]
    assert missing.startswith("[3] read of ") and missing.endswith(".cache/rows.csv")
    kinds = {name: found["check"][name] for name in ("fits", "metrics", "files")}
    assert {name: (k["seen"], k["recorded"]) for name, k in kinds.items()} == {
        "fits": (1, 1),
        "metrics": (1, 1),
        "files": (2, 1),
    }
