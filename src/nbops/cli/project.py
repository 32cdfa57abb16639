"""``init``, ``demo``, ``doctor``, ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import count, json_option, show, table, workspace
from nbops.core.errors import DiffersError, UnknownNameError, UsageError

_TOML = """\
# What is wished for; the store says what is.

# [pipelines.train.steps.prepare]
# notebook = "prepare.ipynb"
# inputs = ["data/*.csv"]
# outputs = ["data/training.parquet"]

# [deployments.NAME]
# pipeline = "train"
# metric = "mean_absolute_error"
# gates = { max = { mean_absolute_error = 100.0 } }
"""


@click.command()
def init() -> None:
    """Make this folder a project: nbops.toml, and a line in .gitignore."""
    here = Path.cwd()
    if (here / "nbops.toml").exists():
        raise UsageError(f"{here / 'nbops.toml'} is there already; edit it instead")
    (here / "nbops.toml").write_text(_TOML, encoding="utf-8")
    ignore = here / ".gitignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    if ".nbops/" not in lines:
        ignore.write_text("\n".join([*lines, ".nbops/", ""]))
    click.echo(f"{here} is a project now. In a notebook: %load_ext nbops, then %nbops auto on")


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="UCI's hour.csv; by default it is looked for.")
def demo(folder: Path, data: Path | None) -> None:
    """Live through two years of bike rentals: train, promote, score, watch, retrain."""
    from nbops.demo.show import show as show_demo

    show_demo(folder.absolute(), data=data, say=lambda line: click.echo(line))


@click.command()
@click.option("--repair", is_flag=True, help="Close runs of dead processes, remove what killed writers left.")
@click.option("--rebuild", is_flag=True, help="Restore the records that notebooks carry in their outputs.")
@json_option
def doctor(repair: bool, rebuild: bool, as_json: bool) -> None:
    """Say which store is used and why, whether it is well; mend it."""
    from nbops.verification import doctor as doctor_
    from nbops.verification.rebuild import rebuild as rebuild_

    ws = workspace()
    rebuilt = rebuild_(ws) if rebuild else None
    health = doctor_.examine(ws, repair=repair)

    def text() -> str:
        lines = [
            f"root        {health.root}",
            f"store       {health.store}" + ("" if health.exists else "  (not there yet: made at the first record)"),
            f"because     {health.why}",
            f"durability  {health.durability}",
            f"journal     {health.journal}",
            f"holds       {count(health.runs, 'run')}, {count(health.artifacts, 'artifact')}",
        ]
        if rebuilt:
            lines.append(
                f"rebuilt     {count(rebuilt.records, 'record')} from {count(rebuilt.notebooks, 'notebook')};"
                f" {rebuilt.already} were there"
            )
            lines += [f"  not restored: {reason}" for reason in rebuilt.lost]
        lines += [f"repaired    {done}" for done in health.repaired]
        lines += [f"problem     {problem}" for problem in health.problems] or ["all is well"]
        return "\n".join(lines)

    show({"health": health, "rebuilt": rebuilt} if rebuilt else health, text, as_json)
    if health.problems:
        found = count(len(health.problems), "problem")
        advice = " left" if repair else "; 'nbops doctor --repair' mends what can be mended"
        raise DiffersError(found + advice)


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@json_option
def verify(notebook: Path, as_json: bool) -> None:
    """Check what a notebook's records claim: 0 all as recorded, 4 something differs."""
    from nbops.lineage.targets import where_records_are
    from nbops.verification.verify import DIFFERS, NOT_CHECKABLE, SAME
    from nbops.verification.verify import verify as verify_

    ws = workspace()
    result = verify_(ws, notebook)

    def text() -> str:
        wrong = [[f.cell + 1, f.what, f.why] for f in result.findings if f.result == DIFFERS]
        wrong += [[s.cell + 1 if s.cell is not None else "", s.kind, s.why] for s in result.stale]
        counts = f"{count(result.records, 'record')}: " + ", ".join(
            f"{result.count(kind)} {kind}" for kind in (SAME, DIFFERS, NOT_CHECKABLE)
        )
        return counts + ("\n" + table(wrong, ["cell", "what", "why"], "") if wrong else "")

    if result.records or as_json:
        show(result, text, as_json)
    if not result.records:
        raise UnknownNameError("record in the notebook", str(notebook), hint=where_records_are(ws, notebook))
    if result.differs:
        raise DiffersError(f"{notebook} isn't what was recorded")
