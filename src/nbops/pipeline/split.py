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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import NotebookError, suggestion
from nbops.notebook import files
from nbops.notebook.names import names
from nbops.notebook.parameters import TAG
from nbops.notebook.syntax import parsed
from nbops.pipeline.unhandable import remade, unhandable
from nbops.workspace import Workspace, relative

_STEP_TAG = re.compile(r"^(?:step|block):(?P<name>[\w-]+)$")
_STEP_LINE = re.compile(r"^\s*%nbops[ \t]+step[ \t]+(?P<name>[\w-]+)[ \t]*\n?", re.MULTILINE)
_EVERYWHERE = frozenset({"imports", "functions"})  # Kale's: cells that every step begins with
_PARAMETERS = frozenset({TAG, "pipeline-parameters"})


@dataclass(kw_only=True)
class Cut:
    """A step: its cells and their numbers (from 1), the variables it takes and gives, the steps that it needs."""

    name: str
    cells: list[Mapping[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
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
        If no cell begins a step, the steps can't be cut as the tags say, or one of the notebooks to be written is there
        already.
    """
    read = files.read(notebook)
    try:
        before, cuts = cut(read)
    except NotebookError as error:
        raise NotebookError(f"{str(notebook)!r} can't be cut so, and nothing was written:\n{error}") from None
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
    table = f"pipelines.{re.sub(r'[^A-Za-z0-9_-]', '_', notebook.stem)}"
    lines = [f"[{table}]"]
    for one in cuts:
        files.write(written[one.name], {**read.data, "cells": _cells(read, before, one)})
        step = one.name if one.name.isascii() else json.dumps(one.name, ensure_ascii=False)
        lines += ["", f"[{table}.steps.{step}]"]
        lines.append(f"notebook = {json.dumps(relative(ws, written[one.name]), ensure_ascii=False)}")
        if one.needs:
            lines.append(f"needs = {json.dumps(one.needs, ensure_ascii=False)}")
    return list(written.values()), "\n".join(lines) + "\n"


def cut(read: files.Notebook) -> tuple[list[Mapping[str, Any]], list[Cut]]:
    """The cells every step begins with, and the steps in order.

    Raises
    ------
    NotebookError
        With a line for each thing that keeps the steps from being cut as the tags say.
    """
    before: list[Mapping[str, Any]] = []
    cuts: dict[str, Cut] = {}
    current: Cut | None = None
    said: dict[str, dict[str, int]] = {}  # {step: {step it is said to need: the number of the cell}}
    problems: list[str] = []
    for number, cell in enumerate(read.data["cells"], 1):
        tags = cell.get("metadata", {}).get("tags", ())
        source = files.joined(cell.get("source", ""))
        if "skip" in tags:
            continue
        if cell["cell_type"] == "code" and names(source).unparsable:
            problems.append(
                f"cell {number} is no valid Python, so what it needs isn't known; correct it, or give it the tag 'skip'"
            )
        if (_EVERYWHERE | _PARAMETERS) & set(tags):
            before.append(_marked(cell) if _PARAMETERS & set(tags) else cell)
            continue
        marks = [m["name"] for tag in tags if (m := _STEP_TAG.match(tag))]
        problems += [
            f"the tag {tag!r} of cell {number} names no step; a name has letters, digits, - and _"
            for tag in tags
            if tag.startswith(("step:", "block:")) and not _STEP_TAG.match(tag)
        ]
        line = _STEP_LINE.search(source) if cell["cell_type"] == "code" else None
        if line is not None:
            marks, cell = [*marks, line["name"]], {**cell, "source": _STEP_LINE.sub("", source, count=1)}
        if len(set(marks)) > 1:
            problems.append(f"cell {number} begins several steps: {', '.join(marks)}; let it begin one")
        for name in marks[:1]:
            current = cuts.setdefault(name, Cut(name=name))
        if current is None:
            before.append(cell)
            continue
        for tag in tags:
            if tag.startswith("prev:"):
                said.setdefault(current.name, {}).setdefault(tag[5:], number)
        current.cells.append(cell)
        current.numbers.append(number)
    found = list(cuts.values())
    problems += _unknown(cuts, said) + _out_of_order(found) + _connect(before, found, said)
    problems += _circle(cuts) if not problems else []
    if problems:
        raise NotebookError("\n".join(f"  {problem}" for problem in problems))
    return before, found


def _unknown(cuts: Mapping[str, Cut], said: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [
        f"the tag 'prev:{needed}' of cell {number}: there is no step {needed!r}{suggestion(needed, cuts)}"
        for needs in said.values()
        for needed, number in needs.items()
        if needed not in cuts
    ]


def _out_of_order(cuts: list[Cut]) -> list[str]:
    """Where a step whose cells don't stand together would see other values than the notebook's cells did."""
    place = {one.name: index for index, one in enumerate(cuts)}
    cells = sorted(
        ((number, one, cell) for one in cuts for number, cell in zip(one.numbers, one.cells, strict=True)),
        key=lambda each: each[0],
    )
    changes: dict[str, list[tuple[int, Cut]]] = {}
    for number, one, cell in cells:
        for name in _names_of([cell])[1]:
            changes.setdefault(name, []).append((number, one))
    problems = []
    for number, one, cell in cells:
        for name in sorted(_names_of([cell])[0]):
            made = [(at, step) for at, step in changes.get(name, ()) if at < number]
            if not made or made[-1][1] is one:
                continue
            at, maker = made[-1]
            later = [other for other, step in changes[name] if step is maker and other > number]
            if place[maker.name] > place[one.name]:
                problems.append(
                    f"cell {number} of the step {one.name!r} needs {name!r} as cell {at} of {maker.name!r} leaves it,"
                    f" and {maker.name!r} comes after {one.name!r}; let a step with another name begin at cell {number}"
                )
            elif later:
                problems.append(
                    f"cell {number} of the step {one.name!r} needs {name!r} as it is before cell {later[0]} of"
                    f" {maker.name!r} changes it; let a step with another name begin at cell {later[0]}"
                )
    return problems


def _circle(cuts: Mapping[str, Cut]) -> list[str]:
    done: set[str] = set()
    for first in cuts:
        path, left = [first], [iter(cuts[first].needs)]
        while path:
            following = next(left[-1], None)
            if following is None:
                done.add(path.pop())
                left.pop()
            elif following in path:
                circle = " needs ".join([*path[path.index(following) :], following])
                return [f"the steps go round in a circle: {circle}; look at their tags prev:…"]
            elif following not in done:
                path.append(following)
                left.append(iter(cuts[following].needs))
    return []


def _connect(before: list[Mapping[str, Any]], cuts: list[Cut], said: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What each step takes of earlier ones: the value of the last one that bound or changed it. Returns what can't be
    handed over."""
    everywhere = {name for cell in before for name in _names_of([cell])[1]}
    seen = _Seen()
    for cell in before:
        seen.learn(0, cell)
    repeatable = set(_definitions(before, seen, (), everywhere))
    definitions: dict[str, str] = {}
    bound: dict[str, Cut] = {}
    problems: dict[str, None] = {}
    for one in cuts:
        reads, binds = _names_of(one.cells)
        left = sorted(name for name in reads if name not in everywhere or name in bound)
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
                if refused := seen.refused(name):
                    problems[refused] = None
            elif name in definitions and definitions[name] not in repeated:
                repeated[definitions[name]] = None
                left += sorted(names(definitions[name]).reads - (everywhere - set(bound)))
            elif name not in bound and name not in definitions:
                repeated |= dict.fromkeys(seen.stars)
        one.repeats = [text for text in dict.fromkeys((*seen.stars, *definitions.values())) if text in repeated]
        one.needs += [n for n in said.get(one.name, ()) if n not in one.needs and any(c.name == n for c in cuts)]
        for number, cell in zip(one.numbers, one.cells, strict=True):
            seen.learn(number, cell)
        own = _definitions(one.cells, seen, {*definitions, *(repeatable - set(bound))}, everywhere - set(bound))
        definitions |= own
        for name in binds - set(own):
            bound[name] = one
            definitions.pop(name, None)
        for name in own:
            bound.pop(name, None)
    return list(problems)


@dataclass(kw_only=True)
class _Seen:
    """What the cells so far say of how values are made."""

    imports: dict[str, str] = field(default_factory=dict)
    stars: dict[str, None] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)  # those that inherit from nothing
    made: dict[str, tuple[int, ast.expr]] = field(default_factory=dict)

    def learn(self, number: int, cell: Mapping[str, Any]) -> None:
        for node in _statements([cell]):
            text = ast.unparse(node)
            self.imports |= names(text).imports
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self.stars[text] = None
            if isinstance(node, ast.ClassDef) and not node.bases:
                self.classes.add(node.name)
            values = dict(_values(node))
            for name in names(text).writes:
                self.made.pop(name, None)
                if name in values:
                    self.made[name] = (number, values[name])

    def refused(self, name: str) -> str | None:
        number, made = self.made.get(name, (0, None))
        what = unhandable(made, self.imports, self.classes) if made is not None else None
        if made is None or what is None:
            return None
        text = ast.unparse(made)
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        return (
            f"cell {number} makes {name!r} ({shown}), which a later step needs: {what} can't be handed over; make it in"
            " each step, by giving its cell the tag 'imports', or keep it in one"
        )


def _values(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """(name, the expression it is bound to), where the text says that."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value
    elif isinstance(node, ast.With):
        for item in node.items:
            if isinstance(item.optional_vars, ast.Name):
                yield item.optional_vars.id, item.context_expr


def _statements(cells: Iterable[Mapping[str, Any]]) -> Iterator[ast.stmt]:
    for cell in cells:
        tree = parsed(files.joined(cell.get("source", ""))) if cell["cell_type"] == "code" else None
        yield from tree.body if tree is not None else ()


def _names_of(cells: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """The names that cells need from before, and those they bind or change."""
    reads: set[str] = set()
    binds: set[str] = set()
    for cell in cells:
        if cell["cell_type"] == "code":
            found = names(files.joined(cell.get("source", "")))
            reads |= (found.reads | found.mutates) - binds
            binds |= found.writes | found.mutates
    return reads, binds


def _definitions(
    cells: list[Mapping[str, Any]], seen: _Seen, earlier: Iterable[str], everywhere: set[str]
) -> dict[str, str]:
    """{name: the statement that defines it} of what is repeated, not handed over: imports, functions, classes, and
    values as simple as a path. `earlier` are the names of those before, `everywhere` those that every step has."""
    found: dict[str, str] = {}
    for node in _statements(cells):
        text = ast.unparse(node)
        defined = _defined(node, seen, {*found, *earlier}, everywhere)
        for name in names(text).writes | names(text).mutates:
            found.pop(name, None)
            if name in defined:
                found[name] = text
    return found


def _defined(node: ast.stmt, seen: _Seen, known: set[str], everywhere: set[str]) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, (ast.If, ast.Try)):  # an import that may fail
        inside = [part for part in ast.walk(node) if isinstance(part, ast.stmt) and part is not node]
        imports = any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in inside)
        plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.Pass, ast.If, ast.Try)
        return set(names(ast.unparse(node)).writes) if imports and all(isinstance(p, plain) for p in inside) else set()
    return {
        name
        for name, value in _values(node)
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and remade(value, seen.imports, known)
        and (isinstance(value, ast.Lambda) or names(ast.unparse(value)).reads <= known | everywhere)
    }


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
