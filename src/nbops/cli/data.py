"""The group ``data``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import Listing, json_option, show, workspace
from nbops.core.errors import DiffersError


@click.group(cls=Listing)
def data() -> None:
    """Data versions: list, show, diff, get, profile, check, tag, describe, gc. Alone it lists."""


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


@data.command("tag")
@click.argument("name", metavar="NAME[@VERSION]")
@click.argument("tag")
@click.option("--remove", is_flag=True, help="Take the tag away from the name.")
@json_option
def tag_(name: str, tag: str, remove: bool, as_json: bool) -> None:
    """Let NAME@TAG mean this version, whatever it meant before."""
    from nbops.catalog import names

    if remove:
        names.untag(workspace(), name, tag)
        show({"removed": tag}, lambda: f"the tag {tag} is taken away", as_json)
        return
    done = names.tag(workspace(), name, tag)
    moved = f", no longer {done.before.ref}" if done.before else ""
    show(done, lambda: f"{done.version.name}@{tag} is {done.version.ref}{moved}", as_json)


@data.command("describe")
@click.argument("name", metavar="NAME[@VERSION]")
@click.argument("text")
@json_option
def describe(name: str, text: str, as_json: bool) -> None:
    """Say what a name of data is, or one of its versions; an empty TEXT takes it back."""
    from nbops.catalog import names

    said = names.describe(workspace(), name, text)
    show({"of": said, "text": text}, lambda: f"{said} is {'described' if text else 'no longer described'}", as_json)


@data.command("profile")
@click.argument("name", metavar="NAME[@VERSION]")
@json_option
def profile(name: str, as_json: bool) -> None:
    """Counts, quantiles and frequent values of each column."""
    from nbops.catalog.table import profile as profile_
    from nbops.render import data as drawn

    found = profile_(workspace(), name)
    show(found, lambda: drawn.profile(found), as_json)


@data.command("check")
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("--against", metavar="NAME[@VERSION]", required=True, help="The version whose contract it must keep.")
@json_option
def check(name: str, against: str, as_json: bool) -> None:
    """Does a version keep the contract of another (columns, types, no missing values where it had none)? 4: no."""
    from nbops.catalog.table import check as check_
    from nbops.render import data as drawn

    found = check_(workspace(), name, against)
    show(found, lambda: drawn.contract(found.rows, found.bad, found.reasons, found.warnings), as_json)
    if found.bad:
        raise DiffersError(
            f"{found.bad:,} of {found.rows:,} rows of {found.version.ref} break what {found.against.ref} keeps"
        )


@data.command("gc")
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option("--alone", is_flag=True, help="With --yes: no other store keeps content there, as far as you know.")
@json_option
def gc(yes: bool, alone: bool, as_json: bool) -> None:
    """Kept content that nothing refers to; removed only with --yes."""
    from nbops.catalog.garbage import collect
    from nbops.render import data as drawn

    found = collect(workspace(), remove=yes, alone=alone)
    show({"size": found.size, "garbage": found}, lambda: drawn.garbage(found), as_json)
