"""Data versions as text: the list, one in full, the difference of two, what nothing refers to. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nbops.core.data_versions import (
    CellUse,
    ColumnValues,
    DataDetail,
    DataDifference,
    DataProfile,
    DataVersion,
    Garbage,
)

_MOST_CELLS = 20  # executions shown of each direction; --json has all
_MOST_VALUES = 5  # frequent ones of a column
_MOST_LINES = 50  # of what nothing refers to


def listed(versions: Sequence[DataVersion], *, filtered: bool = False) -> str:
    """A line a version. `filtered`: not every name was asked for."""
    from tabulate import tabulate

    if not versions:
        return "no such data" if filtered else "no data yet: put %%track on a cell, or 'nbops run NOTEBOOK'"
    rows = [
        [v.ref, ", ".join(v.tags), v.kind, _shape(v), _when(v.first_seen), _when(v.last_seen), v.made_by, v.used_by]
        for v in versions
    ]
    head = ["data", "tags", "kind", "shape", "first seen (UTC)", "last seen (UTC)", "made by", "used by"]
    if not any(v.tags for v in versions):
        head, rows = [head[0], *head[2:]], [[row[0], *row[2:]] for row in rows]
    return tabulate(rows, head, tablefmt="plain")


def shown(detail: DataDetail) -> str:
    """One version in full."""
    from tabulate import tabulate

    version = detail.version
    head = [
        ["data", version.ref],
        ["kind", version.kind],
        ["shape", _shape(version)],
        ["digest", version.digest],
        ["first seen", f"{_when(version.first_seen)} UTC"],
        ["last seen", f"{_when(version.last_seen)} UTC"],
    ]
    for title, text in (("tags", ", ".join(version.tags)), ("about", detail.about), ("this one", detail.description)):
        if text:
            head.append([title, text])
    if detail.same_as:
        head.append(["same content", ", ".join(detail.same_as)])
    head.append(["content", detail.content])
    if detail.models:
        head.append(["trained", ", ".join(detail.models)])
    parts = [tabulate(head, tablefmt="plain", disable_numparse=True)]
    if detail.columns:
        rows = [[f"  {c.name}", c.dtype] for c in detail.columns]
        parts.append("columns\n" + tabulate(rows, tablefmt="plain", disable_numparse=True))
    parts += [_cells("made by", detail.made), _cells("used by", detail.used)]
    return "\n\n".join(parts)


def profile(found: DataProfile) -> str:
    """A line a column: how many values, and what they are."""
    from tabulate import tabulate

    rows = [
        [c.name, c.type, f"{c.missing:,}", f"{'' if c.exact else '~'}{c.distinct:,}" if c.distinct else "", _values(c)]
        for c in found.columns
    ]
    head = ["column", "type", "missing", "distinct", "values"]
    drawn = tabulate(rows, head, tablefmt="plain", disable_numparse=True)
    return f"{found.version.ref}: {found.rows:,} rows; {found.how}\n{drawn}"


def _values(column: ColumnValues) -> str:
    if column.withheld:
        return "none shown: [capture] no_values"
    if column.quantiles:
        return f"{' … '.join(f'{v:.4g}' for v in column.quantiles)} (quartiles), mean {column.mean:.4g}"
    if column.frequent:
        shown = ", ".join(f"{value[:30]!r} {count:,}" for value, count in column.frequent[:_MOST_VALUES])
        return shown + (" …" if len(column.frequent) > _MOST_VALUES else "")
    return f"{column.least} … {column.most}" if column.least is not None else ""


def contract(rows: int, bad: int, reasons: Sequence[str], warnings: Sequence[str]) -> str:
    """How many rows break a contract, and why."""
    lines = [*(f"  {reason}" for reason in reasons), *(f"  (allowed) {warning}" for warning in warnings)]
    more = [f"  … and {bad - len(reasons):,} more rows"] if bad > len(reasons) else []
    return "\n".join([f"{rows - bad:,} of {rows:,} rows keep the contract", *lines, *more])


def difference(found: DataDifference) -> str:
    """How two versions differ."""
    from tabulate import tabulate

    head = f"{found.a.ref} → {found.b.ref}: {found.explained}"
    rows = [["added", c.name, c.dtype, ""] for c in found.added]
    rows += [["removed", c.name, c.dtype, ""] for c in found.removed]
    for change in found.changed:
        kind = change.was if change.was == change.now else f"{change.was} became {change.now}"
        values = {True: "values changed", False: "", None: "whether values changed isn't known"}[change.values]
        rows.append(["changed", change.name, kind, values])
    return head + ("\n" + tabulate(rows, tablefmt="plain", disable_numparse=True) if rows else "")


def garbage(found: Garbage) -> str:
    """What nothing refers to."""
    young = f"; {found.fresh:,} more may belong to a writer that isn't done" if found.fresh else ""
    if not found.artifacts and not found.runs and not found.checkpoints:
        return f"nothing to remove: {found.referenced:,} artifacts are referred to{young}"
    lines = [f"deleted on {r.deleted_at:%Y-%m-%d}  run {r.id[:8]} {r.kind} {r.name}" for r in found.runs[:_MOST_LINES]]
    if found.runs:
        gone = "removed for good" if found.removed else "their time is over:"
        lines.append(f"{gone} {len(found.runs):,} deleted run{'s' * (len(found.runs) != 1)}")
    lines += [f"{_bytes(c.size):>10}  checkpoints of run {c.run[:8]}: {c.why}" for c in found.checkpoints[:_MOST_LINES]]
    if found.checkpoints:
        gone = "removed" if found.removed else "nobody goes on from"
        many = f"{len(found.checkpoints):,} run{'s' * (len(found.checkpoints) != 1)}"
        lines.append(f"{gone} the checkpoints of {many}, {_bytes(sum(c.size for c in found.checkpoints))}")
    lines += [f"{_bytes(a.size):>10}  {a.digest}" for a in found.artifacts[:_MOST_LINES]]
    if len(found.artifacts) > _MOST_LINES:
        lines.append(f"… {len(found.artifacts) - _MOST_LINES:,} more (--json has all)")
    said = "removed" if found.removed else "nothing refers to"
    many = f"{len(found.artifacts):,} artifact{'s' * (len(found.artifacts) != 1)}"
    lines.append(f"{said} {many}, {_bytes(found.size)}, below {found.folder}{young}")
    if not found.removed:
        lines.append("'nbops data gc --yes' removes this")
    return "\n".join(lines)


def _cells(title: str, found: Sequence[CellUse]) -> str:
    if not found:
        return f"{title}: no tracked cell"
    lines = [f"  run {u.run[:8]}  {_when(u.at)}  {u.cell}{f' of {u.notebook}' if u.notebook else ''}" for u in found]
    more = [f"  … {len(lines) - _MOST_CELLS:,} earlier (--json has all)"] if len(lines) > _MOST_CELLS else []
    return "\n".join([title, *more, *lines[-_MOST_CELLS:]])


def _shape(version: DataVersion) -> str:
    if version.kind == "file":
        return _bytes(version.shape[0]) if version.shape else "–"
    return "×".join(f"{n:,}" for n in version.shape) or "–"


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} GB" if value < 1000 else f"{value:,.0f} GB"


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "–"
