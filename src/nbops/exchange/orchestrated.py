"""What another orchestrator is told of a pipeline: its steps, the parameters it takes, and when it runs. Whatever can't
be told as it is meant is refused, or named in `left_out`; a secret is never among it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbops.automation.schedules import make
from nbops.core.automation import Schedule
from nbops.core.errors import ParameterError, UnknownNameError, UsageError, suggestion
from nbops.core.redaction import redact
from nbops.notebook import files, parameters
from nbops.notebook.kinds import ANY, Kind, Mismatch, convert, inferred
from nbops.notebook.parameters import Parameter
from nbops.pipeline import graph
from nbops.pipeline.conditions import names
from nbops.pipeline.description import said
from nbops.settings import FILE, Pipeline, Step
from nbops.store import schedules
from nbops.workspace import Workspace

GRACE_S = 120
"""Seconds on top of a step's `timeout_s`, which is about its cells: a kernel starts and ends, too. nbops stops the step
first, then, and says so in its run."""

TOLD = ("failed", "error")
"""Parameters that the step for failures is given by the pipeline itself."""

_PRESETS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A parameter of the pipeline. `default` is what it has where nobody says otherwise, if `known`: not where steps
    differ in it, or only execution can tell; then it is told only if somebody gives it a value."""

    name: str
    kind: Kind
    help: str = ""
    default: Any = None
    known: bool = False
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Told:
    """`steps` are in order, each with what it directly needs, `last` is the step for failures; `secrets` are the
    environment variables that each step's notebook takes secrets from."""

    name: str
    pipeline: Pipeline
    steps: Mapping[str, tuple[str, ...]]
    last: str | None
    params: tuple[Taken, ...]
    secrets: Mapping[str, tuple[str, ...]]
    schedule: Schedule | None = None
    left_out: tuple[str, ...] = field(default=())

    def spec(self, step: str) -> Step:
        return self.pipeline.steps[step]

    def tries_again(self, step: str) -> tuple[int, float]:
        """How often, and after how many seconds at first: as the step says, else as the schedule does."""
        spec = self.spec(step)
        if spec.retries or self.schedule is None:
            return spec.retries, spec.retry_wait_s
        return self.schedule.retries, self.schedule.backoff_s

    def timeout_s(self, step: str) -> int | None:
        """When the orchestrator should give a step up; None where only nbops can tell (`foreach`: each for itself)."""
        spec = self.spec(step)
        return None if spec.timeout_s is None or spec.foreach else int(spec.timeout_s) + GRACE_S


def told(ws: Workspace, name: str | None, schedule: str | None = None) -> Told:
    """A pipeline that nbops.toml names, with the schedule of that name, or the one that runs it at times.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError
    UsageError
        If the schedule runs something else, or not at times; or if several run the pipeline.
    """
    name, pipeline = graph.chosen(ws.settings, name)
    found = graph.graph(pipeline, name)
    notebooks = graph.notebooks(pipeline, ws.root)
    schemas = {step: parameters.of_notebook(files.read(path)) for step, path in notebooks.items()}
    when = _schedule(ws, name, schedule)
    left_out = list(_left_out(when)) if when else []
    params = []
    for taken in _taken(pipeline, schemas):
        if when is not None and taken.name in when.params:
            value = _fitting(taken, when.params[taken.name], f"schedule {when.name!r}")
            taken = dataclasses.replace(taken, default=value, known=True, required=False)
        if taken.known and redact({taken.name: taken.default}) != {taken.name: taken.default}:
            left_out.append(f"the value of {taken.name}: it looks like a secret")
            taken = dataclasses.replace(taken, default=None, known=False)
        params.append(taken)
    if when is not None:
        _all_said(when, params, name)
    return Told(
        name=name,
        pipeline=pipeline,
        steps={step: found.needs[step] for step in found.order},
        last=pipeline.on_failure,
        params=tuple(params),
        secrets={s: tuple(p.secret.env for p in schema if p.secret is not None) for s, schema in schemas.items()},
        schedule=when,
        left_out=tuple(left_out),
    )


def cron_line(line: str) -> str:
    """A cron line of five fields."""
    return _PRESETS.get(line, line)


def jsonable(value: Any) -> bool:
    """Can JSON carry it as it is? Not NaN, nor infinities."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def unique(wanted: Mapping[str, str], taken: tuple[str, ...] = ()) -> dict[str, str]:
    """{ours: theirs} of names that had to be changed, told apart by a number where two became one."""
    found: dict[str, str] = {}
    used = set(taken)
    for ours, theirs in wanted.items():
        name, number = theirs, 2
        while name in used:
            name, number = f"{theirs}-{number}", number + 1
        used.add(name)
        found[ours] = name
    return found


def _taken(pipeline: Pipeline, schemas: Mapping[str, tuple[Parameter, ...]]) -> Iterator[Taken]:
    """Each parameter once."""
    found: dict[str, list[Taken]] = {}
    for step, schema in schemas.items():
        for p in schema:
            given = p.name in pipeline.steps[step].foreach or (step == pipeline.on_failure and p.name in TOLD)
            if not given and p.secret is None:
                found.setdefault(p.name, []).append(_of_step(pipeline, step, p))
    asked = {
        name
        for spec in pipeline.steps.values()
        for name in (
            *(name for root, name in names(spec.when or "True") if root == "params"),
            *(s.removeprefix("params.") for s in spec.foreach.values() if str(s).startswith("params.")),
        )
    }
    for name in sorted(asked - found.keys()):
        value = pipeline.params.get(name)
        said_there = name in pipeline.params
        known = said_there and jsonable(value)
        found[name] = [Taken(name=name, kind=inferred(value), default=value, known=known, required=not said_there)]
    everywhere = {p.name for schema in schemas.values() for p in schema} | asked
    for name in pipeline.params:
        if name not in everywhere:
            raise ParameterError(
                f"{FILE}: no step of the pipeline has a parameter {name!r}{suggestion(name, everywhere)}"
            )
    for name, each in found.items():
        first = each[0]
        agreed = all(
            one.known and type(one.default) is type(first.default) and one.default == first.default for one in each
        )
        yield Taken(
            name=name,
            kind=_kind([one.kind for one in each]),
            help=next((one.help for one in each if one.help), ""),
            default=first.default if agreed else None,
            known=agreed,
            required=any(one.required for one in each),
        )


def _kind(kinds: list[Kind]) -> Kind:
    """That of a parameter of several notebooks: what one leaves unsaid another may say, nbops checks them all."""
    if any(kind.base != kinds[0].base for kind in kinds):
        return ANY
    return next((kind for kind in kinds if kind.choices or kind.bounds), kinds[0])


def _of_step(pipeline: Pipeline, step: str, p: Parameter) -> Taken:
    taken = Taken(name=p.name, kind=p.kind, help=p.help, required=p.required)
    written = said(pipeline, step, p.name)
    if written:
        value = _fitting(taken, written[0], f"{FILE}: step {step!r}")
        return dataclasses.replace(taken, default=value, known=jsonable(value), required=False)
    try:  # the notebook's own default may be none that it would take from outside
        known = p.known and jsonable(p.default) and convert(p.kind, p.default) == p.default
    except Mismatch:
        known = False
    return dataclasses.replace(taken, default=p.default if known else None, known=known)


def _fitting(taken: Taken, value: Any, where: str) -> Any:
    try:
        return convert(taken.kind, value)
    except Mismatch as mismatch:
        raise ParameterError(f"{where}: parameter {taken.name!r} must be {mismatch.asked}, not {value!r}") from None


def _schedule(ws: Workspace, name: str, asked: str | None) -> Schedule | None:
    described = ws.settings.schedules
    if asked is None:
        at_times = [s for s, w in described.items() if w.pipeline == name and (w.cron or w.every)]
        if len(at_times) > 1:
            raise UsageError(
                f"several schedules run the pipeline {name!r} ({', '.join(at_times)}); say which one: --schedule NAME"
            )
        if not at_times:
            return None
        asked = at_times[0]
    if asked in described:
        found = make(ws, asked, dataclasses.replace(described[asked], pin=False), origin=FILE)
        if described[asked].pin:
            found = dataclasses.replace(found, pinned={"": ""})
    else:
        kept = schedules.find(ws.store, asked)
        if kept is None:
            known = {*described, *(s.name for s in schedules.listed(ws.store))}
            raise UnknownNameError("schedule", asked, known)
        found = kept
    if found.pipeline != name:
        raise UsageError(f"the schedule {asked!r} runs the {found.target}, not the pipeline {name!r}")
    if found.kind not in ("cron", "every"):
        raise UsageError(
            f"the schedule {asked!r} waits for {found.kind} ({found.expression}), which only nbops sees: leave it to"
            " 'nbops worker', or export the pipeline without it"
        )
    return found


def _left_out(when: Schedule) -> Iterator[str]:
    if when.pinned:
        yield "pin: the notebooks run as they are on disk"
    if when.keep is not None:
        yield "keep: executed notebooks stay"
    for what, targets in (("on_failure", when.on_failure), ("on_success", when.on_success)):
        if targets:
            yield f"{what}: who is told of it"


def _all_said(when: Schedule, params: list[Taken], name: str) -> None:
    known = {one.name for one in params}
    for given in when.params:
        if given not in known:
            raise ParameterError(
                f"schedule {when.name!r}: no step of the pipeline {name!r} has a parameter {given!r}"
                f"{suggestion(given, known)}"
            )
    missing = [one.name for one in params if one.required]
    if missing:
        raise ParameterError(
            f"the pipeline {name!r} needs a value for {', '.join(repr(one) for one in missing)}, and the schedule"
            f" {when.name!r} gives none: say it in its params"
        )
