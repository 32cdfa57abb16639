"""``lineage``, ``stale``, ``leakage``, ``slice``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import json_option, show, table, workspace
from nbops.core.errors import DiffersError, UsageError


@click.command()
@click.argument("asked", metavar="X")
@click.option("--up", is_flag=True, help="Only what it came from.")
@click.option("--down", is_flag=True, help="Only what came of it.")
@click.option("--dot", "form", flag_value="dot", help="For Graphviz.")
@click.option("--svg", "form", flag_value="svg", help="As a picture.")
@json_option
def lineage(asked: str, up: bool, down: bool, form: str | None, as_json: bool) -> None:
    """What X came from and what came of it: a run, file, variable, digest, data version, model or notebook."""
    from nbops.lineage.graph import lineage as lineage_
    from nbops.render.lineage import lineage_dot, lineage_text
    from nbops.render.lineage_picture import lineage_svg

    if form is not None and as_json:
        raise UsageError(f"--json and --{form} are two answers; ask for one")
    ws = workspace()
    if asked.startswith("data:/"):
        from nbops.catalog.versions import Catalogue

        asked = Catalogue(ws).find(asked).digest
    graph = lineage_(ws, asked, up=up or not down, down=down or not up)
    drawn = {"dot": lineage_dot, "svg": lineage_svg, None: lineage_text}[form]
    show(graph, lambda: drawn(graph), as_json)


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@json_option
def stale(notebook: Path, as_json: bool) -> None:
    """Is what a notebook shows what running it from top to bottom would show? 0 it is, 4 it isn't."""
    from nbops.lineage.on_disk import stale_on_disk
    from nbops.lineage.stale import StaleKind

    found = stale_on_disk(workspace(), notebook)
    rows = [[f.said, f.kind.value, f.why] for f in found]
    show(found, lambda: table(rows, ["cell", "", "why"], f"{notebook}: nothing stale is known"), as_json)
    if any(f.kind is not StaleKind.COUNTS for f in found):
        raise DiffersError(f"{notebook} doesn't show what running it from top to bottom would; run it again")


@click.command()
@click.argument("asked", metavar="NOTEBOOK_OR_RUN")
@json_option
def leakage(asked: str, as_json: bool) -> None:
    """Did a model see the rows it was judged on? 0 nothing is proved, 4 it is; what is only suspected is said."""
    from nbops.lineage.badges import leaks_of

    found = leaks_of(workspace(), asked)
    rows = [[f.model, f.kind.value, f.doubt, ", ".join(f.cells), f.why] for f in found]
    empty = f"{asked}: no model was judged on rows that it wasn't fitted on"
    show(found, lambda: table(rows, ["model", "", "", "cells", "why"], empty), as_json)
    proved = [f for f in found if f.leak and f.certain]
    if proved:
        raise DiffersError(f"{asked}: {proved[0].model!r} looks better than it is ({proved[0].kind})")


@click.command("slice")
@click.argument("asked", metavar="X")
@click.option("-o", "output", type=click.Path(path_type=Path), help="By default beside the notebook it is of.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@json_option
def slice_(asked: str, output: Path | None, force: bool, as_json: bool) -> None:
    """The smallest notebook that computes X: a variable, model or data digest, or RUN/VARIABLE."""
    from nbops.lineage.slice import slice_of
    from nbops.notebook.files import write

    made = slice_of(workspace(), asked)
    folder = Path(made.folder or Path.cwd()).absolute()
    target = output or folder / f"{Path(made.source or 'notebook').stem}-{made.name}.ipynb"
    source = folder / Path(made.source).name if made.source else None
    there = target.exists()
    if source is not None and (target.absolute() == source or (there and source.exists() and target.samefile(source))):
        raise UsageError(f"{target} is the notebook that is sliced; give another file with -o")
    if there and not force:
        raise UsageError(f"{str(target)!r} is there already; --force replaces it")
    write(target, made.notebook)

    def text() -> str:
        lines = [f"{target}: {made.kept} of the {made.ran} cells that ran compute {made.name!r}"]
        if target.absolute().parent != folder:
            lines.append(f"files that it reads by relative paths lie in {folder}")
        return "\n".join([*lines, *(f"note: {note}" for note in made.notes)])

    told = {"output": str(target), **{k: getattr(made, k) for k in ("name", "source", "run", "kept", "ran", "notes")}}
    show(told, text, as_json)
