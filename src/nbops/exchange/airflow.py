"""A pipeline as a DAG file for Airflow 3: a task for each step, which calls the ``nbops`` of the project's own
environment, so that Airflow's needs none. The tasks of one DAG run are one run of the pipeline
(:mod:`nbops.pipeline.joined`). The file is for a person to read and to change.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nbops import __version__
from nbops.core.automation import Schedule
from nbops.core.errors import UsageError
from nbops.core.redaction import redact_text
from nbops.exchange.caller import program, variables
from nbops.exchange.orchestrated import Taken, Told, cron_line, unique
from nbops.notebook.kinds import Kind
from nbops.workspace import Workspace

WIDTH = 110
SKIPPED = 99
"""The exit code that Airflow's BashOperator takes for a skip."""

_TYPES = {
    "int": "integer", "float": "number", "bool": "boolean", "str": "string", "date": "string", "datetime": "string",
    "list": "array", "dict": "object", "None": "null",
}  # fmt: skip
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\.(sh|bash)$")

_FILE = '''\
"""The nbops pipeline {name} as a DAG, written by 'nbops export airflow' (nbops {version}). Change it as you like.

Each task runs one step with the nbops of the project's own environment; Airflow needs none. The tasks of a DAG run are
one run of the pipeline: 'nbops pipeline status' shows it.{notes}
"""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

NBOPS = {program}
PROJECT = {project}
PIPELINE = {pipeline}
STORE = {store}  # which store, where that isn't the project's own


def given(params):
    """What the steps are given. A parameter that is null is left to the notebooks and nbops.toml."""
    return json.dumps({{name: value for name, value in params.items() if value is not None}})


def step(name, after=(), task_id=None, **how):
    """The task for a step, after those it needs. It ends with {skipped} where the step was skipped."""
    command = [NBOPS, "pipeline", "run", PIPELINE, "--only", name, "--skip-exit-code", "{skipped}"]
    tasks[name] = BashOperator(
        task_id=task_id or name,
        bash_command=shlex.join(command) + ' --run "$RUN_KEY" --params-json "$RUN_PARAMS"',
        cwd=PROJECT,
        env={{**STORE, "RUN_KEY": "{{{{ dag.dag_id }}}} {{{{ run_id }}}}", "RUN_PARAMS": "{{{{ given(params) }}}}"}},
        append_env=True,
        skip_on_exit_code={skipped},
        **how,
    )
    for needed in after:
        tasks[needed] >> tasks[name]
    return tasks[name]


tasks = {{}}
with DAG(
{dag}):
{steps}'''


def dag(
    ws: Workspace, exported: Told, dag_id: str | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[str, list[str]]:
    """The DAG's file, and what its reader should know of what isn't in it.

    Raises
    ------
    UsageError
        If a name or path can't stand in such a file.
    """
    for what, word in (
        ("the folder", str(ws.root)),
        ("the pipeline", exported.name),
        *(("the step", step) for step in exported.pipeline.steps),
        *variables(environ),
    ):
        if _TEMPLATE.search(word) or word.startswith("-") or not word.isprintable():
            raise UsageError(
                f"{what} {word!r}: Airflow or nbops would read it as something else (a template, an option)"
            )
    if dag_id is not None and not re.fullmatch(r"[\w.-]{1,250}", dag_id):
        raise UsageError(f"{dag_id!r} is no DAG id: letters, digits, '_', '-' and '.', at most 250")
    secret = [name for name, value in variables(environ) if redact_text(value) != value]
    notes = list(_notes(exported, secret))
    text = _FILE.format(
        name=_prose(repr(exported.name)),
        version=__version__,
        notes=_prose("\n" * bool(notes) + "".join(f"\n* {note}" for note in notes)),
        program=_literal(program()),
        project=_literal(str(ws.root)),
        pipeline=_literal(exported.name),
        store=_literal({name: value for name, value in variables(environ) if name not in secret}),
        skipped=SKIPPED,
        dag="".join(f"    {line},\n" for line in _dag(ws, exported, dag_id or _key(exported.name))),
        steps="".join(f"    {line}\n" for line in _steps(exported)),
    )
    return text, notes


def _notes(exported: Told, secret: list[str]) -> Iterator[str]:
    envs = sorted({env for envs in exported.secrets.values() for env in envs})
    if envs or secret:
        yield f"set in the environment of Airflow's workers, as they are secret: {', '.join([*envs, *secret])}"
    if (exported.pipeline.jobs or 1) > 1:
        for limit, slots in exported.pipeline.limits.items():
            yield f"make the pool of the limit {limit!r}: airflow pools set {_pool(exported, limit)} {slots} nbops"
    when = exported.schedule
    left_out = list(exported.left_out)
    if when is not None and when.missed == "skip" and when.cron is not None:
        left_out.append("missed = 'skip': Airflow makes up for missed times by one run")
    if when is not None and when.overlap == "cancel-old":
        left_out.append("overlap = 'cancel-old': the next run waits")
    if left_out:
        yield f"not carried over: {'; '.join(left_out)}"


def _dag(ws: Workspace, exported: Told, dag_id: str) -> Iterator[str]:
    when = exported.schedule
    today = ws.clock.now()
    yield f"dag_id={_literal(dag_id)}"
    yield f"description={_literal(f'The nbops pipeline {exported.name}')}"
    yield f"schedule={_schedule(when)}"
    tz = when.tz if when is not None and when.cron is not None else "UTC"
    yield f"start_date=pendulum.datetime({today.year}, {today.month}, {today.day}, tz={_literal(tz)})"
    yield f"catchup={when is not None and when.missed == 'all'}"
    yield "max_active_runs=1"
    yield f"max_active_tasks={exported.pipeline.jobs or 1}"
    if when is not None and when.timeout_s is not None:
        yield f"dagrun_timeout={_seconds(when.timeout_s)}"
    if exported.params:
        params = "".join(f"        {_literal(p.name)}: {_param(p)},\n" for p in exported.params)
        yield f"params={{\n{params}    }}"
    yield 'user_defined_macros={"given": given}'
    yield 'tags=["nbops"]'


def _schedule(when: Schedule | None) -> str:
    if when is None:
        return "None"
    return _literal(cron_line(when.cron)) if when.cron is not None else _seconds(when.every_s)


def _steps(exported: Told) -> Iterator[str]:
    ids = unique({step: _key(step) for step in exported.pipeline.steps})
    for step, needs in exported.steps.items():
        yield _call(exported, step, needs, ids[step])
    if exported.last is not None:
        yield "# after all the others, whatever became of them; nbops skips it where none has failed"
        yield f"{_call(exported, exported.last, tuple(exported.steps), ids[exported.last])}.as_teardown()"


def _call(exported: Told, step: str, needs: tuple[str, ...], task_id: str) -> str:
    words = [_literal(step)]
    if needs:
        words.append(f"after={_literal(list(needs))}")
    words += _how(exported, step, task_id)
    line = f"step({', '.join(words)})"
    return line if len(line) <= WIDTH else "step(\n" + "".join(f"        {word},\n" for word in words) + "    )"


def _how(exported: Told, step: str, task_id: str) -> Iterator[str]:
    spec = exported.spec(step)
    if task_id != step:
        yield f"task_id={_literal(task_id)}"
    retries, wait_s = exported.tries_again(step)
    if retries:
        yield f"retries={retries}"
        yield f"retry_delay={_seconds(wait_s)}"
        yield "retry_exponential_backoff=2"
    timeout_s = exported.timeout_s(step)
    if timeout_s is not None:
        yield f"execution_timeout={_seconds(timeout_s)}"
    if spec.after_skip:
        yield 'trigger_rule="none_failed"'
    if spec.uses and (exported.pipeline.jobs or 1) > 1:
        yield f"pool={_literal(_pool(exported, spec.uses[0]))}"


def _pool(exported: Told, limit: str) -> str:
    return _key(f"{exported.name}-{limit}")


def _param(p: Taken) -> str:
    schema = _schema(p.kind)
    if not p.known and not p.required:  # null: nobody says anything
        types = schema.pop("type", None)
        if types is not None:
            schema["type"] = list(dict.fromkeys(["null", *([types] if isinstance(types, str) else types)]))
        if "enum" in schema:
            schema["enum"] = [None, *schema["enum"]]
    words = [] if p.required and not p.known else [_literal(p.default)]
    words += [f"{key}={_literal(value)}" for key, value in schema.items()]
    if p.help:
        words.append(f"description={_literal(p.help)}")
    return f"Param({', '.join(words)})"


def _schema(kind: Kind) -> dict[str, Any]:
    """As JSON Schema has it; what it can't say, nbops checks."""
    if kind.base == "union":
        types = [_TYPES[part.base] for part in kind.parts if part.base in _TYPES]
        schema: dict[str, Any] = {"type": types} if len(types) == len(kind.parts) else {}
    else:
        schema = {"type": _TYPES[kind.base]} if kind.base in _TYPES else {}
    if kind.base == "date":
        schema["format"] = "date"
    if kind.base in ("int", "float"):
        schema |= {_BOUNDS[name]: limit for name, limit in kind.bounds}
    if kind.choices:
        schema["enum"] = list(kind.choices)
    return schema


def _key(name: str) -> str:
    """As Airflow wants ids: letters, digits, ``_``, ``-``, ``.``."""
    return re.sub(r"[^\w.-]+", "_", name)[:200] or "_"


def _literal(value: Any) -> str:
    """As Python writes it, with double quotes."""
    if isinstance(value, str):
        return json.dumps(value) if '"' not in value and value.isprintable() and value.isascii() else repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(item)}' for key, item in value.items())}}}"
    return repr(value)


def _seconds(seconds: float | None) -> str:
    seconds = seconds or 0.0
    return f"timedelta(seconds={int(seconds) if seconds == int(seconds) else seconds})"


def _prose(text: str) -> str:
    """For the docstring."""
    return text.replace("\\", "/").replace('"', "'")
