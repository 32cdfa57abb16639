"""What a step tells, while it runs, to whoever shows progress (a terminal, a notebook, a side panel)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


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

    @property
    def left_s(self) -> float | None:
        """Seconds it will usually take yet, 0 where it has taken longer; None if it doesn't run, or nobody knows."""
        runs = self.state in ("started", "cell")
        return max(0.0, self.usual_s - self.seconds) if runs and self.usual_s else None


Progress = Callable[[StepEvent], None]


class Standing:
    """How all steps stand, from the news there were. `steps` are known to come, in order."""

    def __init__(self, steps: Iterable[str] = ()) -> None:
        self._order = list(steps)
        self._last: dict[str, StepEvent] = {}

    def heard(self, event: StepEvent) -> None:
        known = self._last.get(event.step)
        if known is not None:  # why it runs stays known while it does, and when it has; so does how long it ran
            event = replace(event, why=event.why or known.why, seconds=event.seconds or known.seconds)
        self._last[event.step] = event

    def now(self) -> list[StepEvent]:
        """The last news of each; of a step of several executions, of each of them. One that nothing was heard of
        "waits"."""
        found: list[StepEvent] = []
        left = dict(self._last)
        for step in self._order:
            mine = [name for name in left if name == step or name.startswith(f"{step}[")]
            found += [left.pop(name) for name in mine] or [StepEvent(step=step, state="waits")]
        return [*found, *left.values()]
