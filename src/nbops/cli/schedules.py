"""The group ``schedule``, and ``worker``, ``plan``, ``apply``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from nbops.cli.program import Listing, count, json_option, parse_params, show, table, workspace


@click.group(cls=Listing)
def schedule() -> None:
    """Run pipelines and notebooks at times, or when something happens. Alone it lists."""


@schedule.command("add")
@click.argument("name")
@click.option("--cron", help='A cron line: "0 6 * * 1-5".')
@click.option("--tz", default="UTC", show_default=True, help="The time zone of --cron: Europe/Berlin.")
@click.option("--every", help="An interval: 90s, 15m, 1h30m, 2d.")
@click.option("--on-data", metavar="GLOB|data:/NAME", help="When these files change, or there is a new version.")
@click.option("--on-drift", metavar="DEPLOYMENT", help="When its inputs drift.")
@click.option("--on-degradation", metavar="DEPLOYMENT", help="When its realised error grows too large.")
@click.option("--pipeline", help="What to run: a pipeline of nbops.toml,")
@click.option("--notebook", metavar="NB", help="or a notebook.")
@click.option("-p", "--parameter", "params", multiple=True, help="name=value; may be repeated.")
@click.option("--pin", is_flag=True, help="Run the notebooks as they are now, whatever becomes of them.")
@click.option("--missed", type=click.Choice(["once", "skip", "all"]), default="once", show_default=True)
@click.option("--overlap", type=click.Choice(["skip", "queue", "cancel-old"]), default="skip", show_default=True)
@click.option("--retries", type=int, default=0, show_default=True)
@click.option("--backoff", default="1m", show_default=True, help="Before the first retry; then doubled.")
@click.option("--timeout", help="How long a run may take: 2h.")
@click.option("--keep", type=int, help="Of how many runs to keep the executed notebooks; default: all.")
@click.option("--on-failure", multiple=True, metavar="TARGET", help="https://…, mailto:…, exec:…; may be repeated.")
@click.option("--on-success", multiple=True, metavar="TARGET", help="The same.")
@click.option("--replace", is_flag=True, help="In place of a schedule of that name.")
@json_option
def add(name: str, params: tuple[str, ...], replace: bool, as_json: bool, **wish: Any) -> None:
    """Make a schedule. A worker (or 'nbops tick') runs it."""
    from nbops.automation import schedules
    from nbops.automation.causes import unseen
    from nbops.automation.notify import doubts
    from nbops.settings import ScheduleSettings

    ws = workspace()
    made = schedules.add(ws, name, ScheduleSettings(params=parse_params(params), **wish), replace=replace)
    for doubt in (*doubts(ws, made), *unseen(ws, made)):
        click.echo(doubt, err=True)
    show(made, lambda: f"{name}: {made.target}, {made.kind} {made.expression}; next {_moment(made.next_at)}", as_json)


@schedule.command("list")
@json_option
def list_(as_json: bool = False) -> None:
    """The schedules, when they are next due, how they last got on."""
    from nbops.automation import schedules

    found = schedules.overview(workspace())
    rows = [
        [
            s.name,
            f"{s.kind} {s.expression}",
            s.target,
            "paused" if s.paused else _moment(s.next),
            s.last.status.lower() if s.last else "",
            s.last.error.splitlines()[0] if s.last and s.last.error else "",
        ]
        for s in found
    ]
    head = ["schedule", "when", "what", "next", "last", ""]
    show(found, lambda: table(rows, head, "no schedules; 'nbops schedule add' makes one"), as_json)


@schedule.command("pause")
@click.argument("name")
def pause(name: str) -> None:
    """Start nothing more of it; what runs goes on."""
    from nbops.automation import schedules

    schedules.pause(workspace(), name)
    click.echo(f"{name} is paused; 'nbops schedule resume {name}' goes on")


@schedule.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Go on from now: what was due meanwhile isn't made up for."""
    from nbops.automation import schedules

    click.echo(f"{name}: next {_moment(schedules.resume(workspace(), name).next_at)}")


@schedule.command("run-now")
@click.argument("name")
@json_option
def run_now(name: str, as_json: bool) -> None:
    """Queue a run; a worker or the next 'nbops tick' does it."""
    from nbops.automation import schedules
    from nbops.automation.worker import workers

    ws = workspace()
    job = schedules.run_now(ws, name)
    hint = "" if workers(ws) else "; no worker is there: 'nbops worker', or 'nbops tick'"
    show(job, lambda: f"job {job.id} is queued{hint}", as_json)


@schedule.command("stop")
@click.argument("name")
def stop(name: str) -> None:
    """Stop what runs and what waits of it."""
    from nbops.automation import schedules

    click.echo(f"{count(schedules.stop_runs(workspace(), name), 'job')} of {name} stopped")


@schedule.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a schedule, and stop what runs of it. Its history stays."""
    from nbops.automation import schedules

    schedules.remove(workspace(), name)
    click.echo(f"{name} is removed")


@schedule.command("history")
@click.argument("name")
@click.option("--limit", type=int, default=20, show_default=True)
@json_option
def history(name: str, limit: int, as_json: bool) -> None:
    """The times it was due, and what came of them."""
    from nbops.automation import schedules
    from nbops.automation.notify import untold

    found = schedules.history(workspace(), name, limit)
    rows = []
    for f in found:
        status = f.job.status.lower() if f.job else "skipped"
        run = str(f.job.result.get("run", ""))[:6] if f.job else ""
        said = [f.job.error.splitlines()[0]] if f.job and f.job.error else []
        said += untold(f.job) if f.job else []
        about = "; ".join(said)
        rows.append([_moment(f.decision.at), f.decision.why, status, f.job.attempt if f.job else 0, run, about])
    show(found, lambda: table(rows, ["when", "why", "status", "attempt", "run", ""], "it was never due"), as_json)


@click.command()
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="How many at once.")
@click.option("--grace", default="30s", show_default=True, help="How long jobs may go on after SIGTERM or Ctrl-C.")
def worker(jobs: int, grace: str) -> None:
    """Do what is due, until stopped (SIGTERM, Ctrl-C). Several may run, on several machines over one store."""
    import signal

    from nbops.automation.times import seconds
    from nbops.automation.worker import Worker

    ws = workspace()
    working = Worker(
        ws, jobs=jobs, grace_s=seconds(grace), say=lambda s: click.echo(f"{datetime.now(UTC):%H:%M:%S} {s}")
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: working.ask_to_stop())
    click.echo(f"worker of {ws.store.name}; Ctrl-C stops it")
    working.run()
    click.echo("stopped")


@click.command()
@json_option
def plan(as_json: bool) -> None:
    """What differs between the schedules of nbops.toml and those there are."""
    from nbops.automation import wishes

    _show_changes(wishes.plan(workspace()), as_json, "nbops.toml and the store agree")


@click.command()
@json_option
def apply(as_json: bool) -> None:
    """Make the schedules those of nbops.toml."""
    from nbops.automation import wishes

    _show_changes(wishes.apply(workspace()), as_json, "nothing to do")


def _show_changes(changes: list[Any], as_json: bool, empty: str) -> None:
    lines = []
    for change in changes:
        lines.append(f"{change.action} schedule {change.schedule}")
        lines += [f"  {name}: {now} → {then}" for name, now, then in change.differs]
    show(changes, lambda: "\n".join(lines) or empty, as_json)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else "–"
