"""The steps of a pipeline, in an order in which each comes after what it needs.

A step needs what it says (`needs`), and every step that makes one of its inputs: an input and an output meet when
they are the same text, or when the input is a glob that the output matches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from nbops.core.errors import NotebookError, SettingsError, UnknownNameError, suggestion
from nbops.pipeline import conditions
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


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The steps of a pipeline in the order they run (each after those it needs, otherwise as they are written), and
    what each directly needs. The step for failures isn't among them."""

    order: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]]
    before: Mapping[str, frozenset[str]]  # every step that must have run before, however far up
    made: frozenset[tuple[str, str]]  # (step, input of it that another step makes)

    def earlier(self, step: str) -> list[str]:
        """Every step that must have run before `step`, in order."""
        if len(self.before[step]) < 2:
            return list(self.before[step])
        return [one for one in self.order if one in self.before[step]]


def graph(pipeline: Pipeline, name: str = "") -> Graph:
    """The graph of a pipeline.

    Raises
    ------
    SettingsError
        If it has no steps, a step needs one that isn't there, two (or all of a `foreach`) make the same output, or the
        steps go round in a circle (the circle is named).
    """
    if not pipeline.steps:
        raise SettingsError(f"{FILE}: the pipeline {name!r} has no steps")
    steps = {step: spec for step, spec in pipeline.steps.items() if step != pipeline.on_failure}
    _check(pipeline, steps, name)
    makers = _makers(steps)
    needed, made = {}, set()
    for step in steps:
        needed[step], fed = _needs(step, steps, makers, name)
        made |= {(step, wanted) for wanted in fed}
    done: dict[str, frozenset[str]] = {}
    for first in steps:
        path, left = [first], [iter(needed[first])]  # by hand: a chain of steps may be longer than Python's stack
        while path:
            following = next(left[-1], None)
            if following is None:
                step = path.pop()
                left.pop()
                if step not in done:
                    done[step] = frozenset(needed[step]).union(*(done[n] for n in needed[step]))
            elif following in path:
                circle = (*path[path.index(following) :], following)
                raise SettingsError(
                    f"{FILE}: the steps of the pipeline {name!r} go round in a circle: {' needs '.join(circle)};"
                    " one of them must do without"
                )
            elif following not in done:
                path.append(following)
                left.append(iter(needed[following]))
    return Graph(order=tuple(done), needs=needed, before=done, made=frozenset(made))


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


def edges(pipeline: Pipeline, found: Graph) -> list[tuple[str, str, str]]:
    """(from, to, why) of every need: the inputs that one step makes for another, "needs" where it is only said."""
    drawn = []
    for step, needed in found.needs.items():
        for maker in needed:
            made = pipeline.steps[maker].outputs
            fed = [w for w in pipeline.steps[step].inputs if any(_meets(w, one) for one in made)]
            drawn.append((maker, step, ", ".join(fed) or "needs"))
    return drawn


def _check(pipeline: Pipeline, steps: Mapping[str, Step], name: str) -> None:
    where = f"{FILE}: the pipeline {name!r}"
    if pipeline.on_failure is not None and pipeline.on_failure not in pipeline.steps:
        raise SettingsError(
            f"{where}: on_failure = {pipeline.on_failure!r} is no step of it"
            f"{suggestion(pipeline.on_failure, pipeline.steps)}"
        )
    if pipeline.engine not in ("local", "dask"):
        near = suggestion(pipeline.engine, ("local", "dask"))
        raise SettingsError(f"{where}: engine = {pipeline.engine!r} is neither 'local' nor 'dask'{near}")
    if pipeline.jobs is not None and pipeline.jobs < 1:
        raise SettingsError(f"{where}: jobs = {pipeline.jobs}: at least one step runs at a time")
    made: dict[str, str] = {}
    for step, spec in steps.items():
        if spec.retries < 0 or spec.retry_wait_s < 0:
            raise SettingsError(f"{where}: step {step!r}: retries and retry_wait_s can't be negative")
        if spec.when is not None:
            try:
                conditions.names(spec.when)
            except SettingsError as error:
                raise SettingsError(f"{where}: step {step!r}: {error}") from None
        for key, limit in (("timeout_s", spec.timeout_s), ("cell_timeout_s", spec.cell_timeout_s)):
            if limit is not None and not limit > 0:
                raise SettingsError(f"{where}: step {step!r}: {key} = {limit:g}: it is more than 0, or left out")
        for used in spec.uses:
            if pipeline.limits.get(used, 0) < 1:
                raise SettingsError(
                    f"{where}: step {step!r} uses {used!r}; say how many may at once: limits = {{ {used} = 1 }}"
                )
        for output in spec.outputs:
            if made.setdefault(output, step) != step:
                raise SettingsError(f"{where}: the steps {made[output]!r} and {step!r} both make the output {output!r}")
            if spec.foreach and names_a_file(output) and not any("{" + key + "}" in output for key in spec.foreach):
                path = PurePosixPath(output)
                other = path.with_name(f"{path.stem}-{{{next(iter(spec.foreach))}}}{path.suffix}")
                raise SettingsError(
                    f"{where}: every execution of the step {step!r} makes the same file {output!r}; have the value in"
                    f" its name: {str(other)!r}"
                )


def names_a_file(output: str) -> bool:
    """Whether an output is a file's path, as far as its text tells; else it is the name of something handed on, of
    which those who go over several values make a list."""
    return "/" in output or PurePosixPath(output).suffix != ""


def _makers(steps: Mapping[str, Step]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Who makes what: outputs that are one name each, and those that are patterns (``out/{month}.csv``)."""
    plain: dict[str, str] = {}
    patterns = []
    for step, spec in steps.items():
        for made in spec.outputs:
            if "{" in made:
                patterns.append((made, step))
            else:
                plain[PurePosixPath(made).as_posix()] = step
    return plain, patterns


def _needs(
    step: str, steps: Mapping[str, Step], makers: tuple[dict[str, str], list[tuple[str, str]]], name: str
) -> tuple[tuple[str, ...], list[str]]:
    """The steps that one needs, and those of its inputs that they make."""
    for needed in steps[step].needs:
        if needed not in steps:
            raise SettingsError(
                f"{FILE}: step {step!r} of the pipeline {name!r} needs {needed!r}, which is no step of it"
                f"{suggestion(needed, steps)}"
            )
    found = dict.fromkeys(steps[step].needs)
    plain, patterns = makers
    fed = []
    sources = [
        source.removeprefix("inputs.")
        for source in steps[step].foreach.values()
        if isinstance(source, str) and not source.startswith("params.")
    ]
    for wanted in (*steps[step].inputs, *sources):
        if any(mark in wanted for mark in "*?[{"):
            met = [maker for made, maker in (*plain.items(), *patterns) if _meets(wanted, made)]
        else:
            exact = plain.get(PurePosixPath(wanted).as_posix())
            met = [exact] if exact else [maker for made, maker in patterns if _meets(wanted, made)]
        others = dict.fromkeys(maker for maker in met if maker != step)
        found |= others
        fed += [wanted] if others else []
    return tuple(found), fed


def _meets(wanted: str, made: str) -> bool:
    """Is the output `made` what the input `wanted` names or matches, as a glob does, part by part? What stands in
    braces is any text, on either side."""
    wanted, made = _BRACES.sub("*", wanted), _BRACES.sub("*", made)
    a, b = PurePosixPath(wanted).parts, PurePosixPath(made).parts
    if "**" in a:
        return fnmatchcase("/".join(b), "/".join(a).replace("**/", "*"))
    return len(a) == len(b) and all(
        fnmatchcase(there, here) or ("*" in there and fnmatchcase(here, there))
        for here, there in zip(a, b, strict=True)
    )


_BRACES = re.compile(r"\{\w+\}")
