"""The group ``export``: what other programs read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nbops.cli.program import F, Nouns, json_option, show, workspace
from nbops.core.errors import UsageError


@click.group(cls=Nouns)
def export() -> None:
    """Files for other programs: cron, systemd, Airflow, Argo."""


@export.command("cron")
@json_option
def cron(as_json: bool) -> None:
    """A line for 'crontab -e' that calls 'nbops tick' each minute, where no worker stays up."""
    from nbops.exchange import caller, timers

    text = timers.crontab(workspace())
    _warn(caller.secrets())
    show({"crontab": text}, lambda: text.rstrip(), as_json)


@export.command("systemd")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Write them here: ~/.config/systemd/user")
@json_option
def systemd(folder: Path | None, as_json: bool) -> None:
    """Unit files: a worker that stays up, or a timer that calls 'nbops tick' each minute."""
    from nbops.exchange import caller, timers

    files, secrets = timers.units(workspace()), caller.secrets()
    _warn(secrets)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            file = folder / name
            if secrets:
                file.touch()
                file.chmod(0o600)
            file.write_text(text, encoding="utf-8")
    written = f"written to {folder}: {', '.join(files)}"
    shown = "\n".join(f"# {name}\n{text}" for name, text in files.items()).rstrip()
    show(files, lambda: written if folder else shown, as_json)


def _of_a_pipeline(function: F) -> F:
    """The options of what is exported of a pipeline."""
    options: list[Callable[[Any], Any]] = [
        click.argument("pipeline", required=False),
        click.option("--schedule", metavar="NAME", help="When it runs; by default, as the one schedule at times says."),
        click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file."),
        click.option("--force", is_flag=True, help="Replace the file that is there."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@export.command("airflow")
@_of_a_pipeline
@click.option("--dag-id", help="Of the DAG; by default the pipeline's name.")
@json_option
def airflow(
    pipeline: str | None, schedule: str | None, out: Path | None, force: bool, dag_id: str | None, as_json: bool
) -> None:
    """A DAG for Airflow 3: a task for each step of a pipeline, a run of ours for each of its runs."""
    from nbops.exchange import airflow
    from nbops.exchange.orchestrated import told

    ws = workspace()
    text, notes = airflow.dag(ws, told(ws, pipeline, schedule), dag_id)
    _written(text, notes, out, force, {"dag": text, "notes": notes} if as_json else None)


@export.command("argo")
@_of_a_pipeline
@click.option("--image", required=True, help="Of every step: it has nbops, and the project or the --claim's folder.")
@click.option("--name", help="Of the WorkflowTemplate; by default the pipeline's.")
@click.option("--folder", default="/project", show_default=True, help="Where the project is in the container.")
@click.option("--claim", metavar="NAME", help="The PersistentVolumeClaim of the project's folder, mounted there.")
@click.option("--secret", metavar="NAME", default="nbops", show_default=True, help="The Secret with the variables.")
@json_option
def argo(
    pipeline: str | None,
    schedule: str | None,
    out: Path | None,
    force: bool,
    image: str,
    name: str | None,
    folder: str,
    claim: str | None,
    secret: str,
    as_json: bool,
) -> None:
    """A WorkflowTemplate for Argo Workflows, and a CronWorkflow where the pipeline has a schedule."""
    from nbops.exchange import argo
    from nbops.exchange.orchestrated import told

    exported = told(workspace(), pipeline, schedule)
    cluster = argo.Cluster(image=image, folder=folder, claim=claim, secret=secret)
    found, notes = argo.documents(exported, cluster, name)
    value = {"manifests": found, "notes": notes} if as_json else None
    _written(argo.manifest(found, exported, notes), notes, out, force, value)


def _written(text: str, notes: list[str], out: Path | None, force: bool, value: Any) -> None:
    """To standard output (as `value` for programs), or whole into a file: who reads it may look at any moment."""
    if out is not None and out.exists() and not force:
        raise UsageError(f"{str(out)!r} is there already; --force replaces it")
    for note in notes:
        click.echo(note, err=True)
    if out is None or value is not None:
        show(value, text.rstrip, value is not None)
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.nbops")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    click.echo(f"wrote {out}", err=True)


def _warn(names: list[str]) -> None:
    for name in names:
        click.echo(f"{name} holds a secret, which stands in what follows; use ~/.pgpass instead", err=True)
