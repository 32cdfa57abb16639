"""Leakage, from what was seen: what was recorded of the cells, and rows that are still there.

A finding is `certain` where content proves it. What only looks like leakage is said too, and is not certain; where
neither can be told there is a finding that says what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nbops.core.errors import NbopsError
from nbops.core.runs import ModelUse
from nbops.lineage.graph import around
from nbops.lineage.history import Execution, History, history
from nbops.lineage.kernel_edges import cell_id
from nbops.lineage.targets import Target
from nbops.lineage.training_rows import evaluation_rows, shared, training_rows
from nbops.store import lineage as uses
from nbops.store import records
from nbops.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

MANY = 20
"""Models judged on the same rows from which on the best of them is better by selection."""


class LeakKind(StrEnum):
    SAME = "the same rows"
    SHARED = "shared rows"
    NONE = "no shared row"
    BEFORE_SPLIT = "fitted before the split"
    SELECTION = "one test set, many selections"
    UNKNOWN = "not checkable"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`certain` is whether content proves it; `cells` are those that did it, as people see them."""

    kind: LeakKind
    model: str
    certain: bool
    cells: tuple[str, ...]
    why: str

    @property
    def leak(self) -> bool:
        """It is, or may be, leakage."""
        return self.kind not in (LeakKind.NONE, LeakKind.UNKNOWN)


def check(ws: Workspace, run_id: str) -> tuple[Finding, ...]:
    """Every model that was judged in the kernel of a run, checked for leakage.

    Raises
    ------
    UnknownNameError, AmbiguousError
        If there is no such run.
    """
    past = history(ws, run_id)
    judged = {
        (m.digest, m.evaluation): m for e in past.executions for m in e.record.models if m.evaluation and m.digest
    }
    return tuple(finding for use in judged.values() for finding in _of(ws, past, use))


def check_model(ws: Workspace, use: ModelUse) -> tuple[Finding, ...]:
    """One model that was judged, checked for leakage, wherever it was made."""
    made = uses.artifact_uses(ws.store, use.digest) if use.digest else []
    if not made:
        return (_unknown(use, "it isn't recorded where the model was made"),)
    return tuple(_of(ws, history(ws, made[-1][0]), use))


def _of(ws: Workspace, past: History, use: ModelUse) -> Iterator[Finding]:
    judged = evaluation_rows(ws, use)
    if judged is None or judged.shape[1] < 2 or not len(judged):
        yield _unknown(use, "the rows it was judged on were not kept")
        return
    yield _rows(ws, past, use, judged)
    yield from _before_split(ws, past, use, len(judged))
    yield from _selections(ws, past, use)


def _rows(ws: Workspace, past: History, use: ModelUse, judged: pd.DataFrame) -> Finding:
    """Is an evaluation row among the training rows?"""
    cells = _cells(past, use)
    if _same_frame(past, use, judged):
        certain = _same_profile(ws, use, judged)
        doubt = "" if certain else "; their targets may be others, which isn't recorded"
        why = f"{use.name!r} was judged on the very inputs it was trained on ({len(judged):,} rows){doubt}"
        return Finding(kind=LeakKind.SAME, model=use.name, certain=certain, cells=cells, why=why)
    trained = training_rows(ws, past, use, judged)
    if trained is None:
        return _unknown(
            use, "the rows it was trained on are not kept, nor can they be read again from an unchanged file"
        )
    try:
        rows, distinct, expected = shared(trained.frame, judged)
    except (ValueError, TypeError) as error:
        return _unknown(use, f"training and evaluation rows can't be compared ({error})")
    of = (
        f"of the {len(judged):,} rows it was judged on, {rows:,} are among the {len(trained.frame):,} of {trained.path}"
    )
    if rows == 0:
        return Finding(
            kind=LeakKind.NONE, model=use.name, certain=True, cells=cells, why=f"{of} that it was trained on"
        )
    with_target = judged.columns[-1] in trained.frame.columns
    certain = with_target and distinct > expected + 5 * math.sqrt(expected) + 5
    doubt = (
        ""
        if certain
        else f"; rows that repeat by coincidence may explain that ({expected:.1f} expected)"
        if with_target
        else "; the file doesn't hold the target, so whether these are the same rows isn't sure"
    )
    return Finding(
        kind=LeakKind.SHARED,
        model=use.name,
        certain=certain,
        cells=cells,
        why=f"{of} that it was trained on{doubt}",
    )


def _same_frame(past: History, use: ModelUse, judged: pd.DataFrame) -> bool:
    """Are the judged inputs, column by column, those of the frame that was fitted on? An index of other labels doesn't
    make them other rows."""
    from nbops.fingerprints.fingerprint import fingerprint

    mine = fingerprint(judged.iloc[:, :-1])
    if mine.digest is not None and mine.digest == use.trained_on:
        return True
    known = next(
        (
            u.fingerprint
            for e in past.executions
            for u in (*e.record.reads, *e.record.writes)
            if u.fingerprint.digest is not None and u.fingerprint.digest == use.trained_on
        ),
        None,
    )
    if known is None or not known.columns or known.shape[:1] != mine.shape[:1]:
        return False
    theirs = {c.name: c.digest for c in known.columns}
    return all(c.digest and theirs.get(c.name) == c.digest for c in mine.columns)


def _same_profile(ws: Workspace, use: ModelUse, judged: pd.DataFrame) -> bool:
    """Have the judged rows, the target included, the profile that was taken at the fit?"""
    from nbops.profiles.profiler import profile_table

    if use.profile is None:
        return False
    try:
        return ws.artifacts.read_bytes(use.profile) == profile_table(judged).to_bytes()
    except NbopsError:
        return False


def _before_split(ws: Workspace, past: History, use: ModelUse, n_judged: int) -> Iterator[Finding]:
    """A transformer that the model stands on was fitted on as many rows as training and evaluation have together. That
    those are the same rows isn't proved by that."""
    n_trained = _profiled(ws, use)
    if n_trained is None:
        return
    upstream: set[str] | None = None
    shapes = {
        u.fingerprint.digest: u.fingerprint.shape
        for e in past.executions
        for u in (*e.record.reads, *e.record.writes)
        if u.fingerprint.digest is not None
    }
    for execution in past.executions:
        for other in execution.record.models:
            rows = shapes.get(other.trained_on or "", ())[:1]
            if other.signature is not None or other.digest == use.digest or rows != (n_trained + n_judged,):
                continue
            if upstream is None:
                target = Target(kind="model", name=use.digest or "", kernel=past.kernel.id)
                upstream = {node.id for node in around(ws, target, down=False).nodes}
            if cell_id(execution) in upstream:
                why = (
                    f"{other.name!r} ({other.type.rpartition('.')[2]}) was fitted on {rows[0]:,} rows, as many as"
                    f" {use.name!r} was trained ({n_trained:,}) and judged ({n_judged:,}) on together: most likely the"
                    " judged rows were among them; split first, then fit it on the training rows (in a pipeline)"
                )
                yield Finding(
                    kind=LeakKind.BEFORE_SPLIT, model=use.name, certain=False, cells=(_said(execution),), why=why
                )


def _profiled(ws: Workspace, use: ModelUse) -> int | None:
    """How many rows the model was trained on, as its training profile says."""
    from nbops.profiles.profile import Profile

    if use.profile is None:
        return None
    try:
        return Profile.from_bytes(ws.artifacts.read_bytes(use.profile)).rows
    except (NbopsError, ValueError, KeyError):
        return None


def _selections(ws: Workspace, past: History, use: ModelUse) -> Iterator[Finding]:
    """How many models were judged on these rows, wherever?"""
    found: set[str] = set()
    cells: list[str] = []
    for run, seq in uses.artifact_uses(ws.store, use.evaluation or ""):
        record = next((r for r in records.of_run(ws.store, run) if r.seq == seq), None)
        made = {m.digest for m in record.models if m.evaluation == use.evaluation and m.digest} if record else set()
        if made - found:
            mine = next((e for e in past.executions if e.key == (run, seq)), None)
            cells.append(_said(mine) if mine else f"run {run[:8]}")
        found |= made
    if len(found) >= MANY:
        why = (
            f"{len(found)} models were judged on the rows that {use.name!r} was judged on: the best of them looks"
            " better than it is; keep rows for the last judgement that none was chosen by"
        )
        yield Finding(kind=LeakKind.SELECTION, model=use.name, certain=False, cells=tuple(cells[:10]), why=why)


def _cells(past: History, use: ModelUse) -> tuple[str, ...]:
    return tuple(
        _said(e) for e in past.executions if any(m.digest == use.digest and use.digest for m in e.record.models)
    )


def _said(execution: Execution) -> str:
    return f"{execution.said} of {execution.run.notebook or execution.run.name}"


def _unknown(use: ModelUse, why: str) -> Finding:
    return Finding(kind=LeakKind.UNKNOWN, model=use.name, certain=False, cells=(), why=why)
