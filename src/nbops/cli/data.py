"""The group ``data``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import Listing, json_option, show, workspace
from nbops.core.errors import DiffersError


@click.group(cls=Listing)
def data() -> None:
    """Data versions: list, show, diff, get, gc. Alone it lists."""


@data.command("list")
@click.option("--name", "pattern", metavar="GLOB", help="Only files and variables whose name matches.")
@json_option
def list_(pattern: str | None = None, as_json: bool = False) -> None:
    """Every content that a file or variable had, by name: NAME@1, NAME@2, …"""
    from nbops.catalog.versions import Catalogue
    from nbops.render import data as drawn

    found = Catalogue(workspace()).listed(pattern)
    show(found, lambda: drawn.listed(found, filtered=pattern is not None), as_json)


@data.command("show")
@click.argument("name", metavar="NAME[@VERSION]")
@json_option
def show_(name: str, as_json: bool) -> None:
    """One version: its schema, who made it, who used it."""
    from nbops.catalog.versions import Catalogue
    from nbops.render import data as drawn

    catalogue = Catalogue(workspace())
    found = catalogue.detail(catalogue.find(name))
    show(found, lambda: drawn.shown(found), as_json)


@data.command("diff")
@click.argument("a")
@click.argument("b")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """How B differs from A (NAME@N or a digest), column by column: 0 the same, 4 it differs."""
    from nbops.catalog.difference import difference
    from nbops.render import data as drawn

    found = difference(workspace(), a, b)
    show(found, lambda: drawn.difference(found), as_json)
    if not found.same:
        raise DiffersError(f"{found.b.ref} differs from {found.a.ref}")


@data.command("get")
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("-o", "output", type=click.Path(path_type=Path), required=True, help="A new file.")
@json_option
def get(name: str, output: Path, as_json: bool) -> None:
    """Write a version's content to a file, if it is kept or still lies where it was."""
    from nbops.catalog.content import get as get_

    version, how = get_(workspace(), name, output)
    told = {"version": version, "output": str(output), "how": how}
    show(told, lambda: f"{output}: {version.ref}, {how}", as_json)


@data.command("gc")
@click.option("--yes", is_flag=True, help="Remove it.")
@json_option
def gc(yes: bool, as_json: bool) -> None:
    """Kept content that nothing refers to; removed only with --yes."""
    from nbops.catalog.garbage import collect
    from nbops.render import data as drawn

    found = collect(workspace(), remove=yes)
    show({"size": found.size, "garbage": found}, lambda: drawn.garbage(found), as_json)
