"""cron and systemd in our worker's place: each minute they call ``nbops tick``, which decides and does what is due.
So everything a schedule says (time zone, missed times, overlap, retries) holds, and a schedule that is added later
needs no new line.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from nbops.exchange.caller import program, variables
from nbops.workspace import Workspace


def crontab(ws: Workspace, environ: Mapping[str, str] = os.environ) -> str:
    """A line for ``crontab -e``. flock holds the next tick back while one still works."""
    told = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables(environ))
    lock, nbops = shlex.quote(str(ws.home / "tick.lock")), shlex.quote(program())
    there = f"cd {shlex.quote(str(ws.root))} && mkdir -p {shlex.quote(str(ws.home))}"
    command = f"{there} && {told}{' ' * bool(told)}flock -n {lock} {nbops} tick"
    return (
        f"# nbops: schedules and deployments of {ws.root}\n"
        f"* * * * * {command.replace('%', chr(92) + '%')}\n"  # to cron, % is the end of the line
    )


def units(ws: Workspace, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{file name: content} of systemd's user units: a worker that stays up, or a timer in its place."""
    told = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in variables(environ))
    root = _path(ws.root)
    about = f"WorkingDirectory={root}\n{told}"
    nbops = _quoted(program())
    return {
        "nbops-worker.service": (
            f"[Unit]\nDescription=nbops worker of {root}\nAfter=network-online.target\n\n"
            f"[Service]\n{about}ExecStart={nbops} worker\n"
            "Restart=always\nRestartSec=10\nTimeoutStopSec=90\n\n[Install]\nWantedBy=default.target\n"
        ),
        "nbops-tick.service": (
            f"[Unit]\nDescription=nbops tick of {root}\n\n[Service]\nType=oneshot\n{about}ExecStart={nbops} tick\n"
        ),
        "nbops-tick.timer": (
            f"[Unit]\nDescription=nbops tick of {root}, each minute\n\n"
            "[Timer]\nOnCalendar=minutely\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }


def _quoted(word: str) -> str:
    """As systemd.syntax(7) has it: % is a specifier. ($ is none in an environment, nor in a program's path.)"""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"' if plain != word or " " in word or "'" in word else word


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")
