"""The group ``pipeline``."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from nbops.cli.program import Listing, json_option, parse_object, parse_params, show, table, workspace
from nbops.core.errors import UsageError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.workspace import Workspace


@click.group(cls=Listing)
def pipeline() -> None:
    """Notebooks as steps: infer, split, run, show, status. Alone it lists."""


@pipeline.command("list")
@json_option
def list_(as_json: bool = False) -> None:
    """The pipelines nbops.toml describes."""
    settings = workspace().settings
    rows = [[name, " → ".join(p.steps)] for name, p in settings.pipelines.items()]
    show(
        settings.pipelines,
        lambda: table(
            rows,
            ["pipeline", "steps"],
            "no pipelines; describe one in nbops.toml, or 'nbops pipeline infer FOLDER' proposes one",
        ),
        as_json,
    )


@pipeline.command("run")
@click.argument("name", required=False)
@click.option("-p", "--parameter", "params", multiple=True, help="name=value; may be repeated.")
@click.option("--force", is_flag=True, help="Run every step, cached or not.")
@click.option("--from", "from_step", metavar="STEP", help="Run this step and those after it, cached or not.")
@click.option("--dry-run", is_flag=True, help="Say what would run and why; run nothing.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="How many steps run at once, each in its own process.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run the steps on the workers of this Dask scheduler.")
@click.option("--fail-fast", is_flag=True, help="After a failed step, begin no other.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[RUN]",
    help="Go on with a run that didn't come to its end, by default the newest.",
)
@click.option("--repeat-effects", is_flag=True, help="With --resume: repeat cells with effects outside the notebook.")
@click.option("--params-json", metavar="JSON", help='Parameters as one object: {"months": 9}. -p goes before them.')
@click.option("--only", metavar="STEP", help="Run this step alone, in the run that --run names; it isn't tried again.")
@click.option("--run", "key", metavar="KEY", help="What the steps of one run share: Airflow's run id, a build number.")
@click.option("--skip-exit-code", type=int, default=0, help="With --only: exit so where the step is skipped.")
@json_option
def run(
    name: str | None,
    params: tuple[str, ...],
    force: bool,
    from_step: str | None,
    dry_run: bool,
    jobs: int | None,
    scheduler: str | None,
    fail_fast: bool,
    resume: str | None,
    repeat_effects: bool,
    params_json: str | None,
    only: str | None,
    key: str | None,
    skip_exit_code: int,
    as_json: bool,
) -> None:
    """Execute a pipeline's steps; those with nothing changed are skipped, and it is said."""
    from nbops.cli.progress import steps
    from nbops.pipeline.joined import run_step
    from nbops.pipeline.run import run_pipeline

    given = {**(parse_object(params_json) if params_json else {}), **parse_params(params)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped as by Ctrl-C: kernels end, states are true
    if (only is None) != (key is None):
        raise click.UsageError("--only STEP and --run KEY go together")
    if only is not None and key is not None:
        if from_step is not None or dry_run or fail_fast or resume is not None or scheduler is not None:
            raise click.UsageError(
                "--only runs one step, here; leave out --from, --dry-run, --fail-fast, --resume and --scheduler"
            )
        one = run_step(workspace(), name, only, key, params=given, force=force, progress=steps(), jobs=jobs)
        state = one.state.lower() or "not run"
        show(one, lambda: f"{only} {state} in run {one.run.id}: 'nbops pipeline status {one.run.id[:6]}'", as_json)
        if one.state in ("SKIPPED", ""):
            raise SystemExit(skip_exit_code)
        return
    done = run_pipeline(
        workspace(),
        name,
        params=given,
        force=force,
        from_step=from_step,
        dry_run=dry_run,
        progress=None if dry_run else steps(),
        jobs=jobs,
        scheduler=scheduler,
        keep_going=not fail_fast,
        resume=resume,
        repeat_effects=repeat_effects,
    )
    if dry_run:
        rows = [[step, how["verdict"], how["why"]] for step, how in done.detail["steps"].items()]
        show({"name": done.name, "steps": done.detail["steps"]}, lambda: table(rows, ["step", "", "why"], ""), as_json)
    else:
        show(done, lambda: f"run {done.id} {done.status.lower()}: 'nbops runs show {done.id[:6]}'", as_json)


@pipeline.command("show")
@click.argument("name", required=False)
@click.option("--svg", is_flag=True, help="Print a picture instead.")
@json_option
def show_(name: str | None, svg: bool, as_json: bool) -> None:
    """A pipeline's steps in the order they run, with what feeds what, and how they ended last."""
    from nbops.pipeline.description import described
    from nbops.render.pipeline import graph_svg, graph_text
    from nbops.store import runs

    ws = workspace()
    found = described(ws, name)
    last = runs.listed(ws.store, kinds=[RunKind.PIPELINE], name=found["name"], limit=1)
    states = {s: str(how["status"]) for s, how in last[0].detail.get("steps", {}).items()} if last else {}
    found["last_run"] = last[0].id if last else None
    found["states"] = states = {step: state for step, state in states.items() if state}
    if svg:
        click.echo(graph_svg(found, states), nl=False)
    else:
        show(found, lambda: graph_text(found, {step: state.lower() for step, state in states.items()}), as_json)


@pipeline.command("status")
@click.argument("run_id", required=False)
@json_option
def status(run_id: str | None, as_json: bool) -> None:
    """How the newest (or a given) pipeline run got on, step by step."""
    from nbops.store import runs

    ws = workspace()
    if run_id is None:
        newest = runs.listed(ws.store, kinds=[RunKind.PIPELINE], limit=1)
        if not newest:
            raise UsageError("no pipeline has run yet; 'nbops pipeline run' runs one")
        found = newest[0]
    else:
        found = runs.get(ws.store, run_id)
    children = runs.children(ws.store, found.id)
    rows = [[r.name, r.status.lower(), _how(ws, r)] for r in children]
    there = {r.detail.get("step", r.name) for r in children}
    rows += [[s, "", how["why"]] for s, how in found.detail.get("steps", {}).items() if s not in there]
    show(
        {"run": found, "steps": children},
        lambda: f"{found.name} {found.id}: {found.status.lower()}\n" + table(rows, ["step", "state", ""], "no steps"),
        as_json,
    )


def _how(ws: Workspace, run: Run) -> str:
    """What there is to say of a step: how far it is, how it failed, why it ran or didn't."""
    from nbops.store import records

    if run.status == RunStatus.IN_PROGRESS and "cells" in run.detail:
        return f"{records.next_seq(ws.store, run.id)} of {run.detail['cells']} cells done"
    return str(run.detail.get("skipped") or run.error or run.detail.get("why") or "")


@pipeline.command("infer")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--name", help="Of the pipeline; by default the folder's.")
@click.option("--write", is_flag=True, help="Add the proposal to nbops.toml.")
@json_option
def infer_(folder: Path, name: str | None, write: bool, as_json: bool) -> None:
    """Propose a pipeline of a folder's notebooks: from what they were seen to read and write, and what they say."""
    from nbops.pipeline import infer

    ws = workspace()
    found = infer.infer(ws, folder, name)
    path = infer.write(ws, found) if write else None
    show(found, lambda: found.toml.rstrip() + (f"\n\nadded to {path}" if path else ""), as_json)


@pipeline.command("split")
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Another folder to write to.")
@json_option
def split_(notebook: Path, folder: Path | None, as_json: bool) -> None:
    """Cut a notebook into one for each step that its cells begin (tag step:NAME, or %nbops step NAME)."""
    from nbops.pipeline.split import split

    written, toml = split(workspace(), notebook, folder)
    paths = [str(path) for path in written]
    show({"written": paths, "toml": toml}, lambda: "\n".join([*(f"wrote {p}" for p in paths), "", toml]), as_json)
