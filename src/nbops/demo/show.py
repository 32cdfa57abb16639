"""Run the demo and leave its pages: the table, ``report.html``, ``summary.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from nbops.core import wire
from nbops.demo import loop, report, rides, summary
from nbops.store import deployments, models


def show(folder: Path, *, data: Path | None = None, say: Callable[[str], None] = print) -> summary.Summary:
    """Live through the data in `folder` and write what came of it.

    Raises
    ------
    SettingsError, InputDataError, ExecutionError, RefusedError
    """
    from tabulate import tabulate

    found = rides.load(data)
    say(f"data: {found.source}, {len(found.frame):,} hours" + ("" if found.real else "  (SIMULATED)"))
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
    say(
        f"\nLook at {folder / 'report.html'} · figures in {folder / 'summary.json'} · scores in {folder / 'scores'} ·"
        f" executed notebooks in {workspace.home / 'runs'}"
        f"\nask the store:  cd {folder} && nbops models history bikes;  nbops runs;  nbops drift bikes"
    )
    return figures
