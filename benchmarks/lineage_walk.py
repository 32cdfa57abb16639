"""How long ``nbops lineage X`` takes on a store of 10,000 runs.

The store is written as recording would have left it: 40 notebooks, each run 250 times, every run of a batch on the same
file, four cells a run (read, select, fit, judge and write).
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from nbops.core.canonical import digest
from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import Artifact, CellRecord, CellStatus, DataUse, FileUse, ModelUse, Run, RunKind, RunStatus
from nbops.lineage.graph import lineage
from nbops.render.lineage_picture import lineage_svg
from nbops.store import records, runs
from nbops.store.database import Transaction
from nbops.workspace import Workspace, open_workspace

RUNS, NOTEBOOKS, ROUNDS = 10_000, 40, 5
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_TEXTS = (
    "import pandas as pd\nrows = pd.read_parquet('data/training.parquet')",
    "past = rows[rows.hr > 3]\nlimit = 5",
    "model = Ridge().fit(past, past.y)",
    "error = mean_absolute_error(past.y, model.predict(past))\npast.to_csv('out.csv')",
)


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nbops.toml").touch()
        ws = open_workspace(Path(folder), environ={})
        _fill(ws)
        asked = {
            "a variable": "rows",
            "a file that 40 runs read": "data/training.parquet",
            "a name without data": "limit",
            "a notebook": "nb/3.ipynb",
            "a run": f"{RUNS // 2:016x}",
            "a model's digest": _hash("a1", "d", RUNS // 3),
        }
        rows = [_measured(ws, what, name) for what, name in asked.items()]
        ws.store.close()
    for row in rows:
        print(f"{row['asked']:<28}{row['median_s']:>8.3f} s {row['nodes']:>6} nodes, drawn in {row['drawn_s']:.3f} s")
    return rows


def _measured(ws: Workspace, what: str, name: str) -> dict[str, Any]:
    walked, drawn = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        graph = lineage(ws, name)
        walked.append(time.perf_counter() - began)
        began = time.perf_counter()
        lineage_svg(graph)
        drawn.append(time.perf_counter() - began)
    return {"asked": what, "median_s": median(walked), "drawn_s": median(drawn), "nodes": len(graph.nodes)}


def _fill(ws: Workspace) -> None:
    for first in range(0, RUNS, 500):
        with ws.store.transaction() as tx:
            for number in range(first, first + 500):
                _one(tx, number)


def _one(tx: Transaction, number: int) -> None:
    made = Run(
        id=f"{number:016x}",
        kind=RunKind.STEP,
        name="train",
        experiment="train",
        status=RunStatus.COMPLETED,
        started_at=_BEGAN + timedelta(minutes=number),
        notebook=f"nb/{number % NOTEBOOKS}.ipynb",
    )
    runs.save(tx, made)
    rows, past = (DataUse(name=n, fingerprint=_frame(n, number)) for n in ("rows", "past"))
    model = ModelUse(name="model", type="sklearn.linear_model.Ridge", digest=_hash("a1", "d", number))
    read = FileUse(path="data/training.parquet", mode="read", digest=_hash("f1", "e", number // NOTEBOOKS), size=9)
    wrote = FileUse(path="out.csv", mode="write", digest=_hash("f1", "f", number), size=9)
    kept = Artifact(name="model.skops", kind="model", digest=model.digest or "", size=9)
    cells: list[dict[str, Any]] = [
        {"files": (read,), "writes": (rows,)},
        {"reads": (rows,), "writes": (past,), "params": {"limit": 5}},
        {"reads": (past,), "models": (model,)},
        {"reads": (past,), "files": (wrote,)},
    ]
    for seq, (text, holds) in enumerate(zip(_TEXTS, cells, strict=True)):
        record = CellRecord(
            run=made.id,
            seq=seq,
            cell_id=f"c{seq}",
            source=digest(text),
            execution_count=seq + 1,
            status=CellStatus.OK,
            started_at=made.started_at + timedelta(seconds=seq),
            artifacts=(kept,) if "models" in holds else (),
            **holds,
        )
        records.add(tx, record, cell_text=text)


def _frame(name: str, number: int) -> Fingerprint:
    return Fingerprint(kind="dataframe", digest=_hash("f1", "a" if name == "rows" else "b", number), shape=(9, 5))


def _hash(tag: str, what: str, number: int) -> str:
    return f"{tag}:blake3:{what}{number:063x}"
