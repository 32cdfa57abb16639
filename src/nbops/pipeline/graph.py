"""The steps of a pipeline, in an order in which each comes after what it needs.

A step needs what it says (`needs`), and every step that makes one of its inputs: an input and an output meet when
they are the same text, or when the input is a glob that the output matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from nbops.core.errors import NotebookError, SettingsError, UnknownNameError, suggestion
from nbops.settings import FILE, Pipeline, Settings, Step


def chosen(settings: Settings, name: str | None) -> tuple[str, Pipeline]:
    """The pipeline of that name; the only one, if no name is given.

    Raises
    ------
    SettingsError, UnknownNameError
    """
    known = settings.pipelines
    if name is None:
        if not known:
            raise SettingsError(f"{FILE} names no pipeline; write one as [pipelines.NAME.steps.STEP] notebook = …")
        if len(known) > 1:
            raise SettingsError(f"{FILE} names several pipelines ({', '.join(known)}); say which one")
        name = next(iter(known))
    if name not in known:
        raise UnknownNameError("pipeline", name, known, hint=f"pipelines are named in {FILE}")
    return name, known[name]


def order(pipeline: Pipeline, name: str = "") -> list[str]:
    """The steps in the order they run: each after those it needs, otherwise as they are written.

    Raises
    ------
    SettingsError
        If a step needs one that isn't there, or the steps go round in a circle (the circle is named).
    """
    steps = pipeline.steps
    if not steps:
        raise SettingsError(f"{FILE}: the pipeline {name!r} has no steps")
    needed = needs(pipeline, name)
    done: list[str] = []

    def visit(step: str, path: tuple[str, ...]) -> None:
        if step in path:
            circle = (*path[path.index(step) :], step)
            raise SettingsError(
                f"{FILE}: the steps of the pipeline {name!r} go round in a circle: {' needs '.join(circle)};"
                " one of them must do without"
            )
        if step not in done:
            for before in needed[step]:
                visit(before, (*path, step))
            done.append(step)

    for step in steps:
        visit(step, ())
    return done


def needs(pipeline: Pipeline, name: str = "") -> dict[str, tuple[str, ...]]:
    """{step: the steps it directly needs}.

    Raises
    ------
    SettingsError
        If a step says that it needs one that isn't there.
    """
    return {step: _needs(step, pipeline.steps, name) for step in pipeline.steps}


def before(pipeline: Pipeline, step: str) -> list[str]:
    """Every step that must have run before `step`, in order."""
    needed = needs(pipeline)
    found: set[str] = set()
    todo = [step]
    while todo:
        for one in needed[todo.pop()]:
            if one not in found:
                found.add(one)
                todo.append(one)
    return [one for one in order(pipeline) if one in found]


def notebooks(pipeline: Pipeline, root: Path) -> dict[str, Path]:
    """The notebook of every step.

    Raises
    ------
    NotebookError
        If one isn't there.
    """
    found = {step: root / spec.notebook for step, spec in pipeline.steps.items()}
    for step, path in found.items():
        if not path.is_file():
            near = [p.relative_to(root).as_posix() for p in path.parent.glob("*.ipynb")] if path.parent.is_dir() else []
            raise NotebookError(
                f"{FILE}: step {step!r}: there is no notebook {pipeline.steps[step].notebook!r} in {root}"
                f"{suggestion(pipeline.steps[step].notebook, near)}"
            )
    return found


def made_by(pipeline: Pipeline, wanted: str) -> list[str]:
    """The steps that declare an output that the input `wanted` names or matches."""
    return [s for s, spec in pipeline.steps.items() if any(_meets(wanted, made) for made in spec.outputs)]


def _needs(step: str, steps: Mapping[str, Step], name: str) -> tuple[str, ...]:
    for needed in steps[step].needs:
        if needed not in steps:
            raise SettingsError(
                f"{FILE}: step {step!r} of the pipeline {name!r} needs {needed!r}, which is no step of it"
                f"{suggestion(needed, steps)}"
            )
    found = dict.fromkeys(steps[step].needs)
    for wanted in steps[step].inputs:
        for maker, spec in steps.items():
            if maker != step and any(_meets(wanted, made) for made in spec.outputs):
                found[maker] = None
    return tuple(found)


def _meets(wanted: str, made: str) -> bool:
    """Is the output `made` what the input `wanted` names or matches, as a glob does, part by part?"""
    a, b = PurePosixPath(wanted).parts, PurePosixPath(made).parts
    if "**" in a:
        return fnmatchcase("/".join(b), "/".join(a).replace("**/", "*"))
    return len(a) == len(b) and all(fnmatchcase(there, here) for here, there in zip(a, b, strict=True))
