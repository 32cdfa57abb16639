"""``sweep``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from nbops.cli.program import count, json_option, parse_params, show, workspace
from nbops.core.runs import RunStatus


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--parameter",
    "params",
    multiple=True,
    help="name=a,b,c, name=2..8 or name=log:0.001..1; may be repeated.",
)
@click.option("--random", type=click.IntRange(min=1), metavar="N", help="Draw N points instead of trying every one.")
@click.option("--optuna", type=click.IntRange(min=1), metavar="N", help="Have Optuna choose N points.")
@click.option("--metric", help="What the trials are compared by.")
@click.option("--minimize", is_flag=True, help="Less of the metric is better, where that isn't known.")
@click.option("--maximize", is_flag=True, help="More of it is better.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="How many run at once; default: 1.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run them on the workers of this Dask scheduler.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--timeout", "timeout_s", type=float, help="Seconds that a trial may take.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Also draw parallel coordinates.")
@json_option
def sweep(
    notebook: Path,
    params: tuple[str, ...],
    random: int | None,
    optuna: int | None,
    metric: str | None,
    minimize: bool,
    maximize: bool,
    jobs: int | None,
    scheduler: str | None,
    seed: int,
    timeout_s: float | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Execute a notebook for many points of its parameters. Called again, it goes on with what is missing."""
    from nbops.cli.progress import steps
    from nbops.pipeline.sweep import run_sweep
    from nbops.render.sweep import parallel_coordinates, sweep_table

    if minimize and maximize:
        raise click.UsageError("--minimize and --maximize contradict each other; give one of them")
    done = run_sweep(
        workspace(),
        notebook,
        parse_params(params),
        random=random,
        optuna=optuna,
        metric=metric,
        maximize=maximize if minimize or maximize else None,
        jobs=jobs,
        seed=seed,
        timeout_s=timeout_s,
        scheduler=scheduler,
        progress=steps(),
    )
    rows = [_row(trial) for trial in done.trials]

    def text() -> str:
        lines = [sweep_table(rows, done.varied, done.metric), ""]
        lines.append(f"sweep {done.run.id} {done.run.status.lower()}: {count(len(rows), 'trial')}")
        if done.best:
            lines.append(f"the best is {done.best[:8]}: 'nbops promote {done.best[:8]} --name NAME'")
        return "\n".join(lines)

    show({"run": done.run, "best": done.best, "trials": rows}, text, as_json)
    if svg is not None:
        drawing = parallel_coordinates(rows, done.varied, done.metric, maximize=done.maximize)
        svg.write_text(drawing, encoding="utf-8")
    if done.run.status == RunStatus.FAILED:
        again = "runs those" if optuna is None else "tries other points"
        click.echo(f"nbops: {done.run.error}; the same command again {again}", err=True)
        sys.exit(1)


def _row(trial: Any) -> dict[str, Any]:
    run = trial.run
    return {
        "id": run.id,
        "status": "PRUNED" if trial.pruned else str(run.status),
        "point": trial.point,
        "value": trial.value,
        "metrics": trial.metrics,
        "seconds": (run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
        "error": run.error,
    }
