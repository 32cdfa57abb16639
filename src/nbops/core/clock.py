"""What time it is. Everything that records a time asks a clock it was given, so a test or a demo that
replays two years can say what "now" is. All times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands at one moment."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def to_text(moment: datetime) -> str:
    """ISO 8601 with microseconds and a ``Z``: sorts as text in the order of time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """The inverse of :func:`to_text`; also takes any other ISO 8601 form. Naive times are UTC."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
