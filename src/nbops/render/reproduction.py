"""What came of doing a run again: as text, and as a page that reads right without any style or script."""

from __future__ import annotations

from html import escape

from nbops.core.reproduction import CellComparison, Finding, Reproduction, Restored, Verdict

_MARKS = {
    Verdict.IDENTICAL: "=",
    Verdict.WITHIN: "≈",
    Verdict.DIFFERENT: "≠",
    Verdict.NOT_COMPARED: "–",
    Verdict.COULD_NOT: "✗",
}
_COLORS = {
    Verdict.IDENTICAL: "#2e7d32",
    Verdict.WITHIN: "#2e7d32",
    Verdict.DIFFERENT: "#c62828",
    Verdict.NOT_COMPARED: "#777",
    Verdict.COULD_NOT: "#c62828",
}
_CELL = "text-align:left;vertical-align:top;padding:1px 14px 1px 0"


def reproduction_text(result: Reproduction) -> str:
    """The verdict, what was restored and how, and a line a cell; what differs in full."""
    head = f"{result.verdict.value}: {result.why}"
    if not result.run:
        return head
    lines = [f"{result.name} ({result.notebook}), run {result.run[:8]}", head, ""]
    lines += [f"  {_restored(r)}" for r in result.restored]
    lines += [f"  {line}" for line in _environment(result)]
    lines += [f"  note: {note}" for note in result.notes]
    if result.cells:
        lines.append("")
    for cell in result.cells:
        lines.append(f"{_MARKS[cell.verdict]} cell {cell.cell}  {_counts(cell)}  {cell.line[:60]}".rstrip())
        lines += [f"    {_finding(f)}" for f in cell.findings if f.verdict is not Verdict.IDENTICAL]
    if result.kept:
        lines += ["", f"done in {result.kept}"]
    return "\n".join(lines)


def reproduction_html(result: Reproduction) -> str:
    """A page of its own."""
    title = f"Reproduction of {result.name or result.source}"
    restored = "".join(f"<li>{escape(_restored(r))}</li>" for r in result.restored)
    said = [*_environment(result), *(f"note: {note}" for note in result.notes)]
    more = "".join(f"<li>{escape(line)}</li>" for line in said)
    rows = "".join(_rows(cell) for cell in result.cells)
    head = "".join(f'<th style="{_CELL}">{name}</th>' for name in ("cell", "what", "name", "verdict", "why"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f'<body style="font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em"><h1>{escape(title)}</h1>'
        f"<p>run <code>{escape(result.run or '–')}</code> of {escape(result.notebook or '–')},"
        f" metrics within {result.rtol:g} (relative), done in {result.seconds:.1f} s</p>"
        f'<p style="color:{_COLORS[result.verdict]}"><b>{escape(result.verdict.value)}</b>: {escape(result.why)}</p>'
        f"<h2>Restored</h2><ul>{restored}</ul>{f'<h2>Noted</h2><ul>{more}</ul>' if more else ''}"
        f"<h2>Cells</h2>{table}</body></html>\n"
    )


def _rows(cell: CellComparison) -> str:
    return "".join(
        f'<tr><td style="{_CELL}" title="{escape(cell.line)}">{cell.cell}</td>'
        f'<td style="{_CELL}">{escape(f.what)}</td><td style="{_CELL}"><code>{escape(f.name)}</code>'
        f"{f', column <code>{escape(f.column)}</code>' if f.column else ''}</td>"
        f'<td style="{_CELL};white-space:nowrap;color:{_COLORS[f.verdict]}">'
        f"{_MARKS[f.verdict]} {escape(f.verdict.value)}</td>"
        f'<td style="{_CELL}">{escape(f.why)}</td></tr>'
        for f in cell.findings
    )


def _restored(restored: Restored) -> str:
    return f"{restored.what} {restored.name}: {restored.how}"


def _environment(result: Reproduction) -> list[str]:
    return [f"environment: {p.name} {p.then} then, {p.now} now" for p in result.environment]


def _counts(cell: CellComparison) -> str:
    counts = {v: sum(f.verdict is v for f in cell.findings) for v in Verdict}
    return ", ".join(f"{n} {v.value}" for v, n in counts.items() if n) or "nothing to compare"


def _finding(finding: Finding) -> str:
    column = f", column {finding.column!r}" if finding.column else ""
    why = f": {finding.why}" if finding.why else ""
    return f"{_MARKS[finding.verdict]} {finding.what} {finding.name!r}{column}{why}"
