"""Tell somebody how a scheduled run ended: by a webhook, by mail, by a command. A target is written as

* ``https://host/path``: the news is posted as JSON (its ``text`` is a sentence, as chat servers like it);
* ``mailto:a@example.org,b@example.org``: by the mail server of ``[notify]`` in nbops.toml;
* ``exec:command --option``: run in the workspace's root; the news comes as JSON on its standard input, the sentence as
  its last argument.

``${NAME}`` in a target is taken from the worker's environment, so that no token need stand in the store.
A target that fails is said in the job's result; it makes no run fail and holds none up for more than `TIMEOUT_S`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import smtplib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from nbops.core.automation import Job, Schedule
from nbops.core.clock import to_text
from nbops.core.errors import UsageError
from nbops.core.redaction import redact_text, without
from nbops.core.runs import RunStatus
from nbops.notebook.param_call import SHORTEST
from nbops.settings import FILE, NotifySettings
from nbops.workspace import Workspace

TIMEOUT_S = 20.0

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def check_target(target: str) -> None:
    """Refuse what can't be told anything.

    Raises
    ------
    UsageError
    """
    scheme, colon, rest = target.partition(":")
    if not colon or scheme not in _WAYS or not rest.strip("/ "):
        raise UsageError(
            f"{redact_text(target)!r} can't be notified; write https://…, mailto:NAME@HOST or exec:COMMAND"
        )
    if scheme == "mailto" and not all(re.fullmatch(r"[^@\s]+@[^@\s]+", a.strip()) for a in rest.split(",")):
        raise UsageError(f"{target!r}: {rest!r} is no mail address")


def notify(ws: Workspace, schedule: Schedule, job: Job) -> list[dict[str, Any]]:
    """Tell those whom the schedule names how a job ended; return what came of it, for each target."""
    targets = {RunStatus.FAILED: schedule.on_failure, RunStatus.COMPLETED: schedule.on_success}.get(job.status, ())
    told = []
    for target in targets:
        outcome: dict[str, Any] = {"target": redact_text(target), "sent": True}
        try:
            scheme = target.partition(":")[0]
            _WAYS[scheme](target, news(ws, schedule, job), ws)
        except Exception as error:  # noqa: BLE001 - urllib's, smtplib's, the command's: none may hurt the job
            why = without(f"{type(error).__name__}: {error}", _values(target))
            outcome = {"target": redact_text(target), "sent": False, "error": redact_text(why)}
        told.append(outcome)
    return told


def untold(job: Job) -> list[str]:
    """Of every target of a job's that could not be told how it ended, a sentence."""
    return [f"{t['target']} could not be told: {t['error']}" for t in job.result.get("told", ()) if not t["sent"]]


def doubts(ws: Workspace, schedule: Schedule) -> list[str]:
    """What may be amiss with those whom a schedule names, and only whoever has them can know."""
    mails = [target for target in (*schedule.on_failure, *schedule.on_success) if target.startswith("mailto:")]
    if not mails or ws.settings.notify.smtp != NotifySettings().smtp:
        return []
    return [
        f"{mails[0]}: mail goes by the server {NotifySettings().smtp} of the machine that runs the schedule; another is"
        f' named in {FILE} by [notify] smtp = "smtp://USER@HOST:587"'
    ]


def news(ws: Workspace, schedule: Schedule, job: Job) -> dict[str, Any]:
    """What is told."""
    how = "failed" if job.status is RunStatus.FAILED else "completed"
    why = f": {job.error.splitlines()[0]}" if job.error else ""
    return {
        "text": f"nbops: schedule {schedule.name} ({schedule.target}) {how}{why}",
        "schedule": schedule.name,
        "target": schedule.target,
        "status": job.status.value,
        "attempt": job.attempt,
        "error": job.error,
        "run": job.result.get("run"),
        "job": job.id,
        "ended_at": to_text(job.ended_at) if job.ended_at else None,
        "store": ws.store.name,
    }


def _webhook(target: str, told: Mapping[str, Any], _ws: Workspace) -> None:
    request = urllib.request.Request(
        _expanded(target),
        json.dumps(told).encode(),
        {"Content-Type": "application/json", "User-Agent": "nbops"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as refused:  # an answer of 400 or more, which nobody would close
        refused.close()
        raise


def _mail(target: str, told: Mapping[str, Any], ws: Workspace) -> None:
    settings = ws.settings.notify
    server = urlsplit(settings.smtp)
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise UsageError(f"[notify] smtp: {settings.smtp!r} is no smtp://HOST:PORT")
    message = EmailMessage()
    message["From"], message["To"] = settings.sender, _expanded(target.removeprefix("mailto:"))
    message["Subject"] = told["text"]
    message.set_content("\n".join(f"{key}: {value}" for key, value in told.items() if value is not None))
    kind: Callable[..., smtplib.SMTP] = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    with kind(server.hostname, server.port or 0, timeout=TIMEOUT_S) as smtp:
        smtp.ehlo()
        if server.scheme == "smtp" and smtp.has_extn("starttls"):
            smtp.starttls()
        password = os.environ.get("NBOPS_SMTP_PASSWORD")
        if server.username and password:
            smtp.login(unquote(server.username), password)
        smtp.send_message(message)


def _command(target: str, told: Mapping[str, Any], ws: Workspace) -> None:
    command = [*map(_expanded, shlex.split(target.removeprefix("exec:"))), told["text"]]
    subprocess.run(
        command, input=json.dumps(told), text=True, timeout=TIMEOUT_S, check=True, capture_output=True, cwd=ws.root
    )


def _expanded(text: str) -> str:
    return _VARIABLE.sub(_from_environment, text)


def _values(target: str) -> list[str]:
    """What stands in the environment so that it need stand nowhere else."""
    values = [os.environ.get(name, "") for name in _VARIABLE.findall(target)]
    return [value for value in values if len(value) >= SHORTEST]


def _from_environment(found: re.Match[str]) -> str:
    if found[1] not in os.environ:
        raise UsageError(f"the environment variable {found[1]} isn't set")
    return os.environ[found[1]]


_WAYS: dict[str, Callable[[str, Mapping[str, Any], Workspace], None]] = {
    "http": _webhook,
    "https": _webhook,
    "mailto": _mail,
    "exec": _command,
}
