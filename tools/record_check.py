"""What a plain trace saw, against what nbops recorded: fits, scores and metrics, files, each cell by itself."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FITTED = re.compile(r"(\d+) (?:models were|model was) fitted")


@dataclass(kw_only=True)
class Kind:
    """`seen` by the trace; of these `recorded` one by one, and `explained`: not kept, for a reason that is written
    down in the record or in docs/recording.md."""

    seen: int = 0
    recorded: int = 0
    explained: int = 0


@dataclass(kw_only=True)
class Check:
    fits: Kind = field(default_factory=Kind)
    metrics: Kind = field(default_factory=Kind)
    files: Kind = field(default_factory=Kind)
    missing: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def kinds(self) -> tuple[Kind, Kind, Kind]:
        return self.fits, self.metrics, self.files

    def explain(self, kind: Kind, reason: str, times: int = 1) -> None:
        kind.explained += times
        self.reasons[reason] = self.reasons.get(reason, 0) + times


def checked(trace: Path, store: Path, place: Path) -> Check:
    """Hold a traced execution against the store of another. `place` is where both worked."""
    check = Check()
    records = _records(store)
    for line in trace.read_text().splitlines() if trace.exists() else ():
        cell = json.loads(line)
        mine = records.get(cell["count"], [])
        where = f"[{cell['count']}]"
        if not mine and (cell["calls"] or cell["files"]):
            check.missing.append(f"{where} no record of the cell")
        _fits(check, where, cell["calls"], mine)
        _metrics(check, where, cell["calls"], mine)
        _files(check, where, cell["files"], mine, place)
    return check


def _records(store: Path) -> dict[int, list[Any]]:
    """The records of a store, by execution count; of what is too long for a notebook, the whole that the store has."""
    from nbops.core.canonical import parse
    from nbops.core.runs import CellRecord
    from nbops.core.wire import from_json
    from nbops.store import records
    from nbops.workspace import open_workspace

    found: dict[int, list[Any]] = {}
    ws = open_workspace(store.parent, environ={"NBOPS_HOME": str(store)}, read_only=True)
    if ws.store.path.exists():
        for run in {row["run"] for row in ws.store.rows("SELECT DISTINCT run FROM records")}:
            for kept in records.of_run(ws.store, run):
                whole = next((a for a in kept.artifacts if (a.kind, a.name) == ("detail", "record.json")), None)
                record = (
                    from_json(CellRecord, parse(ws.artifacts.verified(whole.digest).read_text())) if whole else kept
                )
                found.setdefault(record.execution_count, []).append(record)
    return found


def _fits(check: Check, where: str, calls: list[list[Any]], mine: list[Any]) -> None:
    fitted = Counter(name for kind, name, returned in calls if kind == "fit" and returned)
    check.fits.seen += sum(fitted.values())
    kept = Counter(model.type for record in mine for model in record.models)
    counted = [int(m[1]) for record in mine for note in record.notes if (m := _FITTED.search(note))]
    for name, times in fitted.items():
        check.fits.recorded += (direct := min(times, kept[name]))
        if direct == times:
            continue
        if counted:
            check.explain(check.fits, "counted in the record's note: overwritten or out of reach", times - direct)
        elif direct:
            check.explain(check.fits, "the same estimator again: its last state is recorded", times - direct)
        else:
            check.missing.append(f"{where} fit of {name}: {times} seen, none recorded")
    if counted and sum(counted) < sum(fitted.values()):
        check.missing.append(f"{where} {sum(fitted.values())} fits seen, the record counts {sum(counted)}")


def _metrics(check: Check, where: str, calls: list[list[Any]], mine: list[Any]) -> None:
    seen = Counter((kind, name) for kind, name, returned in calls if kind != "fit" and (returned or kind == "metric"))
    sources = Counter(metric.source for record in mine for metric in record.metrics)
    kept = Counter(a.name.partition(".")[0] for record in mine for a in record.artifacts if a.kind == "detail")
    for (kind, name), times in seen.items():
        check.metrics.seen += times
        if kind == "score":
            recorded = sources[f"{name}.score"]
        elif kind == "cv":
            recorded = min(times, sources[f"sklearn.model_selection.{name}"])
        else:
            recorded = sources[f"sklearn.metrics.{name}"] or kept[name]
        check.metrics.recorded += min(times, recorded)
        if recorded < times:
            check.missing.append(f"{where} {kind} {name}: {times} seen, {recorded} recorded")


def _files(check: Check, where: str, files: list[list[str]], mine: list[Any], place: Path) -> None:
    recorded = {(use.mode, use.path) for record in mine for use in record.files}
    written = {path for mode, path in files if mode == "write"}
    for mode, path in files:
        if _machinery(path, place):
            continue
        check.files.seen += 1
        if (mode, path) in recorded:
            check.files.recorded += 1
        elif mode == "read" and path in written:
            check.explain(check.files, "read back by the cell that wrote it")
        elif mode == "write" and path.startswith(tempfile.gettempdir() + os.sep):
            check.explain(check.files, "made in the folder for temporary files by the cell itself")
        else:
            check.missing.append(f"{where} {mode} of {path}")


def _machinery(path: str, place: Path) -> bool:
    """Python, its packages and their data, the system, caches under the home folder: nobody's data."""
    roots = {sys.prefix, sys.base_prefix, os.path.realpath(sys.executable).rpartition("/bin/")[0]}
    roots |= {"/proc", "/sys", "/dev", "/etc", "/usr", "/lib", str(place.parent / "mpl"), str(place / "traced")}
    return path.endswith((".py", ".pyc", ".so")) or any(path.startswith(root + os.sep) for root in roots)
