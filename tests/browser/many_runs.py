"""Stores of any number of small runs, written as tracked blocks write theirs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from nbops.core.runs import CellRecord, CellStatus, Metric, Run, RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import open_workspace


def fill(folder: Path, many: int) -> None:
    """`many` runs with a parameter (lr, 0 to 6) and a metric (mae, each of 0 to many - 1 once where 7919 allows it)."""
    ws = open_workspace(folder, environ={})
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with ws.store.transaction() as tx:
        for i in range(many):
            at = begin + timedelta(seconds=i)
            run = Run(
                id=f"{i:016x}",
                kind=RunKind.BLOCK,
                name=f"run {i}",
                experiment="many",
                status=RunStatus.COMPLETED,
                started_at=at,
                ended_at=at,
            )
            runs.save(tx, run)
            runs.set_params(tx, run.id, {"lr": i % 7})
            metric = Metric(name="mae", value=float((i * 7919) % many))
            record = CellRecord(
                run=run.id,
                seq=0,
                cell_id=None,
                source="",
                execution_count=None,
                status=CellStatus.OK,
                metrics=(metric,),
            )
            records.add(tx, record, series=(metric,))
