"""cron and systemd in our worker's place: each minute they call ``nbops tick``, which decides and does what is due.
So everything a schedule says (time zone, missed times, overlap, retries) holds, and a schedule that is added later
needs no new line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from nbops.core.redaction import redact_text
from nbops.workspace import Workspace

PASSED_ON = ("NBOPS_HOME", "NBOPS_STORE", "NBOPS_ARTIFACTS", "NBOPS_IDENTITY")
"""What says which store is meant: it is written into the files, since cron's environment has none of it."""


def crontab(ws: Workspace, environ: Mapping[str, str] = os.environ) -> str:
    """A line for ``crontab -e``. flock holds the next tick back while one still works."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in _variables(environ))
    lock, program = shlex.quote(str(ws.home / "tick.lock")), shlex.quote(_program())
    command = f"cd {shlex.quote(str(ws.root))} && {variables}{' ' * bool(variables)}flock -n {lock} {program} tick"
    return (
        f"# nbops: schedules and deployments of {ws.root}\n"
        f"* * * * * {command.replace('%', chr(92) + '%')}\n"  # to cron, % is the end of the line
    )


def units(ws: Workspace, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{file name: content} of systemd's user units: a worker that stays up, or a timer in its place."""
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in _variables(environ))
    about = f"WorkingDirectory={_path(ws.root)}\n{variables}"
    nbops = _quoted(_program())
    return {
        "nbops-worker.service": (
            f"[Unit]\nDescription=nbops worker of {ws.root}\nAfter=network-online.target\n\n"
            f"[Service]\n{about}ExecStart={nbops} worker\n"
            "Restart=always\nRestartSec=10\nTimeoutStopSec=90\n\n[Install]\nWantedBy=default.target\n"
        ),
        "nbops-tick.service": (
            f"[Unit]\nDescription=nbops tick of {ws.root}\n\n[Service]\nType=oneshot\n{about}ExecStart={nbops} tick\n"
        ),
        "nbops-tick.timer": (
            f"[Unit]\nDescription=nbops tick of {ws.root}, each minute\n\n"
            "[Timer]\nOnCalendar=minutely\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }


def secrets(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The variables whose values look like secrets, and would stand in the files."""
    return [name for name, value in _variables(environ) if redact_text(value) != value]


def _variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, environ[name]) for name in PASSED_ON if environ.get(name)]


def _program() -> str:
    """The console script that belongs to this Python."""
    beside = Path(sys.executable).with_name("nbops")
    return str(beside if beside.exists() else shutil.which("nbops") or "nbops")


def _quoted(word: str) -> str:
    """As systemd.syntax(7) and systemd.service(5) have it: % is a specifier, $ a variable."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if plain != word or " " in word else word


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")
