"""Decisions and the jobs that carry them out."""

from __future__ import annotations

from nbops.core import clock, wire
from nbops.core.automation import Decision, Job
from nbops.core.canonical import canonical, parse
from nbops.store.database import Reader, Transaction


def add_decision(tx: Transaction, decision: Decision) -> bool:
    """Record a decision, once per (deployment, trigger, cause); False if it had been taken before."""
    new = tx.write(
        'INSERT INTO decisions (id, deployment, "trigger", cause, body)'
        " VALUES (:id, :deployment, :trigger, :cause, :body)"
        ' ON CONFLICT (deployment, "trigger", cause) DO NOTHING',
        id=decision.id,
        deployment=decision.deployment,
        trigger=decision.trigger,
        cause=decision.cause,
        body=canonical(wire.to_json(decision)),
    )
    if new:
        tx.event("decision", decision.id, decision.action)
    return bool(new)


def decisions(reader: Reader, deployment: str | None = None) -> list[Decision]:
    """Decisions, oldest first."""
    rows = reader.rows(
        "SELECT body FROM decisions WHERE :name IS NULL OR deployment = :name ORDER BY seq", name=deployment
    )
    return [wire.from_json(Decision, parse(row["body"])) for row in rows]


def save_job(tx: Transaction, job: Job) -> None:
    """Insert a job, or replace what is kept of it."""
    tx.write(
        "INSERT INTO jobs (id, decision, status, lease_until, body) VALUES (:id, :decision, :status, :lease, :body)"
        " ON CONFLICT (decision) DO UPDATE SET status = excluded.status, lease_until = excluded.lease_until,"
        " body = excluded.body",
        id=job.id,
        decision=job.decision,
        status=job.status,
        lease=clock.to_text(job.lease_until),
        body=canonical(wire.to_json(job)),
    )
    tx.event("job", job.id, job.status)


def job_of(reader: Reader, decision_id: str) -> Job | None:
    row = reader.row("SELECT body FROM jobs WHERE decision = :id", id=decision_id)
    return wire.from_json(Job, parse(row["body"])) if row else None


def jobs(reader: Reader) -> list[Job]:
    """Jobs, oldest first."""
    return [wire.from_json(Job, parse(row["body"])) for row in reader.rows("SELECT body FROM jobs ORDER BY seq")]
