"""A cell's record as a card: what it read, with which parameters, and what came out.

The visible text has no times, durations, ids or machine names: running a notebook again with the same result leaves
it unchanged, so a git diff shows what changed and nothing else. The HTML reads right without any style, which is
all that remains of it in an untrusted notebook, in a mail or on a code host.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import Artifact, CellRecord, CellStatus, Metric, ModelUse

_FEW = 12  # entries a card lists before it says how many more there are
_LONG = 80  # characters of one parameter's value

_JSON = json.JSONEncoder(ensure_ascii=False, default=str)  # `dumps` makes one for each value

Row = tuple[str, list[str]]
Names = Mapping[Any, str]  # {digest: the variable it went by}

_STYLE = """<style>
.nbops-card{border:1px solid var(--jp-border-color2,#ccc);border-left:3px solid var(--nbops-mark,#2e7d32);
border-radius:3px;padding:4px 10px;margin:4px 0;max-width:60em;font-size:var(--jp-ui-font-size1,13px);
color:var(--jp-ui-font-color1,inherit);background:var(--jp-layout-color1,transparent)}
.nbops-card.nbops-error{--nbops-mark:#c62828}.nbops-card.nbops-note{--nbops-mark:#b26a00}
.nbops-card summary{cursor:pointer}
.nbops-card[open] summary span{display:none}
.nbops-card summary span{color:var(--jp-ui-font-color2,#666)}
.nbops-card table{border-collapse:collapse;margin:4px 0 2px;border:none}
.nbops-card tr{background:transparent!important;border:none}
.nbops-card th{text-align:left!important;vertical-align:top;font-weight:600;padding:1px 16px 1px 0;white-space:nowrap;
color:var(--jp-ui-font-color2,#666);background:transparent;border:none}
.nbops-card td{text-align:left!important;padding:1px 0;background:transparent;border:none;white-space:normal}
.nbops-card ul{list-style:none;margin:0;padding:0}.nbops-card li{margin:0}
.nbops-card code{font-size:inherit;background:transparent;padding:0}
</style>"""


def card_text(
    record: CellRecord,
    *,
    name: str | None = None,
    full: bool = True,
    state: Sequence[str] = (),
    budget_s: float | None = None,
) -> str:
    """The card as text: one line, and with `full` a line for each thing that was captured.

    `state` is what is to be said of the notebook (stale, out of order); `budget_s` what fingerprints could take."""
    head = f"nbops · {heading(record, name)}"
    if not full:
        return " · ".join(part for part in (head, _summary(record), *state) if part)
    rows = _rows(record, state, budget_s)
    width = max((len(label) for label, _ in rows), default=0)
    lines = [f"  {label.ljust(width)}  {' · '.join(entries)}" for label, entries in rows]
    return "\n".join([head, *lines])


def card_html(
    record: CellRecord,
    *,
    name: str | None = None,
    full: bool = True,
    state: Sequence[str] = (),
    budget_s: float | None = None,
) -> str:
    """The card as HTML: open with `full`, else one line that opens."""
    kind = "nbops-error" if record.status is not CellStatus.OK else "nbops-note" if record.notes or state else ""
    summary = " · ".join(part for part in (_summary(record), *state) if part)
    said = f" <span>· {escape(summary)}</span>" if summary else ""
    body = "".join(
        f"<tr><th>{escape(label)}</th><td>{_entries(label, entries)}</td></tr>"
        for label, entries in _rows(record, state, budget_s)
    )
    return (
        f'{_STYLE}<details class="nbops-card {kind}"{" open" if full else ""}>'
        f"<summary><b>{escape(heading(record, name))}</b>{said}</summary>"
        f"{f'<table><tbody>{body}</tbody></table>' if body else ''}</details>"
    )


def notice_text(text: str) -> str:
    """One sentence of ours, where there is no record to show."""
    return f"nbops · {text}"


def notice_html(text: str) -> str:
    return f'{_STYLE}<div class="nbops-card nbops-note"><b>nbops</b> · {escape(text)}</div>'


def heading(record: CellRecord, name: str | None) -> str:
    """The name it was tracked under, and how it ended."""
    ended = {
        CellStatus.OK: "completed",
        CellStatus.ERROR: "failed",
        CellStatus.INTERRUPTED: "stopped",
        CellStatus.CANCELLED: "cancelled",
    }[record.status]
    return f"{name or 'tracked'} · {ended}"


def number(value: float) -> str:
    """A metric as people read it: six significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def shape(fingerprint: Fingerprint) -> str:
    """``13,129 × 12``; nothing for what has no shape."""
    return " × ".join(f"{n:,}" for n in fingerprint.shape)


def value(given: Any) -> str:
    """A parameter's value, as JSON would write it, cut where it is long."""
    text = given if isinstance(given, str) else _JSON.encode(given)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _summary(record: CellRecord) -> str:
    """What was captured, in one line."""
    data, _ = _named(record)
    several = Counter(m.name for m in record.metrics)
    said = [f"{m.name} {number(m.value)}{_on(m, data) if several[m.name] > 1 else ''}" for m in record.metrics[:3]]
    if len(record.metrics) > 3:
        said.append(f"{len(record.metrics) - 3} more metric{'s' * (len(record.metrics) != 4)}")
    models = _models(record)
    said += [f"{m.name}: {_class(m.type)}" for m in models[:2]]
    if models[2:]:
        said.append(f"{len(models) - 2} more model{'s' * (len(models) != 3)}")
    if not said:
        said += [f"{len(record.params)} parameter{'s' * (len(record.params) != 1)}"] if record.params else []
        names = list(dict.fromkeys([u.name for u in record.writes] or [u.name for u in record.reads]))
        said += [", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")] if names else []
        if not names and record.files:
            said.append(f"{len(record.files)} file{'s' * (len(record.files) != 1)}")
    if record.error:
        said.append(record.error[:_LONG])
    return " · ".join(said)


def _rows(record: CellRecord, state: Sequence[str], budget_s: float | None) -> list[Row]:
    names, models = _named(record)
    before = {u.name: u.fingerprint for u in record.reads}
    rows: list[Row] = [
        ("error", [record.error] if record.error else []),
        ("state", list(state)),
        ("metrics", [_metric(m, names, models) for m in record.metrics]),
        ("parameters", [f"{k} = {value(v)}" for k, v in record.params.items()]),
        ("data in", [_data(u.name, u.fingerprint) for u in record.reads]),
        ("data out", [_data(u.name, u.fingerprint, before.get(u.name)) for u in record.writes]),
        ("budget", _budget(record, budget_s)),
        ("models", [_model(m, names) for m in _models(record)]),
        ("files read", [_file(f.path, f.size, f.reason) for f in record.files if f.mode == "read"]),
        ("files written", [_file(f.path, f.size, f.reason) for f in record.files if f.mode != "read"]),
        ("queries", [_query(a.about, names) for a in record.artifacts if a.kind == "query"]),
        ("kept", [_kept(a, names) for a in record.artifacts if a.kind in ("figure", "file") or _is_report(a)]),
        ("notes", list(record.notes)),
    ]
    return [(label, _few(entries)) for label, entries in rows if entries]


def _named(record: CellRecord) -> tuple[Names, Names]:
    """The names of data and of models, by digest."""
    uses = (*record.writes, *record.reads)
    return (
        {u.fingerprint.digest: u.name for u in uses if u.fingerprint.digest is not None},
        {m.digest: m.name for m in record.models if m.digest is not None},
    )


def _budget(record: CellRecord, budget_s: float | None) -> list[str]:
    """What fingerprints may take in a cell, and whether that was enough: the same text whenever it is."""
    taken = [u.fingerprint for u in (*record.reads, *record.writes)]
    if budget_s is None or not taken:
        return []
    over = sum(f.digest is None and f.reason is not None and f.reason.endswith("budget") for f in taken)
    if not over:
        return [f"fingerprints within {budget_s:g} s"]
    return [f"{over} of {len(taken)} not fingerprinted: they may take {budget_s:g} s a cell ([capture] budget_s)"]


def _metric(metric: Metric, names: Names, models: Names) -> str:
    of = f" of {models[metric.model]}" if metric.model in models else ""
    step = f" (step {metric.step:,})" if metric.step is not None else ""
    return f"{metric.name} {number(metric.value)}{of}{_on(metric, names)}{step}"


def _on(metric: Metric, names: Names) -> str:
    on = names.get(metric.data, metric.on)
    return f" on {on}" if on else ""


def _data(name: str, fingerprint: Fingerprint, before: Fingerprint | None = None) -> str:
    text = " ".join(part for part in (name, shape(fingerprint)) if part)
    if fingerprint.digest is None:
        return f"{text} ({fingerprint.reason or 'not fingerprinted'})"
    if before is not None and before.digest is not None and before.digest != fingerprint.digest:
        return f"{text} (changed: {before.explain(fingerprint)})"
    return text


def _models(record: CellRecord) -> list[ModelUse]:
    """Each once: a model judged on several sets of rows stands in the record once for each."""
    return list({(m.name, m.digest, m.type, m.trained_on): m for m in record.models}.values())


def _model(model: ModelUse, names: Names) -> str:
    on = names.get(model.trained_on, model.on)
    text = f"{model.name}: {_class(model.type)}{f' trained on {on}' if on else ''}{_measures(model)}"
    return text if model.digest is not None else f"{text} (not kept: {model.reason or 'unknown'})"


def _measures(model: ModelUse) -> str:
    """The first measures of a statsmodels fit: those of other models are metrics."""
    if not model.type.startswith("statsmodels."):
        return ""
    return "".join(f", {name} {number(value)}" for name, value in list(model.metrics.items())[:3])


def _file(path: str, size: int | None, reason: str | None) -> str:
    return f"{path}{f' {_bytes(size)}' if size is not None else ''}{f' ({reason})' if reason else ''}"


def _is_report(artifact: Artifact) -> bool:
    """A matrix, a curve, a table of results: what was computed and is no single number."""
    return artifact.kind == "detail" and artifact.name != "record.json"


def _kept(artifact: Artifact, names: Names) -> str:
    if not _is_report(artifact):
        return f"{artifact.name} ({artifact.kind})"
    on = names.get(artifact.about.get("data"), artifact.about.get("on"))
    return f"{artifact.name} on {on}" if on else artifact.name


def _query(about: Mapping[str, Any], names: Names) -> str:
    to = f" → {names[about['result']]}" if about.get("result") in names else ""
    return f"{value(about.get('query', ''))}{to} ({about.get('database', 'a database')})"


def _bytes(size: int) -> str:
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.3g} {unit}" if unit != "B" else f"{size} B"


def _class(name: str) -> str:
    return name.rpartition(".")[2]


def _few(entries: list[str]) -> list[str]:
    return entries if len(entries) <= _FEW else [*entries[:_FEW], f"and {len(entries) - _FEW:,} more"]


def _entries(label: str, entries: Iterable[str]) -> str:
    listed = list(entries)
    if label == "parameters" or len(listed) == 1:
        return " · ".join(f"<code>{escape(e)}</code>" if label == "parameters" else escape(e) for e in listed)
    return f"<ul>{''.join(f'<li>{escape(e)}</li>' for e in listed)}</ul>"
