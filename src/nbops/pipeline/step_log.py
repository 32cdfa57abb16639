"""What a step said: the end of what its executed notebook shows, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nbops.core.canonical import parse
from nbops.core.redaction import redact_text
from nbops.core.runs import Run
from nbops.notebook.files import joined
from nbops.store import records
from nbops.workspace import Workspace

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
TAIL = 20_000
"""Characters that are told, the last ones."""


@dataclass(frozen=True, kw_only=True)
class StepLog:
    """`executed` is the notebook's path as recorded, `artifact` the digest of its kept content; None where there is
    none. `tail` is the end of its text outputs."""

    executed: str | None
    artifact: str | None
    error: str | None
    tail: str


def log_of(ws: Workspace, run: Run) -> StepLog:
    """The log of a step's run; empty for a run that executed no notebook."""
    executed = run.detail.get("executed")
    kept = [a for a in records.artifacts(ws.store, run.id, "notebook") if a.name != "source"]
    path = ws.root / str(executed) if executed else None
    if path is not None and path.is_file():
        content = path.read_bytes()
    elif kept:
        content = ws.artifacts.read_bytes(kept[-1].digest)
    else:
        content = b""
    return StepLog(
        executed=str(executed) if executed else None,
        artifact=kept[-1].digest if kept else None,
        error=run.error,
        tail=redact_text(_text(content))[-TAIL:],
    )


def _text(content: bytes) -> str:
    try:
        cells = parse(content.decode())["cells"] if content else []
    except (ValueError, KeyError, TypeError):  # being written just now
        return ""
    return "".join(_said(output) for cell in cells for output in cell.get("outputs") or () if isinstance(output, dict))


def _said(output: dict[str, Any]) -> str:
    if output.get("output_type") == "stream":
        return joined(output.get("text", ""))
    if output.get("output_type") == "error":
        return _ANSI.sub("", "\n".join(output.get("traceback") or ())) + "\n"
    text = joined((output.get("data") or {}).get("text/plain", ""))
    return f"{text}\n" if text else ""
