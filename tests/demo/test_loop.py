"""The whole loop on the real data, once; every figure is computed again here from what the store holds."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops.core.deployments import Severity
from nbops.core.models import Action, Outcome
from nbops.core.runs import RunKind, RunStatus
from nbops.demo import rides
from nbops.demo.loop import DEPLOYED, FROZEN, LABEL_DELAY, Calendar, closing_workspace
from nbops.demo.show import show
from nbops.store import automation, deployments, models, runs
from nbops.workspace import Workspace

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def finished(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Workspace, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    said: list[str] = []
    show(folder, data=data_dir / "bike_hour.csv", say=said.append)
    summary = json.loads((folder / "summary.json").read_text())
    assert any("2012-12" in line for line in said), "progress names each month"
    yield folder, closing_workspace(folder, rides.load(data_dir / "bike_hour.csv")), summary
    shutil.rmtree(folder)


def test_what_the_readme_does_in_the_demos_folder_works(finished: Any, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(finished[0], folder)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    block = readme.partition("`cd demo`")[2].split("```")[1]
    lines = [
        line.removeprefix("$ nbops ").partition("  #") for line in block.splitlines() if line.startswith("$ nbops")
    ]
    assert len(lines) > 10
    wrong = []
    for command, _, comment in lines:
        words = [sys.executable, "-c", "from nbops.cli.main import main; main()", *shlex.split(command)]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode and f"exit {done.returncode}:" not in comment:
            wrong.append((command, done.returncode, done.stderr[-400:]))
    assert wrong == []


def predictions(ws: Workspace, deployment: str) -> Any:
    """Every stored prediction of a deployment, with its period."""
    import pandas as pd

    parts = [
        pd.read_parquet(ws.artifacts.verified(s.predictions)).assign(period=s.period, scored_by=s.version)
        for s in deployments.scorings(ws.store, deployment)
    ]
    return pd.concat(parts, ignore_index=True)


def test_the_figures_are_what_the_stored_predictions_and_labels_say(finished: Any, data_dir: Path) -> None:
    _, ws, summary = finished
    real = rides.load(data_dir / "bike_hour.csv").frame
    errors = {}
    for name in (DEPLOYED, FROZEN):
        scored = predictions(ws, name)
        assert len(scored) == 13_129
        assert scored["prediction_id"].is_unique
        joined = scored.assign(instant=scored["instant"].astype("int64")).merge(
            real[["instant", "dteday", "cnt"]], on="instant"
        )
        assert len(joined) == 13_129
        assert (joined["dteday"].str[:7] == joined["period"]).all()
        by_month = (joined["prediction"] - joined["cnt"]).abs().groupby(joined["period"]).mean()
        assert len(by_month) == 18
        errors[name] = by_month.mean()
    assert summary["mae_deployed"] == pytest.approx(errors[DEPLOYED])
    assert summary["mae_frozen"] == pytest.approx(errors[FROZEN])
    assert summary["rows_scored"] == 13_129
    assert summary["months_scored"] == 18
    assert summary["data"] == "real"


def test_the_figures_reach_what_is_asked(finished: Any) -> None:
    _, _, summary = finished
    assert summary["mae_frozen"] == pytest.approx(76.7, abs=0.5)
    assert summary["mae_deployed"] <= 53
    assert summary["retrains"] <= 8


def test_each_count_is_in_the_store_with_its_gate_report(finished: Any) -> None:
    _, ws, summary = finished
    history = models.history(ws.store, DEPLOYED)
    promoted = [p for p in history if p.action is Action.PROMOTED]
    refused = [p for p in history if p.action is Action.REFUSED]
    assert (summary["promotions"], summary["refusals"]) == (len(promoted), len(refused))
    assert all(p.results and not any(r.outcome is Outcome.FAILED for r in p.results) for p in promoted)
    assert all(any(r.outcome is Outcome.FAILED for r in p.results) for p in refused)
    acted = [d for d in automation.decisions(ws.store, DEPLOYED) if d.action == "retrain"]
    assert summary["retrains"] == len(acted) == len(promoted) + len(refused) - 1
    jobs = [automation.job_of(ws.store, d.id) for d in acted]
    assert all(job is not None and job.status is RunStatus.COMPLETED for job in jobs)
    assert {p.cause for p in history[1:]} == {d.id for d in acted}
    assert summary["alerts"] == len(deployments.alerts(ws.store, DEPLOYED))
    pipelines = runs.listed(ws.store, kinds=[RunKind.PIPELINE], limit=100)
    assert len(pipelines) == 1 + summary["retrains"]


def test_nobody_has_seen_the_future(finished: Any) -> None:
    """The model that scores month m has seen no ride after month m - 2, and labels came by the rule."""
    folder, ws, _ = finished
    months = sorted(p.stem for p in (folder / "data/labelled").glob("*.csv"))
    months += [m for m in (s.period for s in deployments.scorings(ws.store, DEPLOYED)) if m not in months]
    trained_on = {}
    for version in models.versions(ws.store, DEPLOYED):
        pipeline_run = runs.get(ws.store, version.run)
        parent = pipeline_run.parent or pipeline_run.id
        read: set[str] = set()
        for run in runs.family(ws.store, parent):
            for row in ws.store.rows("SELECT name FROM data_uses WHERE run = :run AND direction = 'read'", run=run.id):
                if row["name"].startswith("data/labelled/"):
                    read.add(row["name"][-11:-4])
        assert len(read) == 6, version.number
        trained_on[version.number] = max(read)
    assert trained_on[1] == "2011-06"
    for scoring in deployments.scorings(ws.store, DEPLOYED):
        newest = months.index(trained_on[scoring.version])
        assert newest <= months.index(scoring.period) - LABEL_DELAY or scoring.version == 1
    calendar = Calendar(months=tuple(months), by_month={})
    for number, batch in enumerate(deployments.label_batches(ws.store, DEPLOYED)):
        assert batch.added_at == calendar.start(6 + number + LABEL_DELAY)


def test_what_a_good_monitor_gets_right(finished: Any) -> None:
    _, ws, _ = finished
    reports = {r.period: r for r in deployments.drift_reports(ws.store, FROZEN)}
    realised = {p.period: p for p in deployments.performances(ws.store, FROZEN)}
    july = {c.column: c for c in reports["2011-07"].columns}
    assert july["temp"].severity is Severity.ALERT
    assert july["temp"].values["psi"] == pytest.approx(6.11, rel=0.05)
    assert realised["2011-07"].metrics["mean_absolute_error"] < 32.1, "drift of the inputs without harm"
    for report in reports.values():
        for name in ("hr", "weekday"):
            assert next(c for c in report.columns if c.column == name).severity is Severity.OK
    # 2012-03: harm with little drift of the inputs, which only labels show
    assert realised["2012-03"].metrics["mean_absolute_error"] == pytest.approx(92.2, abs=1)
    degraded = [a for a in deployments.alerts(ws.store, DEPLOYED) if a.kind == "degradation"]
    assert degraded


def test_executed_notebooks_and_the_report_are_there(finished: Any) -> None:
    folder, ws, summary = finished
    executed = [
        row
        for row in ws.store.rows("SELECT digest FROM artifacts WHERE kind = 'notebook'")
        if ws.artifacts.verified(row["digest"])
    ]
    steps = [r for r in runs.listed(ws.store, kinds=[RunKind.STEP], limit=100) if r.status is RunStatus.COMPLETED]
    assert len(executed) >= len(steps) >= 2 * (1 + summary["retrains"]) - 1
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 2
    assert f"{summary['mae_deployed']:.1f}" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ), "nothing outside the file"


def test_again_in_the_same_folder_changes_nothing(finished: Any, data_dir: Path) -> None:
    folder, ws, summary = finished
    events = len(ws.store.events_after(0, limit=1_000_000))
    again = show(folder, data=data_dir / "bike_hour.csv", say=lambda line: None)
    assert again.mae_deployed == summary["mae_deployed"]
    assert again.retrains == summary["retrains"]
    assert len(ws.store.events_after(0, limit=1_000_000)) == events
