"""A pipeline proposed from a folder of notebooks: who feeds whom, from what they were seen to read and write (the
records of their newest run) and from what they say.

A proposal: text for nbops.toml, to be read before it is used. Nothing is executed.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from nbops.core.errors import NotebookError, ParameterError, SettingsError
from nbops.notebook import files, parameters
from nbops.notebook.code import local_modules
from nbops.notebook.touches import touches
from nbops.pipeline import graph
from nbops.pipeline.handover import handed_on
from nbops.settings import FILE, Pipeline, Step
from nbops.store import records, runs
from nbops.workspace import Workspace, relative

_DATABASE = "a database"  # the reason for which a file of a record has no digest

MANY = 4
"""From so many recorded files of one folder and ending on, the input is a glob."""


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """`toml` is the text to add; `pipeline` what it says; `notes` what the notebooks left open."""

    name: str
    pipeline: Pipeline
    toml: str
    notes: tuple[str, ...]


def infer(ws: Workspace, folder: Path, name: str | None = None) -> Inferred:
    """Propose a pipeline of the notebooks in a folder and below.

    Raises
    ------
    NotebookError
        If there are none.
    """
    found = sorted(
        path
        for path in folder.rglob("*.ipynb")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and ws.home not in path.absolute().parents
    )
    if not found:
        raise NotebookError(f"there are no notebooks in {str(folder)!r}")
    name = name or _plain(folder.absolute().name)
    notes: list[str] = []
    steps: dict[str, Step] = {}
    schemas: dict[str, tuple[parameters.Parameter, ...]] = {}
    for path in found:
        step = _plain(path.stem)
        if step in steps:
            step = _plain(path.relative_to(folder).with_suffix("").as_posix())
        try:
            read = files.read(path)
            schemas[step] = parameters.of_notebook(read)
        except (NotebookError, ParameterError) as error:
            notes.append(f"{relative(ws, path)} is left out: {error}")
            continue
        steps[step] = _step(ws, path, read, notes)
    useful = {step: _useful(ws, step, steps) for step in steps}
    for step, spec in steps.items():
        notes += [f"{spec.notebook} reads {i}, and there is no such file" for i in spec.inputs if i not in useful[step]]
    steps = {step: replace(spec, inputs=useful[step]) for step, spec in steps.items()}
    made = {out: step for step, spec in steps.items() for out in spec.outputs}
    notes += [
        f"{spec.notebook} writes {out}, as {steps[made[out]].notebook} does: one step can be said to make it"
        for step, spec in steps.items()
        for out in spec.outputs
        if made[out] != step
    ]
    steps = {
        step: replace(spec, outputs=tuple(o for o in spec.outputs if made[o] == step)) for step, spec in steps.items()
    }
    shared = _shared(schemas, notes)
    pipeline = Pipeline(steps=steps, params=shared)
    try:
        order = graph.graph(pipeline, name).order
    except SettingsError as error:
        notes.append(str(error).removeprefix(f"{FILE}: "))
        order = tuple(steps)
    pipeline = replace(pipeline, steps={step: steps[step] for step in order})
    return Inferred(name=name, pipeline=pipeline, toml=_toml(name, pipeline, notes), notes=tuple(notes))


def write(ws: Workspace, proposed: Inferred) -> Path:
    """Add a proposal to the workspace's nbops.toml.

    Raises
    ------
    SettingsError
        If it has a pipeline of that name, or what came out couldn't be read again.
    """
    path = ws.root / FILE
    if proposed.name in ws.settings.pipelines:
        raise SettingsError(f"{path} has a pipeline {proposed.name!r} already; give another name with --name")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = before + ("\n" if before and not before.endswith("\n\n") else "") + proposed.toml
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: the proposal can't be added to it ({error}); it is left as it was") from None
    beside = path.with_name(f".{path.name}.nbops")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    return path


def _step(ws: Workspace, path: Path, read: files.Notebook, notes: list[str]) -> Step:
    said = touches(read)
    reads, writes, gives, databases = _seen(ws, path)
    folder = path.absolute().parent
    local = local_modules(read, folder, ws.root)
    if local and not (reads or writes or gives or databases):
        names = ", ".join(relative(ws, each) for each in local)
        notes.append(
            f"{relative(ws, path)} runs {names}: which files that touches is known when it has run once"
            f" ('nbops run {relative(ws, path)}'); then infer again"
        )
    databases |= {p: None for each in said.databases if (p := _from_root(ws, folder, each))}
    notes += [
        f"{relative(ws, path)} uses the database {d}: an input of it, if it only reads; say with needs who writes first"
        for d in databases
    ]
    reads |= {p: None for each in said.reads if (p := _from_root(ws, folder, each))}
    for each in said.writes:
        whole = _from_root(ws, folder, each)
        if whole and "*" in whole:
            if not any(fnmatchcase(one, whole) for one in writes):
                notes.append(f"{relative(ws, path)} writes {whole}, which depends on what it is run with")
        elif whole:
            writes[whole] = None
    gives |= dict.fromkeys(said.gives)
    inputs = [p for p in reads if p not in writes and not any(p != q and "*" in q and fnmatchcase(p, q) for q in reads)]
    return Step(
        notebook=relative(ws, path),
        inputs=(*_globbed(inputs), *said.takes),
        outputs=(*sorted(writes), *gives),
    )


def _seen(ws: Workspace, path: Path) -> tuple[dict[str, None], dict[str, None], dict[str, None], dict[str, None]]:
    """What the notebook's newest run with records read, wrote and handed on, below the root; and the databases it
    used, which may be read and written by several."""
    for run in runs.listed(ws.store, notebook=relative(ws, path), limit=10):
        uses = [use for record in records.of_run(ws.store, run.id) for use in record.files]
        gives = dict.fromkeys(handed_on(ws.store, run))
        if uses or gives:
            inside = [u for u in uses if not PurePosixPath(u.path).is_absolute() and "://" not in u.path]
            databases = dict.fromkeys(u.path for u in inside if u.reason == _DATABASE)
            writes = dict.fromkeys(
                u.path for u in inside if u.mode == "write" and u.path not in databases and (ws.root / u.path).is_file()
            )
            known = writes.keys() | databases.keys()
            reads = dict.fromkeys(u.path for u in inside if u.mode == "read" and u.path not in known)
            return reads, writes, gives, databases
    return {}, {}, {}, {}


def _useful(ws: Workspace, step: str, steps: dict[str, Step]) -> tuple[str, ...]:
    """The inputs that exist, or that another step makes."""
    outputs = [o for other, spec in steps.items() if other != step for o in spec.outputs]
    return tuple(
        i for i in steps[step].inputs if i in outputs or any(fnmatchcase(o, i) for o in outputs) or _there(ws, i)
    )


def _there(ws: Workspace, wanted: str) -> bool:
    return any(ws.root.glob(wanted)) if "*" in wanted else (ws.root / wanted).is_file()


def _from_root(ws: Workspace, folder: Path, path: str) -> str | None:
    """A path as the notebook writes it, seen from the root; None where it lies elsewhere."""
    place = Path(os.path.normpath(folder / path))
    try:
        return place.relative_to(ws.root.absolute()).as_posix()
    except ValueError:
        return None


def _globbed(paths: Iterable[str]) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        pure = PurePosixPath(path)
        groups.setdefault((pure.parent.as_posix(), pure.suffix), []).append(path)
    found = []
    for (parent, suffix), each in groups.items():
        many = len(each) >= MANY and suffix
        found += [str(PurePosixPath(parent) / f"*{suffix}")] if many else each
    return sorted(found)


def _shared(schemas: dict[str, tuple[parameters.Parameter, ...]], notes: list[str]) -> dict[str, Any]:
    """Parameters that several notebooks have with the same default: said once."""
    by_name: dict[str, list[parameters.Parameter]] = {}
    for schema in schemas.values():
        for parameter in schema:
            by_name.setdefault(parameter.name, []).append(parameter)
    found = {}
    for name, each in by_name.items():
        if all(p.required for p in each):
            notes.append(f"{name} must be given: -p {name}=…")
        elif len(each) > 1 and all(p.known and p.secret is None for p in each):
            defaults = [p.default for p in each]
            if all(d == defaults[0] for d in defaults) and defaults[0] is not None:
                found[name] = defaults[0]
            elif any(d != defaults[0] for d in defaults):
                notes.append(f"{name} has several defaults: {', '.join(repr(d) for d in defaults)}")
    return found


def _toml(name: str, pipeline: Pipeline, notes: Iterable[str]) -> str:
    lines = [f"# proposed by 'nbops pipeline infer'{'; left open:' if notes else ''}"]
    lines += [f"# - {line}" for note in notes for line in note.splitlines()[:1]]
    lines.append(f"[pipelines.{name}]")
    if pipeline.params:
        lines.append(f"params = {_value(dict(pipeline.params))}")
    for step, spec in pipeline.steps.items():
        lines += ["", f"[pipelines.{name}.steps.{step}]", f"notebook = {_value(spec.notebook)}"]
        lines += [f"{key} = {_value(list(v))}" for key, v in (("inputs", spec.inputs), ("outputs", spec.outputs)) if v]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    """A bare key of TOML."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in text) or "main"
