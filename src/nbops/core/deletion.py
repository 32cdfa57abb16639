"""Runs that were deleted: gone from every reader, to be had back until their time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class DeletedRun:
    """`asked` is the run whose deletion took this one along (itself, or one above it). It can be restored until
    `until`; from then on ``nbops data gc`` removes it for good."""

    id: str
    asked: str
    kind: str
    name: str
    notebook: str | None
    started_at: datetime
    deleted_at: datetime
    deleted_by: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What was deleted or restored, each with what is under it; `dry_run`: what would be."""

    runs: tuple[DeletedRun, ...]
    dry_run: bool = False
