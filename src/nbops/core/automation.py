"""`Decision`, `Job`, `Schedule`: what was seen, what was decided, who does it; and what is to be done when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbops.core.runs import Owner, RunStatus

MAX_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One per (deployment or schedule, trigger, cause), however many workers ask.

    `trigger` is degradation, drift, schedule or demand (of a deployment); time, data, drift, degradation or demand
    (of a schedule); `cause` says which occurrence ("2011-12 v1", the moment it was due); `seen` is the evidence;
    `action` is "none", "tell" (a person) or what is done ("retrain", "run"); `why` is one sentence."""

    id: str
    deployment: str  # "" for a schedule's
    trigger: str
    cause: str
    seen: Mapping[str, Any]
    action: str
    why: str
    at: datetime
    schedule: str | None = None

    @property
    def subject(self) -> str:
        """Whose decision it is: within one, a trigger's causes are told apart."""
        return self.deployment if self.schedule is None else f"schedule {self.schedule}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """The carrying out of a decision. A worker claims it and holds it by a lease, which it renews; `attempt` grows
    with each claim, so whoever has lost the lease can't write over the result of who has it now. It is QUEUED until it
    is claimed, and again between attempts (`due`: not before). `result` names what came of it (run, outcome)."""

    id: str
    decision: str
    status: RunStatus
    attempt: int = 0
    worker: Owner | None = None
    lease_until: datetime | None = None
    created_at: datetime
    ended_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None  # of the last attempt
    schedule: str | None = None
    due: datetime | None = None
    started_at: datetime | None = None
    child: Owner | None = None  # the process that does it for the worker
    attempts: int = MAX_ATTEMPTS  # how often it is tried before it has failed
    backoff_s: float = 0.0  # before the second attempt; doubled before each further one


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Something to be run again and again: a pipeline or a notebook, at times or when something has happened.

    Exactly one of `cron`, `every_s`, `on_data`, `on_drift`, `on_degradation` is set; and of `pipeline`, `notebook`.
    Times that nobody was there for are `missed`: one run for all of them ("once"), none ("skip"), one each ("all").
    `overlap` says what happens when a run is due and the last one isn't done: "skip", "queue", "cancel-old".
    """

    name: str
    cron: str | None = None
    tz: str = "UTC"
    every_s: float | None = None
    on_data: str | None = None  # a glob, relative to the workspace's root, or data:/NAME
    on_drift: str | None = None  # a deployment
    on_degradation: str | None = None
    pipeline: str | None = None
    notebook: str | None = None  # path relative to the workspace's root where it lies below it
    params: Mapping[str, Any] = field(default_factory=dict)
    pinned: Mapping[str, str] = field(default_factory=dict)  # {notebook: digest of the snapshot that runs}
    missed: str = "once"
    overlap: str = "skip"
    retries: int = 0
    backoff_s: float = 60.0
    timeout_s: float | None = None
    keep: int | None = None  # how many runs' executed notebooks stay as files; None: all
    on_failure: tuple[str, ...] = ()  # whom to tell: https://…, mailto:…, exec:…
    on_success: tuple[str, ...] = ()
    origin: str = "command"  # or "nbops.toml": then 'nbops apply' changes and removes it
    created_at: datetime
    created_by: str
    paused: bool = False
    next_at: datetime | None = None  # when to look next: the next time, or the next look at the data
    seen: Mapping[str, Any] = field(default_factory=dict)  # what was there when it was last looked at

    @property
    def kind(self) -> str:
        """cron, every, data, drift or degradation."""
        return next(k for k in ("cron", "every", "data", "drift", "degradation") if self._written(k) is not None)

    @property
    def expression(self) -> str:
        """What stands behind its kind: the cron line and time zone, the interval, the glob, the deployment."""
        if self.cron is not None:
            return f"{self.cron} ({self.tz})"
        return _duration(self.every_s) if self.every_s is not None else str(self._written(self.kind))

    @property
    def target(self) -> str:
        """``pipeline NAME`` or ``notebook PATH``."""
        return f"pipeline {self.pipeline}" if self.pipeline else f"notebook {self.notebook}"

    def _written(self, kind: str) -> Any:
        return {
            "cron": self.cron,
            "every": self.every_s,
            "data": self.on_data,
            "drift": self.on_drift,
            "degradation": self.on_degradation,
        }[kind]


def _duration(seconds: float) -> str:
    """As it may be written: 900 is ``15m``, 5400 ``1h30m``."""
    whole = ""
    for unit, sign in ((86400, "d"), (3600, "h"), (60, "m")):
        number, seconds = divmod(seconds, unit)
        whole += f"{number:g}{sign}" if number else ""
    return whole + (f"{seconds:g}s" if seconds or not whole else "")
