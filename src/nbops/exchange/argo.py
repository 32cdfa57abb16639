"""A pipeline as a WorkflowTemplate for Argo Workflows, with a CronWorkflow where it has a schedule. Each step is a
container of the project's image that calls nbops; the steps of one workflow are one run of the pipeline
(:mod:`nbops.pipeline.joined`), so they must see one store and one project folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbops import __version__
from nbops.core.automation import Schedule
from nbops.core.errors import UsageError
from nbops.exchange.orchestrated import Taken, Told, cron_line, unique
from nbops.notebook.kinds import Mismatch, convert

LONGEST = 52
"""Characters of a CronWorkflow's name: workflows and pods get theirs from it."""

MISSED_S = 7 * 86400
"""A missed time is made up for within a week."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_CRON = re.compile(r"[\d*/,\-?]+( [\d*/,\-?]+){2}( [\dA-Za-z*/,\-?]+){2}")
_VARIABLES = ("NBOPS_STORE", "PGPASSWORD")
_POLICIES = {"skip": "Forbid", "queue": "Allow", "cancel-old": "Replace"}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What only the cluster knows: the image, with nbops and the project in `folder`; the Secret that holds the
    variables; the claim of the volume that has the project's folder, if the image alone hasn't."""

    image: str
    folder: str = "/project"
    secret: str = "nbops"
    claim: str | None = None


def documents(exported: Told, cluster: Cluster, name: str | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The manifests, in order, and what their reader should know.

    Raises
    ------
    UsageError
        For what can't be said to Argo.
    """
    called = _called(exported.name, name)
    for what, word in (("image", cluster.image), ("folder", cluster.folder)):
        if not word.strip() or not word.isprintable():
            raise UsageError(f"{word!r} is no {what}")
    for what, named in (("secret", cluster.secret), ("claim", cluster.claim)):
        if named is not None and not all(_NAME.fullmatch(part) for part in named.split(".")):
            raise UsageError(f"{named!r} is no name of a {what} for Kubernetes: small letters, digits, '-' and '.'")
    for word in (exported.name, *exported.pipeline.steps, cluster.image, cluster.folder):
        if "{{" in word or word.startswith("-"):
            raise UsageError(f"{word!r}: Argo would read it as a template, or nbops as an option")
    params = [p for p in exported.params if _sayable(p)]
    template = _manifest("WorkflowTemplate", called, _workflow(exported, cluster, called, params))
    found = [template]
    semaphores = {_key(k): str(v) for k, v in exported.pipeline.limits.items() if v > 1}
    if semaphores:
        found.insert(0, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": called}, "data": semaphores})
    notes = []
    if exported.schedule is not None:
        found.append(_manifest("CronWorkflow", called, _cron(exported.schedule, called)))
        if exported.schedule.missed == "all":
            notes.append("missed = 'all': Argo makes up for missed times by one run")
    unsaid = [p.name for p in exported.params if p not in params]
    if unsaid:
        notes.append(f"left to the notebooks and nbops.toml: the parameters {', '.join(unsaid)}")
    notes += [f"not carried over: {what}" for what in exported.left_out]
    envs = sorted({env for envs in exported.secrets.values() for env in envs})
    keys = ", ".join([*_VARIABLES, *envs])
    notes.append(f"the Secret {cluster.secret!r} may hold {keys}" if not envs else _must(cluster, envs))
    return found, notes


def manifest(found: list[dict[str, Any]], exported: Told, notes: list[str]) -> str:
    """The manifests as YAML, for ``kubectl apply -f``."""
    import yaml

    said = [f"The nbops pipeline {exported.name!r}, written by 'nbops export argo' (nbops {__version__})."]
    head = "".join(f"# {line}\n" for line in (*said, *notes))
    body = (yaml.safe_dump(one, sort_keys=False, width=120) for one in found)
    return head + "---\n".join(body)


def _must(cluster: Cluster, envs: list[str]) -> str:
    return f"the Secret {cluster.secret!r} must hold {', '.join(envs)}, and may hold {', '.join(_VARIABLES)}"


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _called(pipeline: str, name: str | None) -> str:
    called = name if name is not None else re.sub(r"[^a-z0-9]+", "-", pipeline.lower())[:LONGEST].strip("-")
    if not _NAME.fullmatch(called) or len(called) > LONGEST:
        raise UsageError(
            f"{called or pipeline!r} is no name for Kubernetes: small letters, digits and '-' between them, at most"
            f" {LONGEST}; give one with --name"
        )
    return called


def _workflow(exported: Told, cluster: Cluster, called: str, params: list[Taken]) -> dict[str, Any]:
    when = exported.schedule
    ids = unique({step: _key(step) for step in exported.pipeline.steps}, ("pipeline",))
    spec: dict[str, Any] = {"entrypoint": "pipeline"}
    if exported.last is not None:
        spec["onExit"] = ids[exported.last]
    spec["parallelism"] = exported.pipeline.jobs or 1
    if when is not None and when.timeout_s is not None:
        spec["activeDeadlineSeconds"] = max(1, round(when.timeout_s))
    if when is not None and when.overlap == "queue":
        spec["synchronization"] = {"mutexes": [{"name": called}]}
    if params:
        spec["arguments"] = {"parameters": [_parameter(p) for p in params]}
    if cluster.claim is not None:
        spec["volumes"] = [{"name": "project", "persistentVolumeClaim": {"claimName": cluster.claim}}]
    tasks = [
        {"name": ids[step], "template": ids[step]} | ({"dependencies": [ids[n] for n in needs]} if needs else {})
        for step, needs in exported.steps.items()
    ]
    steps = [_template(exported, cluster, called, step, ids[step], params) for step in exported.pipeline.steps]
    spec["templates"] = [{"name": "pipeline", "dag": {"failFast": False, "tasks": tasks}}, *steps]
    return spec


def _template(
    exported: Told, cluster: Cluster, called: str, step: str, id_: str, params: list[Taken]
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": id_}
    retries, wait_s = exported.tries_again(step)
    if retries:
        backoff = {"duration": f"{max(1, round(wait_s))}s", "factor": "2"}
        found["retryStrategy"] = {"limit": str(retries), "retryPolicy": "Always", "backoff": backoff}
    timeout_s = exported.timeout_s(step)
    if timeout_s is not None:
        found["activeDeadlineSeconds"] = str(timeout_s)
    uses = {used: exported.pipeline.limits[used] for used in exported.spec(step).uses}
    if uses:
        mutexes = [{"name": f"{called}-{_key(used)}"} for used, slots in uses.items() if slots == 1]
        refs = [{"configMapKeyRef": {"name": called, "key": _key(used)}} for used, slots in uses.items() if slots > 1]
        found["synchronization"] = ({"mutexes": mutexes} if mutexes else {}) | ({"semaphores": refs} if refs else {})
    words = ["pipeline", "run", exported.name, "--only", step, "--run"]
    args = [
        *(word.replace("$(", "$$(") for word in words),
        "{{workflow.uid}}",
    ]  # Kubernetes takes $(NAME) for a variable
    for p in params:
        args += ["-p", f"{p.name}={{{{workflow.parameters.{p.name}}}}}"]
    found["container"] = {
        "image": cluster.image,
        "command": ["nbops"],
        "args": args,
        "workingDir": cluster.folder,
        "env": list(_environment(cluster, exported.secrets[step])),
    }
    if cluster.claim is not None:
        found["container"]["volumeMounts"] = [{"name": "project", "mountPath": cluster.folder}]
    return found


def _environment(cluster: Cluster, secrets: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in (*_VARIABLES, *secrets):
        optional = {} if name in secrets else {"optional": True}
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": cluster.secret, "key": name, **optional}}}


def _sayable(p: Taken) -> bool:
    """Argo's parameters are texts, without an empty one for "nobody says anything"."""
    if not re.fullmatch(r"[A-Za-z_]\w*", p.name, re.ASCII):
        return False
    if not p.known:
        return p.required
    try:
        return "{{" not in _text(p.default) and bool(convert(p.kind, _text(p.default)) == p.default)
    except Mismatch:
        return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parameter(p: Taken) -> dict[str, Any]:
    found: dict[str, Any] = {"name": p.name}
    if p.known:
        found["value"] = _text(p.default)
    if p.help:
        found["description"] = p.help.replace("{{", "{ {")
    if p.kind.choices and (not p.known or p.default in p.kind.choices):
        found["enum"] = [_text(choice) for choice in p.kind.choices]
    return found


def _cron(when: Schedule, called: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "schedules": [_argo_line(when)],
        "timezone": when.tz if when.cron is not None else "UTC",
        "concurrencyPolicy": _POLICIES[when.overlap],
    }
    if when.missed != "skip":
        spec["startingDeadlineSeconds"] = MISSED_S
    return spec | {"workflowSpec": {"workflowTemplateRef": {"name": called}}}


def _argo_line(when: Schedule) -> str:
    if when.cron is not None:
        line = " ".join(cron_line(when.cron).split())
        head, _, days = line.rpartition(" ")
        line = f"{head} {','.join('0' if day == '7' else day for day in days.split(','))}"  # Sunday is 0 there
        if not _CRON.fullmatch(line) or re.search(r"[L#]|7", line.rpartition(" ")[2].upper().replace("JUL", "")):
            raise UsageError(f"schedule {when.name!r}: Argo doesn't know the cron line {when.cron!r}; write it simpler")
        return line
    minutes, rest = divmod(when.every_s or 0, 60)
    hours = minutes / 60
    if not rest and minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes:.0f} * * * *"
    if not rest and hours.is_integer() and 24 % hours == 0:
        return "0 0 * * *" if hours == 24 else f"0 */{hours:.0f} * * *"
    raise UsageError(
        f"schedule {when.name!r}: every {when.every_s:g} s can't be said as a cron line, which Argo wants: give it a"
        " divisor of an hour or a day, or a cron line"
    )


def _key(name: str) -> str:
    """As Argo wants names of templates: letters, digits, ``-``, ``_``."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name).strip("-_")[:100] or "step"
