"""What a step tells, while it runs, to whoever shows progress (a terminal, a side panel)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """One piece of news of a step.

    `state` is "started", "cell" (cell `cell` of `cells` begins, counting code cells from 1), "completed", "failed",
    "retrying", "skipped", "stopped", "cached" or "not run"; a dry run says "would run", "would be cached" or "would be
    skipped". `seconds` since the step's start, `usual_s` how long it took when it last completed (0: unknown); `why`
    says in words why it runs, why it doesn't, or how it failed."""

    step: str
    state: str
    cell: int = 0
    cells: int = 0
    seconds: float = 0.0
    usual_s: float = 0.0
    why: str = ""


Progress = Callable[[StepEvent], None]
