"""How long does a look at 10,000 schedules take, when nothing, one, ten, a hundred or all of them are due?

A look is :func:`nbops.automation.schedules.fire`: find what is due, decide it, queue the jobs, tell the next times. A
worker looks each second. Beside it, what a scheduler has to do that asks each schedule's cron line: 10,000 times
``croniter(line, now).get_next()`` (croniter is what apscheduler's users and ours have).

    python -m benchmarks.scheduler_tick
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from croniter import croniter

from nbops.automation import schedules
from nbops.automation.times import next_time
from nbops.core.automation import Schedule
from nbops.core.clock import FixedClock
from nbops.store import schedules as kept
from nbops.workspace import Workspace, open_workspace

SCHEDULES = 10_000
REPEATS = 15
NOW = datetime(2026, 3, 2, 0, 0, 30, tzinfo=UTC)


def made(folder: Path) -> Workspace:
    """10,000 schedules, each at a minute of its own of a week in June."""
    (folder / "nbops.toml").write_text('[pipelines.train.steps.train]\nnotebook = "train.ipynb"\n')
    ws = open_workspace(folder, clock=FixedClock(NOW), identity="benchmark", environ={})
    with ws.store.transaction() as tx:
        for i in range(SCHEDULES):
            line = f"{i % 60} {i // 60 % 24} {1 + i // 1440} 6 *"
            schedule = Schedule(
                name=f"s{i:05d}", cron=line, tz="Europe/Berlin", pipeline="train", created_at=NOW, created_by="b"
            )
            kept.save(tx, dataclasses.replace(schedule, next_at=next_time(schedule, NOW)), "added")
    return ws


def look(ws: Workspace, moment: datetime, due: int) -> list[tuple[float, float]]:
    """Seconds, and seconds of processor, of each look that it takes at `moment`, at which exactly `due` schedules are
    due."""
    there = dataclasses.replace(ws, clock=FixedClock(moment))
    with ws.store.transaction() as tx:
        for i in range(due):
            kept.save(tx, dataclasses.replace(kept.get(tx, f"s{i:05d}"), next_at=moment), "made due")
    looks, decided = [], 0
    while True:
        began, worked = time.perf_counter(), time.process_time()
        found = schedules.fire(there)
        if found or not looks:
            looks.append((time.perf_counter() - began, time.process_time() - worked))
        decided += len(found)
        if not found:
            break
    assert decided == due, (decided, due)
    return looks


def run() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        ws = made(Path(folder))
        moment = NOW
        for due, repeats in ((0, REPEATS), (1, REPEATS), (10, REPEATS), (100, REPEATS), (SCHEDULES, 1)):
            found = []
            for _ in range(repeats):
                moment += timedelta(seconds=10)
                found += look(ws, moment, due)
                with ws.store.transaction() as tx:
                    tx.write("UPDATE jobs SET status = 'COMPLETED'")
            wall, cpu = [1e3 * w for w, _ in found], [1e3 * c for _, c in found]
            rows.append(
                {
                    "due": due,
                    "median_ms": statistics.median(wall),
                    "worst_ms": max(wall),
                    "cpu_ms": statistics.median(cpu),
                    "looks": len(found) // repeats,
                    "all_ms": sum(wall) / repeats,
                }
            )
        lines = [s.cron for s in kept.listed(ws.store) if s.cron]
        began, worked = time.perf_counter(), time.process_time()
        for line in lines:
            croniter(line, NOW).get_next(datetime)
        wall, cpu = [1e3 * (time.perf_counter() - began)], [1e3 * (time.process_time() - worked)]
        rows.append({"due": "croniter asked for each", "median_ms": wall[0], "worst_ms": wall[0], "cpu_ms": cpu[0]})
        ws.store.close()
    print(f"{SCHEDULES:,} schedules, SQLite; milliseconds of a look: median, worst, of processor (median)")
    for row in rows:
        more = f"   {row['looks']} looks, {row['all_ms']:,.0f} ms in all" if row.get("looks", 1) > 1 else ""
        print(f"{row['due']!s:>24} {row['median_ms']:10.2f} {row['worst_ms']:10.2f} {row['cpu_ms']:10.2f}{more}")
    return rows


if __name__ == "__main__":
    run()
