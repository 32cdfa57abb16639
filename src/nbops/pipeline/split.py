"""One notebook cut into the notebooks of several steps, where its cells say so.

A cell with the tag ``step:NAME`` (Kale's ``block:NAME`` is the same) or the line ``%nbops step NAME`` begins a step;
the cells after it belong to it, too. What a later step needs of an earlier one is handed over by ``nbops.output`` and
``nbops.input``, in a cell of its own at the end and at the beginning; imports, functions and classes are repeated. The
notebook itself isn't changed. The new ones are plain notebooks: to be read, and from then on to be worked in.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import NotebookError
from nbops.notebook import files
from nbops.notebook.names import names
from nbops.notebook.parameters import TAG
from nbops.notebook.syntax import parsed
from nbops.workspace import Workspace, relative

_STEP_TAG = re.compile(r"^(?:step|block):(?P<name>[\w-]+)$")
_STEP_LINE = re.compile(r"^\s*%nbops[ \t]+step[ \t]+(?P<name>[\w-]+)[ \t]*\n?", re.MULTILINE)
_EVERYWHERE = frozenset({"imports", "functions"})  # Kale's: cells that every step begins with
_PARAMETERS = frozenset({TAG, "pipeline-parameters"})


@dataclass(kw_only=True)
class Cut:
    """A step: its cells, the variables it takes and gives, the steps that it needs."""

    name: str
    cells: list[Mapping[str, Any]] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    gives: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)  # definitions of earlier steps, as text


def split(ws: Workspace, notebook: Path, folder: Path | None = None) -> tuple[list[Path], str]:
    """Write one notebook for each step, beside the notebook or into `folder`.

    Returns
    -------
    (list of Path, str)
        What was written, and the text for nbops.toml.

    Raises
    ------
    NotebookError
        If no cell begins a step, or one of the notebooks to be written is there already.
    """
    read = files.read(notebook)
    before, cuts = cut(read)
    if not cuts:
        raise NotebookError(
            f"no cell of {str(notebook)!r} begins a step; give cells the tag step:NAME, or the line %nbops step NAME"
        )
    folder = folder or notebook.parent
    written = {one.name: folder / f"{notebook.stem}.{one.name}.ipynb" for one in cuts}
    for path in written.values():
        if path.exists():
            raise NotebookError(f"{str(path)!r} is there already; move it away, or give another folder with --to")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"[pipelines.{re.sub(r'[^A-Za-z0-9_-]', '_', notebook.stem)}]"]
    for one in cuts:
        files.write(written[one.name], {**read.data, "cells": _cells(read, before, one)})
        table = f"[pipelines.{re.sub(r'[^A-Za-z0-9_-]', '_', notebook.stem)}.steps.{one.name}]"
        lines += ["", table, f"notebook = {json.dumps(relative(ws, written[one.name]), ensure_ascii=False)}"]
        if one.needs:
            lines.append(f"needs = {json.dumps(one.needs)}")
    return list(written.values()), "\n".join(lines) + "\n"


def cut(read: files.Notebook) -> tuple[list[Mapping[str, Any]], list[Cut]]:
    """The cells every step begins with, and the steps in order."""
    before: list[Mapping[str, Any]] = []
    cuts: dict[str, Cut] = {}
    current: Cut | None = None
    said: dict[str, list[str]] = {}
    for cell in read.data["cells"]:
        tags = cell.get("metadata", {}).get("tags", ())
        source = files.joined(cell.get("source", ""))
        if "skip" in tags:
            continue
        if (_EVERYWHERE | _PARAMETERS) & set(tags):
            before.append(_marked(cell) if _PARAMETERS & set(tags) else cell)
            continue
        marks = [m["name"] for tag in tags if (m := _STEP_TAG.match(tag))]
        line = _STEP_LINE.search(source) if cell["cell_type"] == "code" else None
        if line is not None:
            marks, cell = [*marks, line["name"]], {**cell, "source": _STEP_LINE.sub("", source, count=1)}
        for name in marks[:1]:
            current = cuts.setdefault(name, Cut(name=name))
        if current is None:
            before.append(cell)
            continue
        said.setdefault(current.name, []).extend(tag[5:] for tag in tags if tag.startswith("prev:"))
        current.cells.append(cell)
    found = list(cuts.values())
    _connect(before, found, said)
    return before, found


def _connect(before: list[Mapping[str, Any]], cuts: list[Cut], said: Mapping[str, list[str]]) -> None:
    """What each step takes of earlier ones: the value of the last one that bound or changed it."""
    everywhere = {name for cell in before for name in _names_of([cell])[1]}
    definitions: dict[str, str] = {}
    bound: dict[str, Cut] = {}
    for one in cuts:
        reads, binds = _names_of(one.cells)
        left = sorted(name for name in reads if name not in everywhere)
        repeated: dict[str, None] = {}
        while left:
            name = left.pop(0)
            if name in bound and name not in one.takes:
                maker = bound[name]
                one.takes.append(name)
                if name not in maker.gives:
                    maker.gives.append(name)
                if maker.name not in one.needs:
                    one.needs.append(maker.name)
            elif name in definitions and definitions[name] not in repeated:
                repeated[definitions[name]] = None
                left += sorted(names(definitions[name]).reads - everywhere)
        one.repeats = [text for text in dict.fromkeys(definitions.values()) if text in repeated]
        one.needs += [n for n in said.get(one.name, ()) if n not in one.needs and any(c.name == n for c in cuts)]
        own = _definitions(one.cells)
        definitions |= own
        for name in binds - set(own):
            bound[name] = one
            definitions.pop(name, None)
        for name in own:
            bound.pop(name, None)


def _names_of(cells: list[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """The names that cells need from before, and those they bind or change."""
    reads: set[str] = set()
    binds: set[str] = set()
    for cell in cells:
        if cell["cell_type"] == "code":
            found = names(files.joined(cell.get("source", "")))
            reads |= (found.reads | found.mutates) - binds
            binds |= found.writes | found.mutates
    return reads, binds


def _definitions(cells: list[Mapping[str, Any]]) -> dict[str, str]:
    """{name: the statement that defines it} of imports, functions and classes: what can't be handed over."""
    found = {}
    for cell in cells:
        tree = parsed(files.joined(cell.get("source", ""))) if cell["cell_type"] == "code" else None
        for node in tree.body if tree is not None else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found[node.name] = ast.unparse(node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = ast.unparse(node)
    return found


def _cells(read: files.Notebook, before: list[Mapping[str, Any]], one: Cut) -> list[Mapping[str, Any]]:
    first = [*one.repeats, *(f"{name} = nbops.input({name!r})" for name in one.takes)]
    last = [f"nbops.output({name!r}, {name})" for name in one.gives]
    start = [_code(read, f"{one.name}-in", ["import nbops", "", *first])] if first else []
    end = [_code(read, f"{one.name}-out", [*([] if one.takes else ["import nbops", ""]), *last])] if last else []
    return [*map(_bare, before), *start, *map(_bare, one.cells), *end]


def _code(read: files.Notebook, name: str, lines: list[str]) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "source": "\n".join(lines),
        "outputs": [],
        "execution_count": None,
    }
    return cell | ({"id": name[:64]} if read.data.get("nbformat_minor", 0) >= 5 else {})


def _bare(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what an earlier execution left."""
    return {**cell, "outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell


def _marked(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = cell.get("metadata", {})
    return {**cell, "metadata": {**metadata, "tags": [*(t for t in metadata.get("tags", ()) if t != TAG), TAG]}}
