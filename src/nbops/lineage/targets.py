"""What is meant by X: a run, a file, a variable, a digest, a model or a notebook.

Asked in this order, the first answer counts: a notebook's path · ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` ·
a digest (or its beginning) · a file that was read or written · a registered model · a variable (the newest) ·
the beginning of a run's id.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbops.core.errors import AmbiguousError, UnknownNameError
from nbops.core.models import ModelVersion
from nbops.core.runs import Run, RunKind
from nbops.lineage.history import History, history, kernel_of
from nbops.store import lineage as uses
from nbops.store import models, records, runs
from nbops.workspace import Workspace, relative

_URI = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<number>\d+)|@(?P<alias>.+))?")
_DIGEST = re.compile(r"[af]1:[0-9a-z:]{4,}")
_LOOKED_BACK = 50  # kernels in which a name that is neither data nor a model is looked for


@dataclass(frozen=True, kw_only=True)
class Target:
    """`kind` is notebook, version, model, data, file, variable or run; `name` is what identifies it; `kernel` is the id
    of the run of the kernel it is looked at in, where there is one, and `past` what ran in it, if that was read."""

    kind: str
    name: str
    kernel: str | None = None
    version: ModelVersion | None = None
    past: History | None = field(default=None, repr=False)


def resolve(ws: Workspace, asked: str) -> Target:
    """The target that a user means.

    Raises
    ------
    UnknownNameError
        If nothing is recorded of that name.
    AmbiguousError
        If a digest's or run id's beginning fits several.
    """
    if asked.endswith(".ipynb"):
        return _notebook(ws, asked)
    if (uri := _URI.fullmatch(asked)) is not None:
        return _version(ws, uri["name"], uri["number"], uri["alias"])
    if _DIGEST.match(asked):
        return _digest(ws, asked)
    path = relative(ws, Path(asked))
    for name in dict.fromkeys((asked, path)):
        found = [u for u in uses.by_name(ws.store, name) if u.kind == "file"]
        if found:
            last = found[-1]
            digest = last.digest or f"{last.name}#{last.run}/{last.seq}"
            return Target(kind="file", name=digest, kernel=_kernel(ws, last.run))
    if asked in models.names(ws.store):
        return _version(ws, asked, None, None)
    kernel = newest_with(ws, asked)
    if kernel is not None:
        return Target(kind="variable", name=asked, kernel=kernel.kernel.id, past=kernel)
    try:
        run = runs.get(ws.store, asked)
    except UnknownNameError:
        raise UnknownNameError(
            "run, file, variable, digest, model or notebook",
            asked,
            hint="what was recorded is listed by 'nbops runs' and 'nbops models'",
        ) from None
    return Target(kind="run", name=run.id, kernel=run.id if run.kind is RunKind.PIPELINE else _kernel(ws, run.id))


def newest_with(ws: Workspace, name: str) -> History | None:
    """The newest kernel in which a cell bound `name` (or, if none did, read it as data)."""
    if not name.isidentifier():
        return None
    found = [u for u in uses.by_name(ws.store, name) if u.kind != "file"]
    wrote = [u for u in found if u.direction == "write"] or found
    newest = _started(ws, wrote[-1].run) if wrote else None
    for kernel in _kernels(ws):
        if newest is not None and kernel.started_at < newest.started_at:
            break
        past = history(ws, kernel.id)
        if past.maker(name, len(past.executions)) is not None and not all(
            name in e.effects.imports for e in past.executions if name in e.effects.makes
        ):
            return past
    return history(ws, newest.id) if newest is not None else None


def notebook_runs(ws: Workspace, asked: str) -> list[Run]:
    """The kernels that a notebook ran in, newest first."""
    path = relative(ws, Path(asked))
    for name in dict.fromkeys((path, asked)):
        found = runs.listed(ws.store, notebook=name, kinds=(RunKind.SESSION, RunKind.STEP), limit=_LOOKED_BACK)
        kept = [run for run in found if records.of_run(ws.store, run.id) or runs.children(ws.store, run.id)]
        if kept:
            return kept
    return []


def where_records_are(ws: Workspace, asked: str | Path) -> str:
    """What to do about a notebook that carries no records: look at the copy that was executed, or execute it."""
    for run in notebook_runs(ws, str(asked)):
        copy = ws.root / str(run.detail.get("executed", ""))
        if copy.is_file():
            return f"it was executed as a copy, which has them: '{os.path.relpath(copy)}'"
    return "run it with tracking on: '%nbops auto on' in it, or 'nbops run'"


def _notebook(ws: Workspace, asked: str) -> Target:
    found = notebook_runs(ws, asked)
    if not found:
        there = "" if Path(asked).exists() else ", and there is no such file here"
        raise UnknownNameError("record of the notebook", asked, hint=f"{where_records_are(ws, asked)}{there}")
    return Target(kind="notebook", name=found[0].notebook or asked, kernel=found[0].id)


def _version(ws: Workspace, name: str, number: str | None, alias: str | None) -> Target:
    known = models.names(ws.store)
    if name not in known:
        raise UnknownNameError("model", name, known)
    if number is not None:
        version = models.get(ws.store, name, int(number))
    elif alias is not None:
        found = models.aliased(ws.store, name, alias)
        if found is None:
            raise UnknownNameError(f"alias of the model {name!r}", alias, models.aliases(ws.store, name))
        version = found
    else:
        version = models.versions(ws.store, name)[-1]
    kernel = _kernel(ws, version.run) if runs.exists(ws.store, version.run) else None
    return Target(kind="version", name=f"{name}/{version.number}", kernel=kernel, version=version)


def _digest(ws: Workspace, asked: str) -> Target:
    if asked.startswith("a1:"):
        found = uses.artifact_uses(ws.store, asked)
        if not found:
            raise UnknownNameError("model or artifact", asked)
        return Target(kind="model", name=asked, kernel=_kernel(ws, found[-1][0]))
    matching = uses.digests_beginning(ws.store, asked)
    if len(matching) > 1:
        raise AmbiguousError(f"{asked!r} begins several digests: {', '.join(matching)}; give more digits")
    if not matching:
        raise UnknownNameError("data digest", asked)
    known = uses.by_digest(ws.store, matching[0])
    last = next((u for u in reversed(known) if u.direction == "write"), known[-1])
    return Target(kind="file" if last.kind == "file" else "data", name=matching[0], kernel=_kernel(ws, last.run))


def _started(ws: Workspace, run_id: str) -> Run:
    return kernel_of(ws, runs.as_stored(ws.store, run_id))


def _kernel(ws: Workspace, run_id: str) -> str:
    return _started(ws, run_id).id


def _kernels(ws: Workspace) -> Iterator[Run]:
    found = runs.listed(ws.store, kinds=(RunKind.SESSION, RunKind.STEP, RunKind.BLOCK), limit=4 * _LOOKED_BACK)
    seen: set[str] = set()
    for run in found:
        kernel = kernel_of(ws, run)
        if kernel.id not in seen and len(seen) < _LOOKED_BACK:
            seen.add(kernel.id)
            yield kernel
