"""`Decision` and `Job`: what was seen, what was decided, who does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbops.core.runs import Owner, RunStatus


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One per (deployment, trigger, cause), however many workers ask.

    `trigger` is degradation, drift, schedule or demand; `cause` says which occurrence ("2011-12 v1");
    `seen` is the evidence; `action` is "none", "tell" (a person) or a remedy ("retrain"); `why` is one sentence."""

    id: str
    deployment: str
    trigger: str
    cause: str
    seen: Mapping[str, Any]
    action: str
    why: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Job:
    """The carrying out of a decision, under a lease. `result` names what came of it
    (run, promotion, outcome)."""

    id: str
    decision: str
    status: RunStatus
    attempt: int
    worker: Owner
    lease_until: datetime
    created_at: datetime
    ended_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
