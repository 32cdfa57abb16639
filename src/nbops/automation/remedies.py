"""What can be done about a cause. A deployment's remedy makes a challenger and takes it to the gates, where it meets
the champion; none puts anything into production by itself. A schedule's is to run what it names.

A cheaper remedy than retraining (rescaling the level to the last labelled period, say) is one more function here:
it registers its result as a version of its own and promotes it the same way.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nbops.automation.jobs import JobError
from nbops.automation.schedules import notebooks_of
from nbops.core.automation import Decision, Schedule
from nbops.core.errors import BusyError, NbopsError, NotebookError, RefusedError, SettingsError, StoreError
from nbops.core.models import Action
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline.attempt import Attempt, GoOn, executed
from nbops.pipeline.graph import chosen
from nbops.pipeline.run import run_pipeline
from nbops.promotion.promote import promote
from nbops.store import automation, runs, schedules
from nbops.workspace import Workspace

_UNFINISHED = (RunStatus.FAILED, RunStatus.STOPPED, RunStatus.LOST)
_DONE = (RunStatus.COMPLETED, RunStatus.SKIPPED, RunStatus.CACHED)

Remedy = Callable[..., dict[str, Any]]
REMEDIES: dict[str, Remedy] = {}


def remedy(function: Remedy) -> Remedy:
    REMEDIES[function.__name__] = function
    return function


@remedy
def retrain(workspace: Workspace, decision: Decision, progress: Callable[..., None] | None = None) -> dict[str, Any]:
    """Run the deployment's pipeline and promote what it made.

    Returns
    -------
    dict
        ``run`` (the pipeline's), ``promotion`` (its id), ``outcome`` ("promoted", "refused" or "waits for approval"),
        ``why``.

    Raises
    ------
    SettingsError
        If nbops.toml names no pipeline for the deployment.
    ExecutionError
        If a step fails.
    """
    wishes = workspace.settings.deployment(decision.deployment)
    if wishes.pipeline is None:
        raise SettingsError(
            f"[deployments.{decision.deployment}] names no pipeline, so it can't be retrained;"
            f' add pipeline = "NAME" to nbops.toml'
        )
    run = run_pipeline(workspace, wishes.pipeline, params=dict(wishes.retrain_params), progress=progress)
    try:
        promotion = promote(workspace, run.id, name=decision.deployment, candidate=wishes.candidate, cause=decision.id)
    except RefusedError as refusal:
        refused = getattr(refusal, "promotion", None)
        return {
            "run": run.id,
            "promotion": refused.id if refused else None,
            "outcome": "refused",
            "why": str(refusal),
        }
    outcome = "waits for approval" if promotion.action is Action.PENDING else "promoted"
    return {"run": run.id, "promotion": promotion.id, "outcome": outcome, "version": promotion.to_version}


@remedy
def run(workspace: Workspace, decision: Decision, progress: Callable[..., None] | None = None) -> dict[str, Any]:
    """Run what a schedule names: the notebooks as they are on disk now, or as they were when it was pinned. What a
    worker completed and couldn't say any more (it was suspended, it died) isn't run again.

    Returns
    -------
    dict
        ``run``, ``outcome`` ("completed"), ``notebooks`` ({path: digest of what ran}, kept as artifacts).

    Raises
    ------
    JobError
        If it fails; its result has the same keys.
    BusyError
        If another run is making what it would.
    """
    assert decision.schedule is not None
    schedule = schedules.get(workspace.store, decision.schedule)
    versions = dict(schedule.pinned) or _on_disk(workspace, schedule)
    tags = (f"schedule:{schedule.name}", _tag(decision))
    last = _last(workspace, schedule, decision)
    if last is not None and last.status in _DONE:
        return {"run": last.id, "outcome": "completed", "notebooks": versions}
    before = last.id if last is not None and _can_go_on(workspace, last) else None
    try:
        with _pinned(workspace, schedule, decision) as (pinned, names):
            if schedule.pipeline is not None:
                done = run_pipeline(
                    pinned,
                    schedule.pipeline,
                    params=dict(schedule.params),
                    tags=tags,
                    progress=progress,
                    resume=before,
                    repeat_effects=True,
                )
            else:
                written = str(schedule.notebook)
                done = executed(
                    workspace,
                    Attempt(
                        name=Path(written).stem,
                        notebook=workspace.root / names.get(written, written),
                        params=schedule.params,
                        tags=tags,
                        go_on=GoOn(run=before, repeat_effects=True) if before is not None else None,
                    ),
                    progress,
                )
    except BusyError:
        raise
    except NbopsError as error:
        result = {"notebooks": versions, **ran(workspace, decision)}
        raise JobError(f"{type(error).__name__}: {error}", result) from error
    return {"run": done.id, "outcome": "completed", "notebooks": versions}


def _on_disk(workspace: Workspace, schedule: Schedule) -> dict[str, str]:
    """The notebooks as they are now, kept."""
    found = {}
    for file in notebooks_of(workspace, schedule):
        path = workspace.root / file
        if not path.is_file():
            raise NotebookError(f"schedule {schedule.name!r}: there is no notebook {str(path)!r}")
        found[file] = workspace.artifacts.put_file(path)
    return found


@contextmanager
def _pinned(
    workspace: Workspace, schedule: Schedule, decision: Decision
) -> Iterator[tuple[Workspace, Mapping[str, str]]]:
    """A workspace whose pipeline runs the snapshots, and where these lie ({notebook: snapshot}): beside the notebooks
    they are of, so that relative paths and local modules are found, and gone when no job runs them any more."""
    names: dict[str, str] = {}
    try:
        for file, digest in schedule.pinned.items():
            place = (workspace.root / file).with_name(f".pinned-{digest[-12:]}-{Path(file).name}")
            beside = place.with_name(f"{place.name}.{decision.id}")
            shutil.copyfile(workspace.artifacts.verified(digest), beside)
            beside.replace(place)
            names[file] = str(place)
        if names and schedule.pipeline is not None:
            name, pipeline = chosen(workspace.settings, schedule.pipeline)
            steps = {
                step: dataclasses.replace(spec, notebook=names.get(spec.notebook, spec.notebook))
                for step, spec in pipeline.steps.items()
            }
            pipelines = {**workspace.settings.pipelines, name: dataclasses.replace(pipeline, steps=steps)}
            settings = dataclasses.replace(workspace.settings, pipelines=pipelines)
            workspace = dataclasses.replace(workspace, settings=settings)
        yield workspace, names
    finally:
        with suppress(StoreError):
            used = _pinned_by_others(workspace, decision)
            for file, snapshot in names.items():
                if schedule.pinned[file] not in used:
                    Path(snapshot).unlink(missing_ok=True)


def _pinned_by_others(workspace: Workspace, decision: Decision) -> set[str]:
    """The snapshots that other jobs run now."""
    names = {job.schedule for job in automation.held(workspace.store) if job.decision != decision.id}
    there = [schedules.find(workspace.store, name) for name in names if name]
    return {digest for schedule in there if schedule is not None for digest in schedule.pinned.values()}


def ran(workspace: Workspace, decision: Decision) -> dict[str, str]:
    """The newest run that was made for a decision of a schedule's: ``run``, or nothing."""
    found = _newest(workspace, decision)
    return {"run": found.id} if found else {}


def _last(workspace: Workspace, schedule: Schedule, decision: Decision) -> Run | None:
    """The run of the job's attempt before this one, if the schedule still runs the same."""
    last = _newest(workspace, decision)
    kind, name = (
        (RunKind.PIPELINE, schedule.pipeline)
        if schedule.pipeline is not None
        else (RunKind.STEP, Path(str(schedule.notebook)).stem)
    )
    return last if last is not None and (last.kind, last.name) == (kind, name) else None


def _can_go_on(workspace: Workspace, last: Run) -> bool:
    return last.status in _UNFINISHED and all(child.status.ended for child in runs.children(workspace.store, last.id))


def _newest(workspace: Workspace, decision: Decision) -> Run | None:
    newest = runs.listed(workspace.store, kinds=[RunKind.PIPELINE, RunKind.STEP], limit=200)
    return next((found for found in newest if _tag(decision) in found.tags), None)


def _tag(decision: Decision) -> str:
    return f"decision:{decision.id}"
