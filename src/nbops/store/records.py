"""Cell records, and what can be asked of them: metrics, data, files, models, artifacts."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.runs import Artifact, CellRecord, Metric, ModelUse
from nbops.core.written import Written, written
from nbops.store import runs
from nbops.store.database import Reader, Transaction


def add(
    tx: Transaction,
    record: CellRecord,
    *,
    series: Iterable[Metric] = (),
    form: Written | None = None,
    cell_text: str | None = None,
) -> str:
    """Keep a record with its projections; return its digest. `series` are the metric values by step,
    of which the record itself holds the last of each name only; `form` is the record's own, if it is written
    already; `cell_text` is the cell's text, redacted: the notebook has it beside the record."""
    form = form or written(record)
    key = {"run": record.run, "seq": record.seq}
    tx.write(
        "INSERT INTO records (run, seq, cell_id, source, digest, body, cell_text)"
        " VALUES (:run, :seq, :cell_id, :source, :digest, :body, :cell_text)",
        **key,
        cell_id=record.cell_id,
        source=record.source,
        digest=form.digest,
        body=form.text,
        cell_text=None if cell_text is None else _storable(cell_text),
    )
    runs.set_params(tx, record.run, dict(record.params))
    plain = [m for m in record.metrics if m.step is None]
    add_metrics(tx, record.run, record.seq, [*series, *plain], _aside(record))
    tx.write_many(
        "INSERT INTO data_uses (run, seq, name, direction, digest, kind)"
        " VALUES (:run, :seq, :name, :direction, :digest, :kind)",
        [
            key | {"name": u.name, "direction": d, "digest": u.fingerprint.digest, "kind": u.fingerprint.kind}
            for d, uses in (("read", record.reads), ("write", record.writes))
            for u in uses
        ]
        + [key | {"name": f.path, "direction": f.mode, "digest": f.digest, "kind": "file"} for f in record.files],
    )
    for artifact in record.artifacts:
        add_artifact(tx, record.run, record.seq, artifact)
    tx.event("record", f"{record.run}/{record.seq}", record.status)
    return form.digest


def _aside(record: CellRecord) -> frozenset[int]:
    """Which metrics (by identity) a run isn't listed with if it can be avoided: they are of a model, and not what its
    judged rows are known by. Most are of the rows that it was fitted on."""
    judged = {(use.digest, name, value) for use in record.models for name, value in use.metrics.items()}
    return frozenset(id(m) for m in record.metrics if m.model is not None and (m.model, m.name, m.value) not in judged)


def _storable(text: str) -> str:
    """With U+FFFD for what no database takes: lone surrogates, and the null byte."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def add_metrics(tx: Transaction, run_id: str, seq: int, metrics: Iterable[Metric], aside: Container[int] = ()) -> None:
    """Add values, in the order in which they were logged; the last of each name is what the run is listed with, of
    those that aren't `aside` (by identity) if there are such."""
    added = list(metrics)
    listed = {m.name: m.value for m in added}
    listed |= {m.name: m.value for m in added if id(m) not in aside}
    tx.write_many(
        "INSERT INTO metrics (run, seq, key, step, value, source, model, data, line)"
        " VALUES (:run, :seq, :key, :step, :value, :source, :model, :data, :line)",
        [
            {
                "run": run_id,
                "seq": seq,
                "key": m.name,
                "step": m.step,
                "value": m.value,
                "source": m.source,
                "model": m.model,
                "data": m.data,
                "line": m.line,
            }
            for m in added
        ],
    )
    tx.write_many(
        "INSERT INTO run_metrics (run, key, value) VALUES (:run, :key, :value)"
        " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
        [{"run": run_id, "key": key, "value": value} for key, value in listed.items()],
    )


def add_artifact(tx: Transaction, run_id: str, seq: int, artifact: Artifact) -> None:
    tx.write(
        "INSERT INTO artifacts (run, seq, name, kind, digest, size, media, about)"
        " VALUES (:run, :seq, :name, :kind, :digest, :size, :media, :about)",
        run=run_id,
        seq=seq,
        name=artifact.name,
        kind=artifact.kind,
        digest=artifact.digest,
        size=artifact.size,
        media=artifact.media,
        about=canonical(artifact.about),
    )


def next_seq(reader: Reader, run_id: str) -> int:
    """The number of the run's next record."""
    row = reader.row("SELECT coalesce(max(seq) + 1, 0) AS n FROM records WHERE run = :run", run=run_id)
    return int(row["n"]) if row else 0


def of_run(reader: Reader, run_id: str) -> list[CellRecord]:
    """A run's records, in order."""
    rows = reader.rows("SELECT body FROM records WHERE run = :run ORDER BY seq", run=run_id)
    return [wire.from_json(CellRecord, parse(row["body"])) for row in rows]


def cell_ids(reader: Reader, run_id: str) -> set[str | None]:
    """The front end's ids of the cells that a run has records of; None where it gave none."""
    rows = reader.rows("SELECT DISTINCT cell_id FROM records WHERE run = :run", run=run_id)
    return {row["cell_id"] for row in rows}


def cell_text(reader: Reader, run_id: str, seq: int) -> str | None:
    """The text of a record's cell as it ran, redacted; None where it wasn't kept (a script's block)."""
    row = reader.row("SELECT cell_text FROM records WHERE run = :run AND seq = :seq", run=run_id, seq=seq)
    return row["cell_text"] if row else None


def get(reader: Reader, run_id: str, seq: int) -> CellRecord | None:
    """One record of a run."""
    body = text(reader, run_id, seq)
    return wire.from_json(CellRecord, parse(body)) if body is not None else None


def digests(reader: Reader, run_id: str) -> dict[int, str]:
    """The digests of a run's records, by number."""
    rows = reader.rows("SELECT seq, digest FROM records WHERE run = :run ORDER BY seq", run=run_id)
    return {row["seq"]: row["digest"] for row in rows}


def text(reader: Reader, run_id: str, seq: int) -> str | None:
    """The canonical text of one record, as kept."""
    row = reader.row("SELECT body FROM records WHERE run = :run AND seq = :seq", run=run_id, seq=seq)
    return row["body"] if row else None


def metrics(reader: Reader, run_id: str) -> list[Metric]:
    """Every metric value of a run, in the order it was logged."""
    rows = reader.rows("SELECT * FROM metrics WHERE run = :run ORDER BY id", run=run_id)
    return [
        Metric(
            name=r["key"],
            value=float("nan") if r["value"] is None else r["value"],  # SQLite keeps NaN as NULL
            step=r["step"],
            source=r["source"],
            model=r["model"],
            data=r["data"],
            line=r["line"],
        )
        for r in rows
    ]


def latest_metrics(reader: Reader, run_ids: list[str]) -> dict[str, dict[str, float]]:
    """For each run, the last value of each metric."""
    found: dict[str, dict[str, float]] = {run_id: {} for run_id in run_ids}
    marks = {f"r{i}": run_id for i, run_id in enumerate(run_ids)}
    if marks:
        for row in reader.rows(
            "SELECT run, key, value FROM run_metrics"
            f" WHERE run IN ({', '.join(':' + m for m in marks)}) ORDER BY run, rowid",
            **marks,
        ):
            found[row["run"]][row["key"]] = float("nan") if row["value"] is None else row["value"]
    return found


def curves(reader: Reader, run_id: str, *, most: int = 1000) -> dict[str, list[tuple[int | None, float]]]:
    """{metric: its (step, value) pairs in the order of steps} of the metrics that were logged more than once. Of a
    longer curve `most` points, evenly chosen, the last among them."""
    found: dict[str, list[tuple[int | None, float]]] = {}
    for row in reader.rows("SELECT key, step, value FROM metrics WHERE run = :run ORDER BY id", run=run_id):
        value = float("nan") if row["value"] is None else row["value"]
        found.setdefault(row["key"], []).append((row["step"], value))
    thin = {}
    for name, points in found.items():
        if len(points) > 1:
            points.sort(key=lambda p: p[0] if p[0] is not None else -1)
            every = max((len(points) - 1) / (most - 1), 1.0)
            chosen = sorted({min(round(i * every), len(points) - 1) for i in range(min(most, len(points)))})
            thin[name] = [points[i] for i in chosen]
    return thin


def artifacts(reader: Reader, run_id: str, kind: str | None = None) -> list[Artifact]:
    rows = reader.rows("SELECT * FROM artifacts WHERE run = :run ORDER BY rowid", run=run_id)
    return [_artifact(r) for r in rows if kind is None or r["kind"] == kind]


def every_artifact(reader: Reader) -> list[tuple[str, str]]:
    """(run, digest) of everything that is said to be kept."""
    return [
        (row["run"], row["digest"]) for row in reader.rows("SELECT DISTINCT run, digest FROM artifacts ORDER BY run")
    ]


def artifact_by_digest(reader: Reader, kind: str, name: str, digest: str) -> Artifact | None:
    """The newest artifact of that kind, name and content, whichever run made it."""
    return _newest(reader, "kind = :kind AND name = :name AND digest = :digest", kind=kind, name=name, digest=digest)


def newest_artifact(reader: Reader, kind: str, name: str) -> Artifact | None:
    """The newest artifact of that kind and name in the whole store."""
    return _newest(reader, "kind = :kind AND name = :name", kind=kind, name=name)


def models(reader: Reader, run_id: str) -> list[ModelUse]:
    """The models of a run, the last of each name; a model logged by name hides the others."""
    latest: dict[str, ModelUse] = {}
    for record in of_run(reader, run_id):
        for model in record.models:
            latest[model.name] = model
    logged = [m for m in latest.values() if m.logged]
    return logged or list(latest.values())


def all_digests(reader: Reader) -> dict[str, Any]:
    """Every record's digest and where it is: {digest: (run, seq)}."""
    return {r["digest"]: (r["run"], r["seq"]) for r in reader.rows("SELECT digest, run, seq FROM records")}


def _newest(reader: Reader, where: str, **params: str) -> Artifact | None:
    row = reader.row(f"SELECT * FROM artifacts WHERE {where} ORDER BY rowid DESC LIMIT 1", **params)
    return _artifact(row) if row else None


def _artifact(row: Any) -> Artifact:
    return Artifact(
        name=row["name"],
        kind=row["kind"],
        digest=row["digest"],
        size=row["size"],
        media=row["media"],
        about=parse(row["about"]),
    )
