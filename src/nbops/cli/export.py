"""The group ``export``: what other programs read."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import json_option, show, workspace


@click.group()
def export() -> None:
    """Files for other programs: cron, systemd."""


@export.command("cron")
@json_option
def cron(as_json: bool) -> None:
    """A line for 'crontab -e' that calls 'nbops tick' each minute, where no worker stays up."""
    from nbops.exchange import timers

    text = timers.crontab(workspace())
    _warn(timers.secrets())
    show({"crontab": text}, lambda: text.rstrip(), as_json)


@export.command("systemd")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Write them here: ~/.config/systemd/user")
@json_option
def systemd(folder: Path | None, as_json: bool) -> None:
    """Unit files: a worker that stays up, or a timer that calls 'nbops tick' each minute."""
    from nbops.exchange import timers

    files = timers.units(workspace())
    _warn(timers.secrets())
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    written = f"written to {folder}: {', '.join(files)}"
    shown = "\n".join(f"# {name}\n{text}" for name, text in files.items()).rstrip()
    show(files, lambda: written if folder else shown, as_json)


def _warn(names: list[str]) -> None:
    for name in names:
        click.echo(f"{name} holds a secret, which stands in what follows; use ~/.pgpass instead", err=True)
