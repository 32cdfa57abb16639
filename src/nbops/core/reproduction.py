"""`Reproduction`: a run done again, and how what came out compares, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Of one thing compared, of a cell, and of the whole (which is the worst of its cells').

    NOT_COMPARED: no digest was kept on one of the sides. COULD_NOT is said of the whole alone."""

    IDENTICAL = "identical"
    WITHIN = "equal within tolerance"
    DIFFERENT = "different"
    NOT_COMPARED = "not compared"
    COULD_NOT = "couldn't"


class Environment(StrEnum):
    """What to do about packages of other versions than the run had: say it, have those versions, nothing."""

    CHECK = "check"
    BUILD = "build"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing compared. `what` is input, data read, parameter, data written, model, metric, file written or
    outcome; `column` is the first column that differs, of tables."""

    what: str
    name: str
    verdict: Verdict
    why: str = ""
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """`cell` counts the code cells executed, from 1 (in a fresh kernel, the execution count); `line` is the first
    line of its code."""

    cell: int
    line: str
    verdict: Verdict
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where the two first part: the cell, and in it the first thing that differs."""

    cell: int
    what: str
    name: str
    column: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Something that the run needed: notebook, module, input, handed-on value, environment. `how` says where it was
    taken from.

    `exact`: is it, by content, what the run had? None where that can't be told."""

    what: str
    name: str
    how: str
    exact: bool | None


@dataclass(frozen=True, kw_only=True)
class EnvironmentChange:
    """A version (of Python or a package that both imported), or the number of processors, that differs."""

    name: str
    then: str
    now: str


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """`source` is what was asked for, `run` the run that was done again; `metric` is set where one metric alone was
    asked for and decides. `rtol` is the relative tolerance of metrics, `seconds` what doing it took, `kept` the
    folder it was done in, if that was kept. `check` is the id of the run that records this in the store."""

    source: str
    run: str
    name: str
    notebook: str
    verdict: Verdict
    why: str
    rtol: float
    metric: str | None = None
    first: Divergence | None = None
    cells: tuple[CellComparison, ...] = ()
    restored: tuple[Restored, ...] = ()
    environment: tuple[EnvironmentChange, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    kept: str | None = None
    check: str | None = None

    @property
    def same(self) -> bool:
        return self.verdict in (Verdict.IDENTICAL, Verdict.WITHIN)
