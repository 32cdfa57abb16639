"""``run``, ``diff``, and the group ``runs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nbops.cli.program import Listing, json_option, parse_params, show, table, workspace
from nbops.core.errors import DiffersError
from nbops.core.runs import RunKind, RunStatus
from nbops.workspace import Workspace, relative


class AsPapermill(click.Command):
    """Takes papermill's ``-p name value`` as well as ``-p name=value``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        joined: list[str] = []
        for word in args:
            name = joined[-1] if len(joined) > 1 and joined[-2] in ("-p", "--parameter") else "="
            if "=" in name or word.startswith("-p"):
                joined.append(word)
            else:
                joined[-1] = f"{name}={word}"
        return super().parse_args(ctx, joined)


@click.command(cls=AsPapermill)
@click.argument("notebook", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path), required=False)
@click.option("-p", "--parameter", "params", multiple=True, help="name=value (or name value); may be repeated.")
@click.option("--require-tracking", is_flag=True, help="Fail if the kernel can't be tracked.")
@click.option("--timeout", "timeout_s", type=float, help="Seconds that all cells together may take.")
@click.option("--cell-timeout", "cell_timeout_s", type=float, help="Seconds that each cell may take.")
@click.option("--kernel", help="Another kernel than the notebook names.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Execute it on a worker of this Dask scheduler.")
@click.option("--cold", is_flag=True, help="Start the kernel from nothing, never fork it.")
@click.option("--resume", "attempt", metavar="RUN", help="Go on with this run, which failed, at the last kept state.")
@click.option("--repeat-effects", is_flag=True, help="With --resume: repeat cells with effects outside the notebook.")
def run(
    notebook: Path,
    output: Path | None,
    params: tuple[str, ...],
    require_tracking: bool,
    timeout_s: float | None,
    cell_timeout_s: float | None,
    kernel: str | None,
    scheduler: str | None,
    cold: bool,
    attempt: str | None,
    repeat_effects: bool,
) -> None:
    """Execute a notebook through papermill, every cell tracked.

    The notebook itself isn't written: what was executed goes to OUTPUT, or beside the store.
    """
    from nbops.cli.progress import steps
    from nbops.pipeline.execute import resume_notebook, run_notebook
    from nbops.pipeline.on_cluster import run_on_cluster

    how: dict[str, Any] = {
        "require_tracking": require_tracking,
        "progress": steps(),
        "timeout_s": timeout_s,
        "cell_timeout_s": cell_timeout_s,
        "kernel": kernel,
        "warm": False if cold else None,
    }
    if attempt is not None and scheduler is not None:
        raise click.UsageError("--resume goes on here, where the kept state is; leave out --scheduler")
    if scheduler is not None:
        done = run_on_cluster(workspace(), notebook, output, scheduler=scheduler, params=parse_params(params), **how)
    elif attempt is None:
        done = run_notebook(workspace(), notebook, output, params=parse_params(params), **how)
    elif params:
        raise click.UsageError("--resume goes on with the parameters the run had; leave out -p")
    else:
        done = resume_notebook(workspace(), attempt, output, notebook=notebook, repeat_effects=repeat_effects, **how)
    why = f" ({done.detail['skipped']})" if "skipped" in done.detail else ""
    click.echo(f"run {done.id} {done.status.lower()}{why}: 'nbops runs show {done.id[:6]}'")


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@json_option
def params(notebook: Path, as_json: bool) -> None:
    """What a notebook takes: its parameters, their types, defaults, bounds and help. Nothing is executed."""
    from nbops.notebook import files, parameters

    read = files.read(notebook)
    found = parameters.of_notebook(read)
    foreign = read.language not in (None, "python")
    none = (
        f"it is {read.language}: only Python is read" if foreign else "it takes none: no cell has the tag 'parameters'"
    )
    rows = [[p.name, p.type, _default(p), p.bounds or _choices(p), p.help] for p in found]
    head = ["parameter", "type", "default", "may be", "help"]
    show(found, lambda: table(rows, head, none), as_json)


def _default(parameter: Any) -> str:
    if parameter.secret is not None:
        return f"secret: {parameter.secret.env}"
    return "must be given" if parameter.required else parameter.written


def _choices(parameter: Any) -> str:
    return ", ".join(repr(choice) for choice in parameter.choices)


@click.group(cls=Listing)
def runs() -> None:
    """What was run: list, show, diff, delete, restore. Alone it lists."""


@runs.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--kind", type=click.Choice([k.value for k in RunKind]))
@click.option("--status", type=click.Choice([s.value for s in RunStatus], case_sensitive=False))
@click.option("--notebook", help="Only runs of this notebook.")
@click.option("--filter", "filter_", default="", help="For instance: metrics.mae < 50 and params.lr = 0.1")
@click.option("--sort", help="started_at, name, status, seconds, metrics.NAME or params.NAME; largest first.")
@click.option("--ascending", is_flag=True, help="Smallest first.")
@click.option("--deleted", is_flag=True, help="Those that were deleted and can be restored.")
@json_option
def list_(
    limit: int = 20,
    kind: str | None = None,
    status: str | None = None,
    notebook: str | None = None,
    filter_: str = "",
    sort: str | None = None,
    ascending: bool = False,
    deleted: bool = False,
    as_json: bool = False,
) -> None:
    """Runs with their parameters and last metrics, newest first."""
    from nbops.core.run_filter import parse_filter
    from nbops.render import runs as drawn
    from nbops.store.run_search import MOST, search

    ws = workspace()
    if deleted:
        _list_deleted(ws, as_json)
        return
    parse_filter(filter_)  # a mistake in it is told of the text as it was written
    said = {"kind": kind, "status": status, "notebook": _recorded(ws, notebook) if notebook else None}
    terms = [f'{name} = "{value}"' for name, value in said.items() if value]
    page = search(
        ws.store,
        filter=" and ".join([f"({filter_})"] * bool(filter_.strip()) + terms),
        sort=sort or "started_at",
        descending=not ascending,
        limit=min(limit, MOST),
    )
    metrics = {row.run.id: dict(row.metrics) for row in page.items}
    filtered = bool(terms or filter_)
    show(page.items, lambda: drawn.listed([row.run for row in page.items], metrics, filtered=filtered), as_json)


@runs.command("show")
@click.argument("run_id")
@json_option
def show_(run_id: str, as_json: bool) -> None:
    """One run: parameters, metrics, data, models, what its cells did."""
    from nbops.render import runs as drawn
    from nbops.store import records
    from nbops.store import runs as store

    ws = workspace()
    found = store.get(ws.store, run_id)
    value: dict[str, Any] = {
        "run": found,
        "params": store.params(ws.store, found.id),
        "metrics": records.metrics(ws.store, found.id),
        "records": records.of_run(ws.store, found.id),
        "children": store.children(ws.store, found.id),
    }
    show(value, lambda: drawn.shown(**value), as_json)


@click.command()
@click.argument("a")
@click.argument("b")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Why two runs differ: parameters, metrics, data, distributions, code, environment. 0 they don't, 4 they do.

    A and B are runs, models:/NAME/VERSION or models:/NAME@ALIAS, or notebooks (their latest completed run).
    """
    from nbops.render.difference import difference_text
    from nbops.reproduction.difference import difference

    result = difference(workspace(), a, b)
    show(result, lambda: difference_text(result), as_json)
    if result.changes:
        raise DiffersError(f"{b} differs from {a}")


runs.add_command(diff)


@runs.command("delete")
@click.argument("run_ids", metavar="RUN…", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@json_option
def delete(run_ids: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Delete runs and those under them, unless something needs them; 'nbops runs restore' undoes it for a while."""
    from nbops.catalog.deletion import delete as delete_
    from nbops.render.deletion import deletion

    done = delete_(workspace(), run_ids, dry_run=dry_run)
    show(done, lambda: deletion(done), as_json)


@runs.command("restore")
@click.argument("run_ids", metavar="RUN…", nargs=-1, required=True)
@json_option
def restore(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Bring deleted runs back, with those that went along."""
    from nbops.catalog.deletion import restore as restore_
    from nbops.render.deletion import restored

    done = restore_(workspace(), run_ids)
    show(done, lambda: restored(done), as_json)


def _list_deleted(ws: Workspace, as_json: bool) -> None:
    from nbops.catalog.deletion import deleted
    from nbops.render.deletion import listed

    found = deleted(ws)
    show(found, lambda: listed(found), as_json)


def _recorded(ws: Workspace, notebook: str) -> str:
    """A notebook's path as runs have it: seen from here if it is here, else as written, from the root."""
    path = Path(notebook)
    return relative(ws, path) if path.exists() else notebook
