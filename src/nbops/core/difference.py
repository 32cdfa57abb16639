"""`Difference`: what is other between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs.

    `what` is parameter, metric, data, distribution, code or environment; `name` which one; `a` and `b` are the
    values; `why` says it in words where the values alone say nothing; `detail` is a unified diff, of code."""

    what: str
    name: str
    a: Any = None
    b: Any = None
    why: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between the runs `a` and `b`; `notes` say what could not be compared."""

    a: str
    b: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
