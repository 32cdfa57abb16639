"""The console script ``nbops`` (and ``jupyter nbops``): every command, under its heading."""

from __future__ import annotations

from nbops.cli import (
    automation,
    data,
    deployments,
    lineage,
    models,
    pipelines,
    project,
    reproduce,
    runs,
    schedules,
    sweeps,
)
from nbops.cli.program import main, section

section("Begin", project.init, project.demo, project.doctor, project.verify)
section("Record and run", runs.run, runs.params, pipelines.pipeline, sweeps.sweep, runs.runs)
section(
    "Understand",
    lineage.lineage,
    lineage.stale,
    lineage.leakage,
    lineage.slice_,
    reproduce.reproduce,
    runs.diff,
    data.data,
)
section("Promote", models.promote, models.approve, models.reject, models.rollback, models.models)
section(
    "Score and watch",
    deployments.deployments,
    deployments.score,
    deployments.labels,
    deployments.drift,
    deployments.alerts,
)
section(
    "Come back",
    schedules.schedule,
    schedules.worker,
    schedules.plan,
    schedules.apply,
    automation.tick,
    automation.decisions,
)

__all__ = ["main"]
