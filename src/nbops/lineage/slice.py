"""``nbops slice X``: the cells that a model, frame or figure needs, as a notebook that runs by itself.

The cells are taken as they were executed, in that order: a cell that ran twice to effect stands there twice, and what
ran out of order runs in the order that made the result. Going back from the execution that made X, every execution
is kept that made a name something that a kept one needs: by binding it, by changing it in place (told by digests for
data; where nothing tells, a change is assumed), by writing a file that a kept one reads, by seeding or using
the process-wide random generators, by changing settings of the process. Cells are kept whole.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbops.core.canonical import digest
from nbops.core.errors import NotebookError, UnknownNameError, UsageError
from nbops.core.runs import CellStatus
from nbops.lineage.effects import PROCESS, TRACKING
from nbops.lineage.history import Execution, History, history
from nbops.lineage.targets import resolve
from nbops.notebook import files
from nbops.notebook.code_secrets import holes
from nbops.notebook.files import Cell, Notebook
from nbops.notebook.parameters import TAG
from nbops.notebook.syntax import parsed
from nbops.store import records
from nbops.workspace import Workspace

_SHELL = re.compile(r"^[ \t]*(!|%%(bash|sh|script|writefile)\b|%(sx|system)\b)", re.MULTILINE)
_INSTALLS = re.compile(r"^[ \t]*[!%](pip|conda|uv|mamba)\b.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """`name` is the variable that is computed; `kept` of `ran` executions are in it; `notes` say in plain words what
    could not be made sure. `notebook` is the notebook's JSON, to be run in `folder` if it reads files by relative
    paths."""

    name: str
    source: str | None
    run: str
    kept: int
    ran: int
    notes: tuple[str, ...]
    folder: str | None
    notebook: Mapping[str, Any]


def slice_of(ws: Workspace, asked: str) -> Slice:
    """The smallest notebook, by whole cells, that computes X.

    Parameters
    ----------
    asked : str
        A variable (the newest of that name), a data or model digest, ``models:/NAME/VERSION``, a model's name, or
        ``ID/NAME``: a variable in the kernel of a run.

    Raises
    ------
    UnknownNameError, AmbiguousError
        If nothing is recorded of it.
    UsageError
        If it is no variable, or the text of a cell it needs wasn't kept.
    """
    past, name, at = _aim(ws, asked)
    original = _original(ws, past)
    start = {at, *_parameters(past, original, at)}
    kept, notes = needed(past, start)
    cells, more = _cells(past, sorted(kept), original)
    source = past.kernel.notebook
    head = {
        "cell_type": "markdown",
        "id": "nbops-slice",
        "metadata": {},
        "source": f"# `{name}`\n\nThe {len(cells)} cells of {source or past.kernel.name} that `{name}` needs,"
        f" as they ran in {past.kernel.id}. Sliced by `nbops slice`.",
    }
    metadata = dict((original.data.get("metadata") or {}) if original else {})
    metadata.pop("papermill", None)
    metadata.setdefault("kernelspec", {"name": "python3", "language": "python", "display_name": "Python 3"})
    path = ws.root / source if source else None
    return Slice(
        name=name,
        source=source,
        run=past.kernel.id,
        kept=len(cells),
        ran=len(past.executions),
        notes=(*notes, *more),
        folder=str(path.parent) if path is not None and path.parent.is_dir() else None,
        notebook={"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [head, *cells]},
    )


def needed(past: History, start: Iterable[int]) -> tuple[set[int], list[str]]:
    """The executions that those of `start` (indices) need, themselves included; and what isn't sure."""
    executions = past.executions
    partners = _partners(past)
    kept = set(start)
    unseen: list[str] = []
    while True:  # until a pass adds nothing
        before = set(kept)
        wanted: dict[str, str] = {}  # name → the execution that needs the value it has at this point
        paths: set[str] = set()
        for i in range(max(kept), -1, -1):
            execution, done = executions[i], executions[i].effects
            if i not in kept and not _matters(execution, wanted, partners, paths):
                continue
            kept.add(i)
            for name in done.surely:
                wanted.pop(name, None)
            wanted.update(dict.fromkeys(done.needs | past.late(done.needs | done.functions, i + 1), execution.said))
            paths |= {f.path for f in execution.record.files if f.mode == "read"}
        for between, sentence in _changed_unseen(past, kept, partners):
            kept |= between
            unseen = list(dict.fromkeys([*unseen, sentence]))
        if kept == before:
            break
    notes = []
    if not any(executions[i].effects.opaque for i in kept):  # else they may be from there
        own = {executions[i].said: executions[i].effects.binds for i in kept}
        left = {
            n: w for n, w in wanted.items() if not n.startswith("<") and not hasattr(builtins, n) and n not in own[w]
        }
        notes = [f"{who} needs {name!r}, which no tracked cell made" for name, who in sorted(left.items())]
    notes += [
        f"{executions[i].said} does more than its text tells" for i in sorted(kept) if executions[i].effects.opaque
    ]
    return kept, [*notes, *unseen]


def _matters(
    execution: Execution, wanted: Mapping[str, str], partners: Mapping[str, set[str]], paths: set[str]
) -> bool:
    """Does what is needed later depend on it?"""
    done = execution.effects
    if done.binds & set(wanted) or PROCESS in done.changes or done.opaque:
        return True
    held = set(wanted).union(*(partners.get(name, set()) for name in wanted))
    if done.changes & held:
        return True
    if any(f.path in paths for f in execution.record.files if f.mode != "read"):
        return True
    # what a command does isn't recorded: it counts if it names a file that is read later
    text = execution.text or ""
    return bool(_SHELL.search(_INSTALLS.sub("", text))) and any(path.rpartition("/")[2] in text for path in paths)


def _partners(past: History) -> dict[str, set[str]]:
    """For each name, those whose object may be (part of) its own: to change one may change the other."""
    group: dict[str, set[str]] = {}
    fixed = {n for e in past.executions for n in (*e.effects.imports, *e.effects.functions)}
    for execution in past.executions:
        for a, b in execution.effects.holds:
            if a in fixed or b in fixed:
                continue
            merged = group.get(a, {a}) | group.get(b, {b})
            for name in merged:
                group[name] = merged
    return group


def _changed_unseen(past: History, kept: set[int], partners: Mapping[str, set[str]]) -> list[tuple[set[int], str]]:
    """Data that was not, when a kept cell read it, what the last cell that is known to have made it left behind."""
    found = []
    for i in kept:
        for use in past.executions[i].record.reads:
            maker = past.maker(use.name, i)
            if maker is None or use.fingerprint.digest is None:
                continue
            left = past.executions[maker].wrote(use.name)
            between = set(range(maker + 1, i))
            if any(past.executions[j].effects.changes & partners.get(use.name, set()) for j in between):
                continue  # through another name for it: that is seen
            if left is not None and left != use.fingerprint.digest and not between <= kept:
                sentence = (
                    f"{use.name!r} was changed between {past.executions[maker].said} and {past.executions[i].said}"
                    " by a cell whose text doesn't show it: all cells between them are kept"
                )
                found.append((between, sentence))
    return found


def _aim(ws: Workspace, asked: str) -> tuple[History, str, int]:
    """The kernel, the variable, and the execution that made it what it was asked for as."""
    run_id, slash, name = asked.partition("/")
    if slash and name.isidentifier() and not asked.startswith("models:"):
        past = history(ws, run_id)
        return past, name, _last(past, name)
    target = resolve(ws, asked)
    if target.kernel is None or target.kind in ("notebook", "run", "file"):
        raise UsageError(
            f"{asked!r} is a {target.kind}; 'nbops slice' takes a variable, a model or a data digest"
            f"{', for instance ' + target.name[:8] + '/NAME' if target.kind == 'run' else ''}"
        )
    past = history(ws, target.kernel)
    if target.kind == "variable":
        return past, target.name, _last(past, target.name)
    wanted = target.version.artifact if target.version else target.name
    for at, execution in enumerate(past.executions):
        for model in execution.record.models:
            if model.digest == wanted:
                return past, model.name, at
    for at in range(len(past.executions) - 1, -1, -1):
        for use in past.executions[at].record.writes:
            if use.fingerprint.digest == wanted:
                return past, use.name, at
    raise UnknownNameError("cell that made", asked, hint="it was only read: the cell that made it wasn't tracked")


def _last(past: History, name: str) -> int:
    at = past.maker(name, len(past.executions))
    if at is None:
        made = {n for e in past.executions for n in e.effects.makes if not n.startswith("<")}
        raise UnknownNameError(f"variable of run {past.kernel.id}", name, sorted(made))
    return at


def _original(ws: Workspace, past: History) -> Notebook | None:
    """The notebook that ran: as executed where that is kept, else the file as it is now."""
    kept = records.artifacts(ws.store, past.kernel.id, "notebook")
    places = [ws.artifacts.path(a.digest) for a in reversed(kept)]
    if past.kernel.notebook:
        places.append(ws.root / past.kernel.notebook)
    for place in places:
        try:
            return files.read(place)
        except NotebookError:
            continue
    return None


def _parameters(past: History, original: Notebook | None, at: int) -> set[int]:
    """The execution of the cell tagged ``parameters``, if that ran before."""
    cell = original.tagged(TAG) if original else None
    if cell is None or original is None:
        return set()
    return {i for i in range(at) if (found := _cell_of(past.executions[i], original)) and found.index == cell.index}


def _cell_of(execution: Execution, original: Notebook | None) -> Cell | None:
    """The cell of the notebook that an execution was of."""
    if original is None:
        return None
    record = execution.record
    cells = original.code_cells()
    if record.cell_id is not None:
        by_id = next((c for c in cells if c.id == record.cell_id), None)
        if by_id is not None:
            return by_id
    same = [c for c in cells if digest(c.source) == record.source]
    return next((c for c in same if c.execution_count == record.execution_count), same[0] if same else None)


def _cells(past: History, kept: list[int], original: Notebook | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells of the new notebook, and what isn't sure of their text."""
    made: list[dict[str, Any]] = []
    notes: list[str] = []
    tracked = any(TRACKING in past.executions[i].effects.changes for i in kept)
    ids: set[str] = set()
    for i in kept:
        execution = past.executions[i]
        cell = _cell_of(execution, original)
        text = execution.text
        if cell is not None and digest(cell.source) == execution.record.source:
            text = cell.source
        elif text is None:
            raise UsageError(
                f"the text of {execution.said} in run {past.kernel.id} isn't kept, nor is it in the notebook any more:"
                " there is nothing to slice"
            )
        elif digest(text) != execution.record.source:
            lines = ", ".join(map(str, holes(text)))
            if lines:
                notes.append(
                    f"{execution.said}: line {lines} had what looks like a secret; put it in again before it runs"
                )
        if not tracked:  # nothing loads nbops into the new kernel
            text = re.sub(r"^(\s*)%%track\b.*\n", r"\1", text)
        if execution.record.status is not CellStatus.OK:
            text = _tried(text)
            notes.append(f"{execution.said} failed when it ran; what it did before that is needed")
        tags = list(cell.tags) if cell else []
        name = cell.id if cell is not None and cell.id and cell.id not in ids else f"slice-{i}"
        ids.add(name)
        made.append(
            {
                "cell_type": "code",
                "id": name,
                "metadata": {"tags": tags} if tags else {},
                "source": text,
                "outputs": [],
                "execution_count": None,
            }
        )
    return made, notes


def _tried(text: str) -> str:
    """The cell's text, going on where it fails: papermill would stop there."""
    tree = parsed(text)
    if tree is None:
        return text
    handler = ast.ExceptHandler(type=ast.Name(id="Exception", ctx=ast.Load()), name=None, body=[ast.Pass()])
    whole = ast.Try(body=tree.body, handlers=[handler], orelse=[], finalbody=[])
    return ast.unparse(ast.fix_missing_locations(ast.Module(body=[whole], type_ignores=[])))
