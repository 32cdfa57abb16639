"""One execution of a notebook: as it is ordered, here or from a worker process, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import NbopsError
from nbops.core.runs import Run
from nbops.pipeline.execute import run_notebook
from nbops.pipeline.progress import Progress
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One execution of a notebook, to be made. `name` is unique among those under way; the rest is
    :func:`nbops.pipeline.execute.run_notebook`'s."""

    name: str
    notebook: Path
    params: Mapping[str, Any]
    parent: str
    timeout_s: float | None = None
    cell_timeout_s: float | None = None
    inputs_named: Mapping[str, str | list[str]] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    kernel: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of an attempt: a run that came to its end, or why there is none."""

    name: str
    run: Run | None = None
    error: str = ""


def execute(ws: Workspace, attempt: Attempt, progress: Progress) -> Ended:
    """Execute a notebook in this process."""
    arguments = {name: getattr(attempt, name) for name in attempt.__dataclass_fields__ if name != "notebook"}
    try:
        return Ended(name=attempt.name, run=run_notebook(ws, attempt.notebook, progress=progress, **arguments))
    except NbopsError as error:
        return Ended(name=attempt.name, error=str(error))
