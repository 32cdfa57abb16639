"""Where an executed notebook failed, by papermill's own rule, in our words.

Papermill calls a notebook failed when a cell has an error output, except for ``SystemExit`` with no code or 0
(an early exit), or when a cell is marked as failed without having one.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbops.core.redaction import redact_text

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_USAGE_ERROR = re.compile(r"^UsageError: (.+)$", re.MULTILINE)
_LIBRARY = ("site-packages", "/lib/python", ".pxi", "<frozen")
USER_FRAMES = 2
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")


@dataclass(frozen=True, kw_only=True)
class CellFailure:
    """`cell` is the cell's place in the executed notebook, counted from 1; `traceback` has one text a frame, free of
    colours and secrets."""

    cell: int
    execution_count: int | None
    name: str
    message: str
    traceback: tuple[str, ...] = ()

    @property
    def error(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name

    @property
    def where(self) -> str:
        return f"cell {self.cell}" + (f" (In [{self.execution_count}])" if self.execution_count else "")

    def tail(self) -> str:
        """The last frames in the user's own code and the error, indented; nothing if there is no traceback."""
        frames = [f for f in self.traceback[:-1] if _own(f)][-USER_FRAMES:]
        lines = [line for text in (*frames, *self.traceback[-1:]) for line in text.splitlines() if line.strip()]
        return "".join(f"\n    {line}" for line in lines)


def kernel_death(code: int | None) -> str:
    """How a kernel's process ended of itself, from its exit code; negative: the signal's number."""
    if code is None:
        return "nothing is known of its end"
    if code >= 0:
        return f"it exited with code {code} (os._exit, or a crash in native code)"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"it was killed by signal {-code}"
    why = " (out of memory, or by somebody)" if name == "SIGKILL" else ""
    return f"it was killed by {name}{' (a crash in native code)' if name in _CRASHES else why}"


def first_failure(nb: Mapping[str, Any]) -> CellFailure | None:
    """The failure that ended a notebook; None if it went well."""
    for index, cell in enumerate(nb["cells"]):
        exited = False
        for output in cell.get("outputs", ()):
            if output["output_type"] != "error":
                continue
            if output["ename"] == "SystemExit" and output["evalue"] in ("", "0"):
                exited = True
                continue
            return CellFailure(
                cell=index + 1,
                execution_count=cell.get("execution_count"),
                name=output["ename"],
                message=redact_text(_first_line(output["evalue"])),
                traceback=tuple(redact_text(_ANSI.sub("", text)) for text in output["traceback"]),
            )
        if not exited and cell["metadata"].get("papermill", {}).get("exception") is True:
            name, message = _usage_error(cell)
            return CellFailure(cell=index + 1, execution_count=cell.get("execution_count"), name=name, message=message)
    return None


def _usage_error(cell: Mapping[str, Any]) -> tuple[str, str]:
    """What IPython says of a magic that isn't there, or is called wrongly: on standard error, with no error output."""
    said = "".join(
        text if isinstance(text := o["text"], str) else "".join(text)
        for o in cell.get("outputs", ())
        if o["output_type"] == "stream" and o["name"] == "stderr"
    )
    found = _USAGE_ERROR.findall(_ANSI.sub("", said))
    return ("UsageError", redact_text(found[-1])) if found else ("CellExecutionError", "")


def _own(frame: str) -> bool:
    """Is it a frame of a cell or of a file that no library brought?"""
    first = frame.partition("\n")[0]
    return first.startswith(("Cell ", "File ")) and not any(mark in first for mark in _LIBRARY)


def _first_line(text: str) -> str:
    text = _ANSI.sub("", text).strip()
    return text.splitlines()[0] if text else ""
