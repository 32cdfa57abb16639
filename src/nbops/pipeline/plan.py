"""What a pipeline's run will do, step by step, with all that can be checked beforehand checked.

A step with `foreach` is one step of the graph and several executions: which ones may only be known when the steps
before it have ended, so it is unfolded then (:func:`unfolded`).
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.core.errors import InputDataError, ParameterError, SettingsError, UnknownNameError, suggestion
from nbops.notebook import files, parameters
from nbops.notebook.kinds import Kind, Mismatch, convert
from nbops.pipeline import conditions, graph
from nbops.pipeline.cache import freshness
from nbops.pipeline.execute import checked_params
from nbops.settings import FILE, Pipeline, Step
from nbops.workspace import Workspace, relative

LABEL = 60


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step that may run. `params` are those it gets in any case, `everywhere` what its condition may ask for."""

    spec: Step
    notebook: Path
    params: Mapping[str, Any]
    everywhere: Mapping[str, Any]
    left: bool = False  # before `from_step`: its last run is taken as it is
    first: bool = False  # is `from_step`


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One execution of a step's notebook. `name` is the step's, with the values of its `foreach`; what stands in
    braces in inputs and outputs is filled in."""

    step: str
    name: str
    spec: Step
    notebook: Path
    params: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    graph: graph.Graph
    steps: Mapping[str, Planned]
    limits: Mapping[str, int]
    on_failure: Planned | None = None
    on_failure_name: str = ""


def plan(
    ws: Workspace,
    name: str,
    pipeline: Pipeline,
    given: Mapping[str, Any],
    from_step: str | None = None,
    only: str | None = None,
    *,
    secrets: bool = True,
) -> Plan:
    """Every step in order. With `only`, what is done here is that step: the secrets of the others needn't be here. No
    `secrets` are, where others execute the steps.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError, InputDataError
    """
    found = graph.graph(pipeline, name)
    notebooks = graph.notebooks(pipeline, ws.root)
    for asked, there in ((from_step, found.order), (only, pipeline.steps)):
        if asked is not None and asked not in there:
            raise UnknownNameError(f"step of the pipeline {name!r} called", asked, there)
    steps: dict[str, Planned] = {}
    for step, (schema, checked) in checked_given(notebooks, name, pipeline, given).items():
        spec = pipeline.steps[step]
        where = f"the notebook {str(notebooks[step])!r}"
        if secrets and only in (None, step):
            parameters.find_secrets(schema, where)
        steps[step] = Planned(
            spec=spec,
            notebook=notebooks[step],
            params=checked,
            everywhere={**pipeline.params, **given, **parameters.values(schema, checked, where)},
            left=from_step is not None and step in found.before and _before(found, step, from_step),
            first=step == from_step,
        )
        _check(ws, found, step, steps[step])
    return Plan(
        graph=found,
        steps={step: steps[step] for step in found.order},
        limits=pipeline.limits,
        on_failure=steps[pipeline.on_failure] if pipeline.on_failure else None,
        on_failure_name=pipeline.on_failure or "",
    )


def checked_given(
    notebooks: Mapping[str, Path], name: str, pipeline: Pipeline, given: Mapping[str, Any]
) -> dict[str, tuple[list[parameters.Parameter], dict[str, Any]]]:
    """Of every step, the parameters that aren't its `foreach`'s and the values they get when the pipeline is `given`
    these. Nothing else of the pipeline is looked at: whoever asks may be on another machine than will run it.

    Raises
    ------
    ParameterError
        For a parameter that no step has, one that must be given and isn't, a value that its notebook doesn't take.
    """
    known = {
        step: parameters.accepted(files.read(notebook), (*pipeline.steps[step].params, *pipeline.steps[step].foreach))
        for step, notebook in notebooks.items()
    }
    everywhere = {p.name for schema in known.values() for p in schema} | _asked(pipeline)
    for key in (*pipeline.params, *given):
        if key not in everywhere:
            raise ParameterError(
                f"no step of the pipeline {name!r} has a parameter {key!r}{suggestion(key, everywhere)}"
            )
    found = {}
    for step, spec in pipeline.steps.items():
        mine = {p.name for p in known[step]}
        wanted = {k: v for k, v in pipeline.params.items() if k in mine} | dict(spec.params)
        wanted |= {k: v for k, v in given.items() if k in mine}
        where = f"the notebook {str(notebooks[step])!r}"
        for key in spec.foreach:
            if key not in mine:
                raise ParameterError(
                    f"{FILE}: step {step!r}: foreach: {where} has no parameter {key!r}{suggestion(key, mine)}"
                )
            wanted.pop(key, None)
        rest = [p for p in known[step] if p.name not in spec.foreach]
        found[step] = (rest, parameters.coerce(rest, wanted, where))
    return found


def unfolded(ws: Workspace, step: str, planned: Planned, handovers: Mapping[str, Any]) -> list[Instance]:
    """The executions of a step: one, or one for each value of its `foreach`, in order.

    Parameters
    ----------
    handovers : mapping
        {name: value} of the handed-on lists that it asks for.

    Raises
    ------
    SettingsError, ParameterError
        For a source that is no list, values that the notebook doesn't take, two that would make one file.
    """
    spec = planned.spec
    if not spec.foreach:
        return [Instance(step=step, name=step, spec=spec, notebook=planned.notebook, params=planned.params)]
    found: dict[str, Instance] = {}
    made: dict[str, str] = {}
    choices = [_values(ws, step, key, source, planned, handovers) for key, source in spec.foreach.items()]
    for values in itertools.product(*choices):
        chosen = dict(zip(spec.foreach, values, strict=True))
        one = dataclasses.replace(
            spec,
            inputs=(*(_filled(i, chosen) for i in spec.inputs), *(v.label for v in values if v.is_file)),
            outputs=tuple(_filled(o, chosen) for o in spec.outputs),
        )
        given = {**planned.params, **{key: chosen[key].value for key in chosen}}
        name = f"{step}[{', '.join(value.label[:LABEL] for value in values)}]"
        for output in filter(graph.names_a_file, one.outputs):
            if made.setdefault(output, name) != name:
                raise SettingsError(
                    f"{FILE}: {made[output]} and {name} both make the output {output!r}; have {{NAME}} of every value"
                    " that tells them apart in it"
                )
        found[name] = Instance(
            step=step, name=name, spec=one, notebook=planned.notebook, params=checked_params(planned.notebook, given)
        )
    return list(found.values())


def input_files(ws: Workspace, wanted: str) -> dict[str, Path]:
    """The files an input names or matches: {path as recorded: file}, sorted."""
    path = Path(wanted).expanduser()
    base, pattern = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (ws.root, wanted)
    if not any(mark in pattern for mark in "*?["):
        return {relative(ws, base / pattern): base / pattern} if (base / pattern).is_file() else {}
    found = sorted(file for file in base.glob(pattern) if file.is_file())
    return {relative(ws, file): file for file in found}


def waits_for(source: Any) -> str | None:
    """The handed-on list that a `foreach` goes over; None where it goes over something else."""
    return source.removeprefix("inputs.") if isinstance(source, str) and source.startswith("inputs.") else None


@dataclass(frozen=True, kw_only=True)
class _Value:
    """One value of a `foreach`; `label` stands for it in names, and is the file's path where it is one."""

    value: Any
    label: str
    is_file: bool = False


def _filled(text: str, chosen: Mapping[str, _Value]) -> str:
    """``out/{month}.csv`` with the month in it; of a file, its name without the ending."""
    for key, value in chosen.items():
        text = text.replace("{" + key + "}", Path(value.label).stem if value.is_file else value.label)
    return text


def _values(
    ws: Workspace, step: str, key: str, source: Any, planned: Planned, handovers: Mapping[str, Any]
) -> list[_Value]:
    where = f"{FILE}: step {step!r}: foreach: {key} = {source!r}"
    if isinstance(source, str):
        if (handed := waits_for(source)) is not None:
            if handed not in handovers:
                raise SettingsError(f"{where}: no step before it hands on {handed!r}{suggestion(handed, handovers)}")
            source = handovers[handed]
        elif source.startswith("params."):
            asked = source.removeprefix("params.")
            if asked not in planned.everywhere:
                raise SettingsError(f"{where}: there is no parameter {asked!r}{suggestion(asked, planned.everywhere)}")
            try:
                source = convert(Kind(base="list", text="list"), planned.everywhere[asked])
            except Mismatch as mismatch:
                raise ParameterError(f"{where}: {asked!r} must be {mismatch.asked}") from None
        else:
            folder = planned.notebook.parent
            return [
                _Value(value=os.path.relpath(file, folder), label=path, is_file=True)
                for path, file in input_files(ws, source).items()
            ]
    if not isinstance(source, (list, tuple)):
        raise SettingsError(f"{where}: it must be a list, a glob, params.NAME or inputs.NAME, not {source!r}")
    return [_Value(value=value, label=str(value)) for value in source]


def _check(ws: Workspace, found: graph.Graph, step: str, planned: Planned) -> None:
    spec, where = planned.spec, f"{FILE}: step {step!r}"
    if isinstance(spec.cache, str):
        freshness(spec.cache, where)
    if spec.when is not None:
        for root, name in conditions.names(spec.when):
            if root == "params" and name not in planned.everywhere:
                near = suggestion(name, planned.everywhere)
                raise SettingsError(f"{where}: when = {spec.when!r}: there is no parameter {name!r}{near}")
    for made in spec.outputs:
        if "*" in made:
            raise SettingsError(
                f"{where}: the output {made!r} is a pattern, which nobody can look for; name each file, or leave it out"
                " and say with needs who comes after"
            )
    sources = [source for source in spec.foreach.values() if isinstance(source, str)]
    if not any(waits_for(source) or (step, source) in found.made for source in sources):
        unfolded(ws, step, planned, {})  # every value is one that the notebook takes
    for wanted in spec.inputs:
        known = (step, wanted) in found.made or spec.needs or spec.foreach
        if not known and not input_files(ws, wanted):
            raise InputDataError(f"step {step!r}: no file matches its input {wanted!r} in {ws.root}")


def _asked(pipeline: Pipeline) -> set[str]:
    """Parameters that no notebook need have: conditions and `foreach` ask for them."""
    found: set[str] = set()
    for spec in pipeline.steps.values():
        if spec.when is not None:
            found |= {name for root, name in conditions.names(spec.when) if root == "params"}
        found |= {
            s.removeprefix("params.") for s in spec.foreach.values() if isinstance(s, str) and s.startswith("params.")
        }
    return found


def _before(found: graph.Graph, step: str, from_step: str) -> bool:
    return found.order.index(step) < found.order.index(from_step)
