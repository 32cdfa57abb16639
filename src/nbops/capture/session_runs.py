"""The runs of a session: its own, and one for each execution of a named cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from nbops.capture.cells import CellStart
from nbops.core.errors import UnknownNameError
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.store import runs
from nbops.store.database import Reader
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative


def session_run(
    reader: Reader, workspace: Workspace, *, notebook: Path | None, run_id: str | None, found: Mapping[str, Any]
) -> Run:
    """The run that unnamed cells belong to: a new one, or the one that another process has opened as `run_id`.

    `found` is what was captured of code and environment.

    Raises
    ------
    UnknownNameError
        If there is no run `run_id`.
    """
    if run_id is not None:
        try:
            return dataclasses.replace(runs.as_stored(reader, run_id), **found)
        except UnknownNameError:
            raise UnknownNameError("run", run_id, hint="NBOPS_RUN_ID names it; the store may be another one") from None
    path = relative(workspace, notebook) if notebook else None
    return Run(
        id=new_id(),
        kind=RunKind.SESSION,
        name=notebook.stem if notebook else "interactive",
        experiment=path or "interactive",
        status=RunStatus.IN_PROGRESS,
        started_at=workspace.clock.now(),
        notebook=path,
        owner=this_process(),
        **found,
    )


def block_run(session: Run, start: CellStart, *, at: datetime) -> Run:
    """The run of one execution of a named cell."""
    return dataclasses.replace(
        session,
        id=new_id(),
        kind=RunKind.BLOCK,
        name=redact_text(start.name or ""),
        parent=session.id,
        started_at=at,
        owner=this_process(),
        tags=redacted(start.tags),
        status=RunStatus.IN_PROGRESS,
        detail={},
    )


def block_ended(
    run: Run,
    status: RunStatus,
    error: str | None,
    *,
    at: datetime,
    tags: Iterable[str] = (),
    environment: Mapping[str, Any] | None = None,
) -> Run:
    """The run as it is when its cell has ended; `tags` are those it was given meanwhile."""
    return dataclasses.replace(
        run,
        status=status,
        error=error,
        ended_at=at,
        tags=tuple(dict.fromkeys([*run.tags, *tags])),
        environment=environment or run.environment,
    )


def redacted(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(redact_text(tag) for tag in tags)
