"""Decisions and the jobs that carry them out."""

from __future__ import annotations

from datetime import datetime

from nbops.core import clock, wire
from nbops.core.automation import Decision, Job
from nbops.core.canonical import canonical, parse
from nbops.core.errors import UnknownNameError
from nbops.store.database import Reader, Row, Transaction

_OPEN = "('QUEUED', 'IN_PROGRESS', 'STOPPING')"
_HELD = "('IN_PROGRESS', 'STOPPING')"


def add_decision(tx: Transaction, decision: Decision) -> bool:
    """Record a decision, once per (subject, trigger, cause); False if it had been taken before."""
    new = tx.write(
        'INSERT INTO decisions (id, deployment, "trigger", cause, schedule, body)'
        " VALUES (:id, :subject, :trigger, :cause, :schedule, :body)"
        ' ON CONFLICT (deployment, "trigger", cause) DO NOTHING',
        id=decision.id,
        subject=decision.subject,
        trigger=decision.trigger,
        cause=decision.cause,
        schedule=decision.schedule,
        body=canonical(wire.to_json(decision)),
    )
    if new:
        tx.event("decision", decision.id, decision.action)
    return bool(new)


def decision(reader: Reader, decision_id: str) -> Decision:
    row = reader.row("SELECT body FROM decisions WHERE id = :id", id=decision_id)
    if row is None:
        raise UnknownNameError("decision", decision_id)
    return wire.from_json(Decision, parse(row["body"]))


def decisions(reader: Reader, deployment: str | None = None) -> list[Decision]:
    """Decisions, oldest first."""
    rows = reader.rows(
        "SELECT body FROM decisions WHERE :name IS NULL OR deployment = :name ORDER BY seq", name=deployment
    )
    return [wire.from_json(Decision, parse(row["body"])) for row in rows]


def of_schedule(reader: Reader, name: str, limit: int) -> list[tuple[Decision, Job | None]]:
    """A schedule's decisions with their jobs, newest first."""
    rows = reader.rows(
        "SELECT d.body AS decision, j.body AS job FROM decisions d LEFT JOIN jobs j ON j.decision = d.id"
        " WHERE d.schedule = :name ORDER BY d.seq DESC LIMIT :limit",
        name=name,
        limit=limit,
    )
    return [
        (
            wire.from_json(Decision, parse(row["decision"])),
            wire.from_json(Job, parse(row["job"])) if row["job"] else None,
        )
        for row in rows
    ]


def save_job(tx: Transaction, job: Job) -> None:
    """Insert a job, or replace what is kept of it."""
    tx.write(
        "INSERT INTO jobs (id, decision, status, lease_until, schedule, due, body)"
        " VALUES (:id, :decision, :status, :lease, :schedule, :due, :body)"
        " ON CONFLICT (decision) DO UPDATE SET status = excluded.status, lease_until = excluded.lease_until,"
        " due = excluded.due, body = excluded.body",
        id=job.id,
        decision=job.decision,
        status=job.status,
        lease=_text(job.lease_until),
        schedule=job.schedule,
        due=_text(job.due),
        body=canonical(wire.to_json(job)),
    )
    tx.event("job", job.id, job.status)


def renew(tx: Transaction, job: Job) -> None:
    """Keep a job that is under way as it is now: news for nobody."""
    tx.write(
        "UPDATE jobs SET lease_until = :lease, body = :body WHERE decision = :decision",
        decision=job.decision,
        lease=_text(job.lease_until),
        body=canonical(wire.to_json(job)),
    )


def job_of(reader: Reader, decision_id: str) -> Job | None:
    row = reader.row("SELECT body FROM jobs WHERE decision = :id", id=decision_id)
    return _job(row) if row else None


def jobs(reader: Reader) -> list[Job]:
    """Jobs, oldest first."""
    return [_job(row) for row in reader.rows("SELECT body FROM jobs ORDER BY seq")]


def open_jobs(reader: Reader, schedule: str) -> list[Job]:
    """The jobs of a schedule that aren't done, oldest first."""
    rows = reader.rows(
        f"SELECT body FROM jobs WHERE schedule = :name AND status IN {_OPEN} ORDER BY seq", name=schedule
    )
    return [_job(row) for row in rows]


def unfinished(reader: Reader) -> list[Job]:
    """All jobs that aren't done, oldest first."""
    return [_job(row) for row in reader.rows(f"SELECT body FROM jobs WHERE status IN {_OPEN} ORDER BY seq")]


def held(reader: Reader) -> list[Job]:
    """The jobs that some worker has, or had when it died."""
    return [_job(row) for row in reader.rows(f"SELECT body FROM jobs WHERE status IN {_HELD} ORDER BY seq")]


def next_queued(reader: Reader, now: datetime, *, scheduled: bool = False) -> Job | None:
    """The job that waits, has been due for longest and isn't of a schedule that another worker is running; with
    `scheduled`, a schedule's."""
    whose = "FALSE" if scheduled else "j.schedule IS NULL"
    row = reader.row(
        f"SELECT j.body FROM jobs j WHERE j.status = 'QUEUED' AND j.due <= :now AND ({whose} OR (j.schedule IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.schedule = j.schedule AND o.status IN {_HELD})))"
        " ORDER BY j.due, j.seq LIMIT 1",
        now=_text(now),
    )
    return _job(row) if row else None


def overtaken(reader: Reader, decision: Decision) -> list[Job]:
    """The jobs that wait because of an earlier cause of the same trigger."""
    rows = reader.rows(
        "SELECT j.body FROM jobs j JOIN decisions d ON d.id = j.decision WHERE d.deployment = :subject"
        " AND d.\"trigger\" = :trigger AND d.id <> :id AND j.status = 'QUEUED' ORDER BY j.seq",
        subject=decision.subject,
        trigger=decision.trigger,
        id=decision.id,
    )
    return [_job(row) for row in rows]


def _job(row: Row) -> Job:
    return wire.from_json(Job, parse(row["body"]))


def _text(moment: datetime | None) -> str:
    return clock.to_text(moment) if moment else ""
