"""Between the cells of an execution: ask the kernel to keep its state, or put a kept one into a new kernel.

Asked in empty silent requests, as the handshake is: no cell is counted, no name is bound. A kernel that doesn't answer
as expected costs the checkpoint, never the cell.
"""

from __future__ import annotations

import ast
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.checkpoints import folder as folders
from nbops.checkpoints.plan import effect
from nbops.core.errors import ExecutionError

RISK_S = 5.0
"""Seconds of work that may be lost without anybody asking: below, asking itself would be felt."""

BEGIN = "__import__('nbops.checkpoints.baseline', fromlist=['begin']).begin()"
"""Notes how the kernel is before the first cell; true if it could."""

Ask = Callable[[str], Any]
"""Evaluates an expression in the kernel; None if there is no answer."""


class NoStateError(ExecutionError):
    """There is no state from which an attempt can be gone on with; `why` says in short why not."""

    def __init__(self, message: str, why: str) -> None:
        self.why = why
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on before cell `cell` with the state in `folder`, after `again` ({place: names}) ran once more.

    `cells` are the executed cells of the attempt `attempt`, by place; `repeated` are effects outside the notebook that
    are repeated."""

    attempt: str
    folder: Path
    cell: int
    again: Mapping[int, tuple[str, ...]]
    cells: Sequence[Mapping[str, Any]] = field(repr=False)
    repeated: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        parts = [f"went on at cell {self.cell + 1} of {len(self.cells)} from the checkpoint of run {self.attempt[:6]}"]
        if self.again:
            cells = [f"cell {place + 1} ({', '.join(made)})" for place, made in self.again.items()]
            parts.append(f"{', '.join(cells)} ran again")
        if self.repeated:
            parts.append(f"repeated: {', '.join(self.repeated)}")
        return "; ".join(parts)

    @property
    def said(self) -> dict[str, Any]:
        """As a run's detail tells it."""
        return {
            "attempt": self.attempt,
            "from_cell": self.cell + 1,
            "cells": len(self.cells),
            "ran_again": {str(place + 1): list(made) for place, made in self.again.items()},
        }


class Checkpoints:
    """The checkpoints of one execution."""

    def __init__(self, folder: Path, sources: Sequence[str], *, most_mb: float) -> None:
        self.folder = folder
        self.most_mb = most_mb
        self.taken = 0
        self.seconds = 0.0
        self.why = ""
        self._sources = sources
        self._digests = folders.digests(sources)
        self._outside: dict[int, bool] = {}
        self._since = time.monotonic()
        self._not_before = RISK_S

    def outside(self, place: int) -> bool:
        """Whether the cell at `place` is seen to have effects outside the notebook: best asked while it runs."""
        if place not in self._outside:
            self._outside[place] = effect(self._sources[place]) is not None
        return self._outside[place]

    def after(self, place: int, ask: Ask) -> bool:
        """The cell at `place` has run: keep the state, if that pays. Returns whether it was kept."""
        at_risk = time.monotonic() - self._since
        outside = self.outside(place)
        if not outside and at_risk < self._not_before:
            return False
        answer = ask(
            _call(
                "consider",
                folder=str(self.folder),
                cell=place + 1,
                sources=self._digests[: place + 1],
                at_risk_s=at_risk,
                most_mb=self.most_mb,
                by_all_means=outside,
            )
        )
        if not isinstance(answer, dict):
            return False
        self.why = answer["why"]
        if answer["taken"]:
            self.taken += 1
            self.seconds += answer["seconds"]
            self._since, self._not_before = time.monotonic(), RISK_S
        else:
            self._not_before = max(RISK_S, at_risk * 1.5)
        return bool(answer["taken"])

    @property
    def said(self) -> dict[str, Any]:
        """As a run's detail tells it; empty if nothing was tried."""
        if self.taken:
            return {"states": self.taken, "seconds": round(self.seconds, 3)}
        return {"states": 0, "why": self.why} if self.why else {}

    def restart_clock(self) -> None:
        self._since = time.monotonic()


def restore(ask: Ask, resume: Resume) -> None:
    """Put the state into the kernel.

    Raises
    ------
    NoStateError
    """
    answer = ask(_call("restore", folder=str(resume.folder), cell=resume.cell))
    if not isinstance(answer, dict) or not answer["restored"]:
        why = answer["why"] if isinstance(answer, dict) else "the kernel gave no answer"
        said = f"the state before cell {resume.cell + 1} of run {resume.attempt} can't be put back: {why}"
        raise NoStateError(f"{said}; run the notebook from its start", said)


def settle(ask: Ask, resume: Resume) -> None:
    """After cells that ran again: what was kept is as it was kept, but for what they had to make."""
    ask(_call("settle", but=[name for made in resume.again.values() for name in made]))


def count_on(ask: Ask, count: int) -> None:
    """The next cell's number."""
    ask(_call("place_count", count=count))


def handed_over(resume: Resume, folder: Path) -> None:
    """The kept state belongs to the new attempt too, should it fail before it has kept another."""
    for boundary in folders.boundaries(resume.folder):
        if boundary.cell <= resume.cell:
            folders.make(folder)
            for digest in (boundary.stream, boundary.extras, *(d for d, _ in boundary.buffers)):
                if not (folder / digest).exists():
                    (folder / digest).hardlink_to(resume.folder / digest)
            folders.write(folder, dataclasses.replace(boundary))


def _call(function: str, **arguments: Any) -> str:
    given = "".join(f", {name}={value!r}" for name, value in arguments.items())
    return f"__import__('nbops.checkpoints.state', fromlist=['state']).{function}(get_ipython(){given})"


def answered(reply: Mapping[str, Any]) -> Any:
    """The value of a user expression in an execute reply."""
    try:
        return ast.literal_eval(reply["data"]["text/plain"])
    except (KeyError, ValueError, SyntaxError, TypeError):
        return None
