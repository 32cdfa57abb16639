"""What follows the end of a scheduled job: those who wish to know are told, and old executed notebooks go.

The end of a job leaves a mark in the same transaction. Whoever takes the mark away does what follows; so it is done
once, also where the worker that did the job has died of it.
"""

from __future__ import annotations

import dataclasses
import shutil

from nbops.automation.jobs import ENDED
from nbops.automation.notify import notify
from nbops.core.automation import Job, Schedule
from nbops.core.errors import UnknownNameError
from nbops.store import automation, runs, schedules
from nbops.workspace import Workspace


def afterwards(ws: Workspace) -> None:
    """Do what is left to do for jobs that have ended."""
    for mark, name in schedules.marks(ws.store, ENDED).items():
        with ws.store.transaction() as tx:
            if schedules.mark(tx, mark) is None:
                continue  # another was faster
            schedules.set_mark(tx, mark, None)
            schedule = schedules.find(tx, name)
            job = automation.job_of(tx, mark.removeprefix(ENDED))
        if schedule is not None and job is not None:
            _tell(ws, schedule, job)
            if schedule.keep is not None:
                retain(ws, schedule, schedule.keep)


def retain(ws: Workspace, schedule: Schedule, keep: int) -> int:
    """Remove the executed notebooks of all but the newest `keep` runs of a schedule (the records, and what is kept by
    content, stay); return of how many runs that was."""
    ended = [job for _, job in automation.of_schedule(ws.store, schedule.name, 10_000) if job and "run" in job.result]
    removed = 0
    for job in ended[keep:]:
        try:
            family = runs.family(ws.store, str(job.result["run"]))
        except UnknownNameError:
            continue
        folders = [folder for run in family if (folder := ws.home / "runs" / run.id).is_dir()]
        removed += bool(folders)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return removed


def _tell(ws: Workspace, schedule: Schedule, job: Job) -> None:
    told = notify(ws, schedule, job)
    if told:
        with ws.store.transaction() as tx:
            known = automation.job_of(tx, job.decision)
            if known is not None:
                automation.save_job(tx, dataclasses.replace(known, result={**known.result, "told": told}))
