"""``reproduce``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import json_option, show, workspace
from nbops.core.errors import DiffersError, ExecutionError


@click.command()
@click.argument("source", metavar="ID")
@click.option("--rtol", type=float, default=1e-9, show_default=True, help="Metrics this close (relative) are equal.")
@click.option(
    "--env",
    type=click.Choice(["check", "build", "ignore"]),
    default="check",
    show_default=True,
    help="Packages of other versions than then: say which, build an environment that has those, or neither.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder to do it in, which then stays.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the report to this file too.")
@json_option
def reproduce(source: str, rtol: float, env: str, keep: Path | None, html: Path | None, as_json: bool) -> None:
    """Do a run again and compare: 0 the same, 4 it differs, 1 it couldn't be done.

    ID is a run, RUN/METRIC (or runs:/RUN/metrics/METRIC), models:/NAME/VERSION or models:/NAME@ALIAS, or an executed
    notebook. It is executed in a clean kernel and a folder of its own, on the data it read.
    """
    from nbops.cli.progress import steps
    from nbops.core.reproduction import Environment, Verdict
    from nbops.render.reproduction import reproduction_html, reproduction_text
    from nbops.reproduction.reproduce import reproduce as reproduce_

    result = reproduce_(workspace(), source, rtol=rtol, env=Environment(env), keep=keep, progress=steps())
    if html is not None:
        html.write_text(reproduction_html(result), encoding="utf-8")
    show(result, lambda: reproduction_text(result), as_json)
    if result.verdict is Verdict.DIFFERENT:
        raise DiffersError(f"{source} did not come out the same")
    if not result.same:
        raise ExecutionError(f"{source} couldn't be done again: {result.why}")
