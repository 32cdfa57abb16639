"""What is to be done again: from a name (run, model version, metric, notebook) to the notebook as it ran, its
parameters, and the records to compare with."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.canonical import digest
from nbops.core.errors import CorruptArtifactError, UnknownNameError, UsageError
from nbops.core.redaction import REDACTED
from nbops.core.runs import CellRecord, CellStatus, Run, RunKind
from nbops.notebook import embedded, files
from nbops.notebook.code_secrets import holes
from nbops.reproduction.cells import Key, by_cell, recorded, source_text
from nbops.reproduction.named import carried, named
from nbops.store import records, runs
from nbops.workspace import Workspace, relative

_EXPECTED = "raises-exception"


@dataclass(frozen=True, kw_only=True)
class Original:
    """`place` is the notebook's path as recorded; `folder` that of the folder it ran in, if it isn't the notebook's.
    `data` is the notebook to execute, `how` where it comes from; `cells` its records. `run` is None where the store
    doesn't have it and the notebook's own records must do. `handovers`: what ``nbops.input`` found, {name: digest};
    None: not recorded."""

    run_id: str
    run: Run | None
    name: str
    place: str
    folder: str | None = None
    data: Mapping[str, Any]
    how: str = "as it ran, from the store"
    params: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[Key, CellRecord]
    metric: str | None = None
    handovers: Mapping[str, str] | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class NotKeptError(Exception):
    """The code that ran isn't known any more: said in a report, not raised to the caller."""


def original(ws: Workspace, source: str) -> Original:
    """The run that `source` names.

    Parameters
    ----------
    source : str
        See :func:`nbops.reproduction.named.named`.

    Raises
    ------
    UnknownNameError, AmbiguousError, NotebookError
    UsageError
        If it is no run of a notebook.
    NotKeptError
        If the code that ran was not kept.
    """
    if source.endswith(".ipynb"):
        path = Path(source)
        run_id = carried(path)
        if run_id is not None and not runs.exists(ws.store, run_id):
            return _of_records(ws, path, run_id)
    run, metric = named(ws, source)
    return _of_run(ws, run, metric)


def _of_records(ws: Workspace, path: Path, run_id: str) -> Original:
    """From what an executed notebook carries alone."""
    read = files.read(path)
    found = [(item, embedded.record_from(item.payload)) for item in embedded.embedded(read)]
    edited = [item.cell_index + 1 for item, record in found if not _is(item.source, record)]
    if edited:
        raise NotKeptError(f"cell {edited[0]} of {path} was edited after it ran, and the store has no run {run_id}")
    cells = by_cell(record for _, record in found)
    data, params = _cleaned(read.data, cells)
    return Original(
        run_id=run_id,
        run=None,
        name=path.stem,
        place=relative(ws, path),
        data=data,
        params=params,
        cells=cells,
        how="as the file has it, which is as it ran",
        notes=(f"the store has no run {run_id}: compared with the records in {path}; packages are not compared",),
    )


def _of_run(ws: Workspace, run: Run, metric: str | None = None) -> Original:
    if isinstance(hit := run.detail.get("cached_from"), str):
        run = runs.as_stored(ws.store, hit)
    if run.kind is RunKind.BLOCK and run.parent:
        run = runs.as_stored(ws.store, run.parent)  # a named cell can't be done without those before it
    if run.kind is RunKind.PIPELINE:
        steps = [f"{child.name}: {child.id}" for child in runs.children(ws.store, run.id)]
        raise UsageError(f"{run.id} is a pipeline's run; do its steps again one by one: {', '.join(steps) or 'none'}")
    if run.kind not in (RunKind.STEP, RunKind.SESSION):
        raise UsageError(f"{run.id} is a {run.kind} run; only runs of notebooks can be done again")
    found = recorded(ws.store, run)
    kept = [a for a in records.artifacts(ws.store, run.id, "notebook") if a.media == "application/x-ipynb+json"]
    cache = run.detail.get("cache") or {}
    known: dict[str, Any] = {
        "run_id": run.id,
        "run": run,
        "name": run.name,
        "metric": metric,
        "folder": run.detail.get("folder"),
        "handovers": (cache.get("parts") or {}).get("handovers"),
        "modules": run.detail.get("modules") or {},
    }
    if run.kind is RunKind.STEP and kept:
        try:
            content = ws.artifacts.read_bytes(kept[-1].digest)
        except (CorruptArtifactError, UnknownNameError) as error:
            raise NotKeptError(f"the notebook as it ran: {error}") from None
        cells = by_cell(found)
        data, params = _cleaned(json.loads(content), cells)
        return Original(**known, place=run.notebook or "notebook.ipynb", data=data, params=params, cells=cells)
    return _from_sources(ws, run, found, known)


def _from_sources(ws: Workspace, run: Run, found: list[CellRecord], known: Mapping[str, Any]) -> Original:
    """A notebook of the cells a session tracked, in the order they ran."""
    if run.notebook and not run.notebook.endswith(".ipynb"):
        raise UsageError(f"{run.id} is a run of the script {run.notebook!r}; only notebooks can be done again")
    texts: list[str] = []
    cells: dict[Key, CellRecord] = {}
    at: dict[int, int] = {}  # execution count → the cell's number in the new notebook
    failing: set[int] = set()
    for record in found:
        count = record.execution_count
        text, whole = source_text(ws, record)
        if count is None or text is None:
            raise NotKeptError(f"the code of record {record.seq} of the run {record.run} was not kept")
        if not whole:
            _check_whole(text, f"cell [{count}]")
        if count not in at:
            texts.append(text)
            at[count] = len(texts)
        cells[at[count], sum(n == at[count] for n, _ in cells)] = record
        if record.status is not CellStatus.OK:
            failing.add(at[count])
    if not texts:
        raise NotKeptError(f"the run {run.id} has no records of cells")
    notes = []
    gaps = [n for n in range(1, max(at) + 1) if n not in at]
    if gaps:
        said = ", ".join(f"[{n}]" for n in gaps[:10]) + (" …" if len(gaps) > 10 else "")
        notes.append(f"not tracked, so not done again: cell{'s' * (len(gaps) > 1)} {said}")
    data = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
        "cells": [_cell(i, text, expected=i in failing) for i, text in enumerate(texts, 1)],
    }
    place = run.notebook or "session.ipynb"
    how = "its tracked cells, in the order they ran"
    return Original(**known, place=place, data=data, how=how, cells=cells, notes=tuple(notes))


def _check_whole(text: str, where: str) -> None:
    """Of a text as kept that isn't the one that ran.

    Raises
    ------
    NotKeptError
        If it isn't the same but for comments and docstrings.
    """
    lines = holes(text)
    if lines or REDACTED not in text:
        said = f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))} had" if lines else "it had"
        raise NotKeptError(
            f"the code of {where} was not kept whole: {said} what looks like a secret; let the cell take it from the"
            " environment (os.environ, nbops.param(secret=True)), and run the notebook again"
        )


def _cell(number: int, source: str, *, expected: bool) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "source": source,
        "metadata": {"tags": [_EXPECTED]} if expected else {},
        "outputs": [],
        "execution_count": None,
    }


def _cleaned(data: Mapping[str, Any], cells: Mapping[Key, CellRecord]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An executed notebook as it was before, and the parameters it was given. The cell that papermill put in for them
    stays in its place: papermill writes it anew.

    Raises
    ------
    NotKeptError
        If a parameter or cell that is needed lacks a secret.
    """
    new = copy.deepcopy(dict(data))
    params = (new.get("metadata", {}).pop("papermill", None) or {}).get("parameters") or {}
    for name, value in params.items():
        if REDACTED in str(value):
            raise NotKeptError(
                f"the value of the parameter {name!r} was not kept: it looks like a secret; let the notebook take it"
                " from the environment (nbops.param(secret=True)), and run it again"
            )
    sources = {record.source for record in cells.values()}
    failed = {number for (number, _), record in cells.items() if record.status is not CellStatus.OK}
    kept = []
    for cell in new["cells"]:
        cell.get("metadata", {}).pop("papermill", None)
        tags = cell.get("metadata", {}).get("tags") or []
        if "papermill-error-cell-tag" in tags:  # papermill's own word on where it failed
            continue
        if cell["cell_type"] == "code":
            text = "".join(cell["source"])
            if REDACTED in text and "injected-parameters" not in tags and digest(text) not in sources:
                _check_whole(text, f"cell [{cell.get('execution_count') or ' '}]")
            ended = cell.get("execution_count") in failed and _EXPECTED not in tags
            cell["outputs"], cell["execution_count"] = [], None
            if ended:  # the run came no further
                kept.append(cell)
                break
        kept.append(cell)
    new["cells"] = kept
    return new, dict(params)


def _is(source: str, record: CellRecord) -> bool:
    return digest(source) == record.source
