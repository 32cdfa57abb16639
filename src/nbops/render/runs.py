"""Runs as text: a list, one in full, the difference of two. Values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from nbops.core.runs import CellRecord, Metric, Run

_WIDE = 200  # characters of a value where a run is shown in full
_DETAILS = ("executed", "deployment", "model", "version", "period", "files", "rows", "rejected", "why", "exit")
"""What of a run's detail people look for: a step's executed notebook, what was scored by what, why it was cached."""


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
        of = _of(records)
        rows = [
            [m.name, f"{m.value:.6g}", "" if m.step is None else f"step {m.step}", of(m) or m.source]
            for m in _last(metrics)
        ]
        parts.append("metrics\n" + _indented(tabulate(rows, tablefmt="plain", disable_numparse=True)))
    cells = [_cell(r) for r in records]
    if cells:
        parts.append("cells\n" + _indented("\n".join(cells)))
    if children:
        rows = [[c.id[:8], c.kind, c.name, c.status.lower(), c.error or c.detail.get("why") or ""] for c in children]
        parts.append("runs under it\n" + _indented(tabulate(rows, tablefmt="plain", disable_numparse=True)))
    return "\n\n".join(parts)


def _last(metrics: Sequence[Metric]) -> list[Metric]:
    """The last of each name, model and data; of a model that isn't known, of each line."""
    latest = {(m.name, m.model, m.data, m.line if m.model is None else None): m for m in metrics}
    return list(latest.values())


def _of(records: Sequence[CellRecord]) -> Callable[[Metric], str]:
    """What says of which model and on which data a metric is, by the names they had."""
    newest = records[::-1]  # the name it went by first counts: another is one of the same content, made or loaded later
    data = {m.data: m.on for r in newest for m in r.metrics if m.data and m.on}
    data |= {u.fingerprint.digest: u.name for r in newest for u in (*r.writes, *r.reads) if u.fingerprint.digest}
    models = {m.digest: m.name for r in newest for m in r.models[::-1]}

    def said(metric: Metric) -> str:
        of = f"of {models[metric.model]}" if metric.model in models and metric.model else ""
        on = f"on {data[metric.data]}" if metric.data in data and metric.data else ""
        return " ".join(part for part in (of, on) if part)

    return said


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


def _took(run: Run) -> str:
    if run.ended_at is None or run.ended_at == run.started_at:  # still open; or the clock stood still (the demo's)
        return ""
    return f", took {(run.ended_at - run.started_at).total_seconds():.1f} s"


def _metrics(values: Mapping[str, float]) -> str:
    return ", ".join(f"{k} {v:.4g}" for k, v in list(values.items())[:4]) + (" …" if len(values) > 4 else "")


def _short(value: Any, limit: int = 60) -> str:
    text = "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
