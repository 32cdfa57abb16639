"""Deployments, and what they leave behind: scorings, labels, performance, drift reports, alerts."""

from __future__ import annotations

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.deployments import Alert, Deployment, DriftReport, LabelBatch, Performance, Scoring
from nbops.core.errors import UnknownNameError
from nbops.store.database import Reader, Transaction


def save(tx: Transaction, deployment: Deployment) -> None:
    """Insert a deployment, or replace it."""
    tx.write(
        "INSERT INTO deployments (name, body) VALUES (:name, :body)"
        " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        name=deployment.name,
        body=canonical(wire.to_json(deployment)),
    )
    tx.event("deployment", deployment.name, "saved")


def listed(reader: Reader) -> list[Deployment]:
    rows = reader.rows("SELECT body FROM deployments ORDER BY name")
    return [wire.from_json(Deployment, parse(row["body"])) for row in rows]


def find(reader: Reader, name: str) -> Deployment | None:
    row = reader.row("SELECT body FROM deployments WHERE name = :name", name=name)
    return wire.from_json(Deployment, parse(row["body"])) if row else None


def get(reader: Reader, name: str) -> Deployment:
    found = find(reader, name)
    if found is None:
        known = [d.name for d in listed(reader)]
        raise UnknownNameError("deployment", name, known, hint="'nbops promote RUN --name NAME' makes one")
    return found


def add_scoring(tx: Transaction, scoring: Scoring) -> None:
    tx.write(
        "INSERT INTO scorings (run, deployment, model, version, input, period, body)"
        " VALUES (:run, :deployment, :model, :version, :input, :period, :body)",
        run=scoring.run,
        deployment=scoring.deployment,
        model=scoring.model,
        version=scoring.version,
        input=scoring.input,
        period=scoring.period,
        body=canonical(wire.to_json(scoring)),
    )
    tx.event("scoring", scoring.run, scoring.deployment)


def find_scoring(reader: Reader, deployment: str, model: str, version: int, input_digest: str) -> Scoring | None:
    row = reader.row(
        "SELECT body FROM scorings WHERE deployment = :deployment AND model = :model AND version = :version"
        " AND input = :input",
        deployment=deployment,
        model=model,
        version=version,
        input=input_digest,
    )
    return wire.from_json(Scoring, parse(row["body"])) if row else None


def scorings(reader: Reader, deployment: str) -> list[Scoring]:
    """A deployment's scorings, in the order they were made."""
    rows = reader.rows("SELECT body FROM scorings WHERE deployment = :name ORDER BY seq", name=deployment)
    return [wire.from_json(Scoring, parse(row["body"])) for row in rows]


def add_labels(tx: Transaction, batch: LabelBatch) -> None:
    tx.write(
        "INSERT INTO label_batches (id, deployment, digest, body) VALUES (:id, :deployment, :digest, :body)",
        id=batch.id,
        deployment=batch.deployment,
        digest=batch.digest,
        body=canonical(wire.to_json(batch)),
    )
    tx.event("labels", batch.id, batch.deployment)


def label_batches(reader: Reader, deployment: str) -> list[LabelBatch]:
    """Label batches in the order they arrived; a later label of the same prediction replaces an earlier one."""
    rows = reader.rows("SELECT body FROM label_batches WHERE deployment = :name ORDER BY seq", name=deployment)
    return [wire.from_json(LabelBatch, parse(row["body"])) for row in rows]


def add_performance(tx: Transaction, performance: Performance) -> None:
    tx.write(
        "INSERT INTO performances (deployment, period, version, run, body)"
        " VALUES (:deployment, :period, :version, :run, :body)",
        deployment=performance.deployment,
        period=performance.period,
        version=performance.version,
        run=performance.run,
        body=canonical(wire.to_json(performance)),
    )
    tx.event("performance", f"{performance.deployment}/{performance.period}", str(performance.version))


def performances(reader: Reader, deployment: str) -> list[Performance]:
    """The newest performance of each scoring, in the order of the scorings."""
    rows = reader.rows(
        "SELECT p.body FROM performances p JOIN scorings s ON s.run = p.run WHERE p.deployment = :name"
        " AND p.seq = (SELECT max(seq) FROM performances WHERE run = p.run) ORDER BY s.seq",
        name=deployment,
    )
    return [wire.from_json(Performance, parse(row["body"])) for row in rows]


def add_drift(tx: Transaction, report: DriftReport) -> None:
    tx.write(
        "INSERT INTO drift_reports (id, deployment, period, run, body) VALUES (:id, :deployment, :period, :run, :body)",
        id=report.id,
        deployment=report.deployment,
        period=report.period,
        run=report.run,
        body=canonical(wire.to_json(report)),
    )
    tx.event("drift", report.id, report.severity)


def drift_reports(reader: Reader, deployment: str) -> list[DriftReport]:
    """Drift reports in the order they were made."""
    rows = reader.rows("SELECT body FROM drift_reports WHERE deployment = :name ORDER BY seq", name=deployment)
    return [wire.from_json(DriftReport, parse(row["body"])) for row in rows]


def add_alert(tx: Transaction, alert: Alert, cause: str) -> bool:
    """Raise an alert, once per (deployment, kind, cause); False if it was raised before."""
    new = tx.write(
        "INSERT INTO alerts (id, deployment, kind, cause, body) VALUES (:id, :deployment, :kind, :cause, :body)"
        " ON CONFLICT (deployment, kind, cause) DO NOTHING",
        id=alert.id,
        deployment=alert.deployment,
        kind=alert.kind,
        cause=cause,
        body=canonical(wire.to_json(alert)),
    )
    if new:
        tx.event("alert", alert.id, alert.severity)
    return bool(new)


def alerts(reader: Reader, deployment: str | None = None) -> list[Alert]:
    """Alerts, oldest first."""
    rows = reader.rows(
        "SELECT body FROM alerts WHERE :name IS NULL OR deployment = :name ORDER BY seq", name=deployment
    )
    return [wire.from_json(Alert, parse(row["body"])) for row in rows]
