"""Run the demo and leave its pages: the table, ``report.html``, ``summary.json``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from nbops.core import wire
from nbops.demo import loop, report, rides, summary
from nbops.store import deployments, models

SIMULATED = (
    "LEFT OUT: the real rides, as they are not here and OpenML can't be used. To have them: 'nbops demo --data hour.csv"
    " --dir FOLDER' (UCI data set 275), or NBOPS_DATA_DIR=FOLDER with it as bike_hour.csv"
)


def show(folder: Path, *, data: Path | None = None, say: Callable[[str], None] = print) -> summary.Summary:
    """Live through the data in `folder` and write what came of it.

    Raises
    ------
    SettingsError, InputDataError, ExecutionError, RefusedError
    """
    from tabulate import tabulate

    found = rides.load(data)
    say(announced(found))
    seconds = loop.run(folder, found, say)
    workspace = loop.closing_workspace(folder, found)
    figures = summary.summarize(workspace, real=found.real, source=found.source, seconds=seconds)
    months = summary.rows(workspace)
    page = report.page(
        figures,
        months,
        models.history(workspace.store, loop.DEPLOYED),
        deployments.drift_reports(workspace.store, loop.DEPLOYED),
        [f"{a.at:%Y-%m-%d} {a.kind}: {a.message}" for a in deployments.alerts(workspace.store, loop.DEPLOYED)],
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(wire.to_json(figures), indent=1) + "\n")
    head = ["month", "rows", "MAE frozen", "MAE deployed", "drift", "decided", "version"]
    table = [[m.month, m.rows, m.mae_frozen, m.mae_deployed, m.drift, m.decision, m.version] for m in months]
    say("\n" + tabulate(table, head, floatfmt=".1f", missingval="–"))
    simulated = "" if found.real else "  THE DATA IS SIMULATED."
    say(
        f"\nMAE {figures.mae_deployed:.1f} deployed, {figures.mae_frozen:.1f} had the first model stayed;"
        f" retrained {figures.retrains} ×, refused {figures.refusals} ×; {figures.promotions} versions promoted, the"
        f" first among them; alerts: {figures.alerts}, rows: {figures.rows_scored:,}, {seconds:.0f} s.{simulated}"
    )
    command = "nbops" if shutil.which("nbops") else str(Path(sys.executable).with_name("nbops"))
    say(
        f"\nLook at {folder / 'report.html'} · figures in {folder / 'summary.json'} · scores in {folder / 'scores'} ·"
        f" executed notebooks in {workspace.home / 'runs'}"
        f"\nask the store:  cd {folder} && {command} models history bikes;  {command} runs;  {command} drift bikes"
    )
    return figures


def announced(found: rides.Rides) -> str:
    """Which data it is; where it is simulated, why, and how to have the real ones."""
    line = f"data: {found.source}, {len(found.frame):,} hours"
    return line if found.real else f"{line}  (SIMULATED)\n{SIMULATED}"
