"""Runs as text: a list, one in full, the difference of two. Values in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nbops.core.runs import CellRecord, Metric, Run

_WIDE = 200  # characters of a value where a run is shown in full
_DETAILS = ("executed", "deployment", "model", "version", "period", "files", "rows", "rejected", "why")
"""What of a run's detail people look for: a step's executed notebook, what was scored by what, why it was cached."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two runs that are compared."""

    run: Run
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    records: tuple[CellRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs: `what` (parameter, metric, data, code, environment), its name, and both values."""

    what: str
    name: str
    a: Any
    b: Any
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Diff:
    a: str
    b: str
    changes: tuple[Change, ...]


def listed(runs: Sequence[Run], metrics: Mapping[str, Mapping[str, float]], *, filtered: bool = False) -> str:
    """A line a run: id, when, kind, name, status, its last metrics. `filtered`: not every run was asked for."""
    from tabulate import tabulate

    if not runs and filtered:
        return "no such runs"
    if not runs:
        return "no runs yet: put %%track on a cell, or 'nbops run NOTEBOOK'"
    rows = [
        [run.id[:8], _when(run.started_at), run.kind, run.name, run.status.lower(), _metrics(metrics.get(run.id, {}))]
        for run in runs
    ]
    return tabulate(rows, ["run", "started (UTC)", "kind", "name", "status", "metrics"], tablefmt="plain")


def shown(
    *,
    run: Run,
    params: Mapping[str, Any],
    metrics: Sequence[Metric],
    records: Sequence[CellRecord],
    children: Sequence[Run],
) -> str:
    """One run in full."""
    from tabulate import tabulate

    head = [["run", run.id], ["kind", run.kind], ["name", run.name], ["status", run.status.lower()]]
    if run.error:
        head.append(["error", run.error])
    head.append(["started", f"{_when(run.started_at)} UTC{_took(run)}"])
    if run.notebook:
        head.append(["notebook", run.notebook])
    head += [[name, _short(run.detail[name], _WIDE)] for name in _DETAILS if run.detail.get(name) is not None]
    if run.tags:
        head.append(["tags", ", ".join(run.tags)])
    if commit := run.code.get("commit"):
        head.append(["git", f"{commit}{' with changes' if run.code.get('dirty') else ''}"])
    parts = [tabulate(head, tablefmt="plain")]
    if params:
        parts.append(
            "parameters\n"
            + _indented(
                tabulate([[k, _short(v, _WIDE)] for k, v in params.items()], tablefmt="plain", disable_numparse=True)
            )
        )
    if metrics:
        rows = [
            [m.name, f"{m.value:.6g}", "" if m.step is None else f"step {m.step}", m.source] for m in _last(metrics)
        ]
        parts.append("metrics\n" + _indented(tabulate(rows, tablefmt="plain", disable_numparse=True)))
    cells = [_cell(r) for r in records]
    if cells:
        parts.append("cells\n" + _indented("\n".join(cells)))
    if children:
        rows = [[c.id[:8], c.kind, c.name, c.status.lower(), c.error or c.detail.get("why") or ""] for c in children]
        parts.append("runs under it\n" + _indented(tabulate(rows, tablefmt="plain", disable_numparse=True)))
    return "\n\n".join(parts)


def diff(a: Side, b: Side) -> Diff:
    """What differs between two runs, whatever can be told from their records."""
    changes: list[Change] = []
    for what, mine, theirs in (("parameter", a.params, b.params), ("metric", a.metrics, b.metrics)):
        for name in dict.fromkeys([*mine, *theirs]):
            if not _same(mine.get(name), theirs.get(name)):
                changes.append(Change(what=what, name=name, a=mine.get(name), b=theirs.get(name)))
    data_a, data_b = _data(a.records), _data(b.records)
    for name in dict.fromkeys([*data_a, *data_b]):
        mine_, theirs_ = data_a.get(name), data_b.get(name)
        if mine_ is None or theirs_ is None or mine_.digest != theirs_.digest:
            why = mine_.explain(theirs_) if mine_ and theirs_ else "only in one of them"
            digests = [f.digest if f else None for f in (mine_, theirs_)]
            changes.append(Change(what="data", name=name, a=digests[0], b=digests[1], why=why))
    sources_a, sources_b = [r.source for r in a.records], [r.source for r in b.records]
    if sources_a != sources_b:
        edited = sum(x != y for x, y in zip(sources_a, sources_b, strict=False))
        said = [f"{_cells(edited)} differ{'s' * (edited == 1)}"] if edited else []
        if len(sources_a) != len(sources_b):
            longer = a if len(sources_a) > len(sources_b) else b
            said.append(f"{_cells(abs(len(sources_a) - len(sources_b)))} more in {longer.run.id[:8]}")
        why = ", ".join(said)
        changes.append(Change(what="code", name="cells", a=len(sources_a), b=len(sources_b), why=why))
    if a.run.code.get("commit") != b.run.code.get("commit"):
        changes.append(Change(what="code", name="git", a=a.run.code.get("commit"), b=b.run.code.get("commit")))
    packages_a, packages_b = a.run.environment.get("packages", {}), b.run.environment.get("packages", {})
    for name in sorted({*packages_a, *packages_b}):
        if name in packages_a and name in packages_b and packages_a[name] != packages_b[name]:
            changes.append(Change(what="environment", name=name, a=packages_a[name], b=packages_b[name]))
    return Diff(a=a.run.id, b=b.run.id, changes=tuple(changes))


def diff_text(result: Diff) -> str:
    """A difference as text."""
    from tabulate import tabulate

    if not result.changes:
        return f"{result.a[:8]} and {result.b[:8]}: no difference in parameters, metrics, data, code or environment"
    rows = [
        [c.what, c.name, _short(c.a) if not c.why else "", _short(c.b) if not c.why else "", c.why]
        for c in result.changes
    ]
    return tabulate(rows, ["", "name", result.a[:8], result.b[:8], ""], tablefmt="plain", disable_numparse=True)


def _data(records: Sequence[CellRecord]) -> dict[str, Any]:
    return {use.name: use.fingerprint for r in records for use in (*r.reads, *r.writes)}


def _last(metrics: Sequence[Metric]) -> list[Metric]:
    latest = {(m.name, m.model, m.data): m for m in metrics}
    return list(latest.values())


def _cell(record: CellRecord) -> str:
    said = [f"[{record.execution_count or ' '}] {record.status}"]
    if record.error:
        said.append(record.error)
    for word, names in (
        ("reads", [u.name for u in record.reads]),
        ("writes", [u.name for u in record.writes]),
        ("models", [f"{m.name} ({m.type.rpartition('.')[2]})" for m in record.models]),
        ("files", [f"{f.path} ({f.mode})" for f in record.files]),
    ):
        if names:
            said.append(f"{word} {', '.join(names)}")
    return " · ".join(said)


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def _took(run: Run) -> str:
    if run.ended_at is None or run.ended_at == run.started_at:  # still open; or the clock stood still (the demo's)
        return ""
    return f", took {(run.ended_at - run.started_at).total_seconds():.1f} s"


def _same(a: Any, b: Any) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)


def _metrics(values: Mapping[str, float]) -> str:
    return ", ".join(f"{k} {v:.4g}" for k, v in list(values.items())[:4]) + (" …" if len(values) > 4 else "")


def _short(value: Any, limit: int = 60) -> str:
    text = "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
