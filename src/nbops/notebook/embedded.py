"""The records a notebook carries in its own outputs.

A tracked cell's output holds its record under the MIME type `MIME`, so the file proves what it shows after
papermill, git and mail. The payload is the record's canonical form, encoded, with its digest beside it::

    {"record": {…}, "digest": "j1:sha256:…"}

A browser that saves the notebook rewrites its JSON; the encoding (:mod:`nbops.core.canonical`) is made so
that the digest still holds. A payload takes at most `LIMIT` bytes; what :func:`fit` leaves out is named in the
record's notes and kept in the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nbops.core import canonical, wire
from nbops.core.errors import NbopsError, NotebookError
from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.runs import RECORD_FORMAT, CellRecord, DataUse, Metric
from nbops.core.written import Written, written
from nbops.notebook.files import Notebook

MIME = "application/vnd.nbops.record.v1+json"
LIMIT = 32_000
"""Bytes a payload may take, counted in its widest one-line form (ASCII, a space after commas and colons)."""

LEFT_OUT_NOTE = "left out here to keep the notebook small"
"""How the note of a shortened record begins."""

_LONG = 200  # characters of a value's text above which `fit` may leave the value out
_FEW = 20  # entries of each list that `fit` keeps when lists must be shortened
_SENTENCE = 500  # characters of an error or note

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EmbeddedRecord:
    """A payload as found. `cell_index` counts all cells from 0; `source` is the cell's source as it is now."""

    cell_index: int
    cell_id: str | None
    source: str
    payload: Mapping[str, Any]


def embedded(notebook: Notebook) -> list[EmbeddedRecord]:
    """The payloads in the notebook's outputs, in the order of its cells. They are not checked."""
    found = []
    for cell in notebook.code_cells():
        for output in cell.outputs:
            data = output.get("data")
            if output.get("output_type") not in ("display_data", "execute_result") or not isinstance(data, dict):
                continue
            if isinstance(payload := data.get(MIME), dict):
                found.append(
                    EmbeddedRecord(cell_index=cell.index, cell_id=cell.id, source=cell.source, payload=payload)
                )
    return found


def payload_for(record: CellRecord) -> dict[str, Any]:
    """The payload of a record, whatever its size: see :func:`fit`."""
    return payload_of(written(record))


def payload_of(form: Written) -> dict[str, Any]:
    """The payload of a record that has been written."""
    return {"record": form.encoded, "digest": form.digest}


def check(payload: Mapping[str, Any]) -> bool:
    """Whether the payload's record is, to the last bit, the one its digest was made of."""
    try:
        text = canonical.dump_encoded(payload["record"])
        return bool(canonical.digest_text(text) == payload["digest"])
    except (KeyError, TypeError, ValueError, RecursionError):  # not of the shape, NaN, a lone surrogate
        return False


def record_from(payload: Mapping[str, Any]) -> CellRecord:
    """The record in a payload. The digest is not looked at: :func:`check` does.

    Raises
    ------
    NotebookError
        Where the payload holds no record, or one of a newer nbops.
    """
    try:
        data = canonical.decode(payload["record"])
        written = data.get("format", RECORD_FORMAT)
        if isinstance(written, int) and written > RECORD_FORMAT:
            raise NotebookError(
                f"the embedded record has format {written}, this nbops reads up to {RECORD_FORMAT}; "
                "upgrade nbops to read it"
            )
        return wire.from_json(CellRecord, data)
    except NbopsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NotebookError(
            f"an embedded record can't be read ({type(error).__name__}: {error}); run its cell again"
        ) from None


def size(record: CellRecord) -> int:
    """Bytes that the record's payload takes, in the form that `LIMIT` counts."""
    return len(json.dumps(payload_for(record)))


def fit(record: CellRecord) -> CellRecord:
    """The record as :func:`fitted` gives it."""
    return fitted(record)[0]


def fitted(record: CellRecord) -> tuple[CellRecord, Written]:
    """The record, and its canonical form, with as little left out as its payload needs to take at most `LIMIT` bytes.

    Left out in this order, until it fits; a note in the record names what was:

    1. the digests of single columns (each fingerprint's own digest stays);
    2. parameter values of more than 200 characters, of cells and models;
    3. names and types of columns (shapes stay);
    4. all but the last step of each metric, and all but the last 20 metrics;
    5. the parameters and signatures of models, what artifacts say about themselves;
    6. all but the first 20 of every list, and of the parameters;
    7. everything but the run, the cell, its source digest, times, status and error.
    """
    form = written(record)
    if _fits(form):
        return record, form
    smaller, left_out = record, []
    for what, step in _STEPS:
        shorter = step(smaller)
        if shorter == smaller:
            continue
        left_out.append(what)
        smaller = shorter
        note = f"{LEFT_OUT_NOTE}: {'; '.join(left_out)}; the detail is in the store"
        noted = replace(smaller, notes=(*smaller.notes, note))
        form = written(noted)
        if _fits(form):
            break
    return noted, form


def _fits(form: Written) -> bool:
    # nearly every record is so small that it need not be written once more to be measured
    if form.text.isascii() and 2 * len(form.text) + 200 <= LIMIT:
        return True
    return len(json.dumps(payload_of(form))) <= LIMIT


def _without_column_digests(record: CellRecord) -> CellRecord:
    return _fingerprints(
        record,
        lambda f: replace(f, columns=tuple(Column(name=c.name, dtype=c.dtype, digest="") for c in f.columns)),
    )


def _without_columns(record: CellRecord) -> CellRecord:
    return _fingerprints(record, lambda f: replace(f, columns=()))


def _fingerprints(record: CellRecord, change: Callable[[Fingerprint], Fingerprint]) -> CellRecord:
    def changed(uses: tuple[DataUse, ...]) -> tuple[DataUse, ...]:
        return tuple(replace(use, fingerprint=change(use.fingerprint)) for use in uses)

    return replace(record, reads=changed(record.reads), writes=changed(record.writes))


def _without_long_values(record: CellRecord) -> CellRecord:
    def short(params: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in params.items() if len(str(value)) <= _LONG}

    models = tuple(replace(model, params=short(model.params)) for model in record.models)
    return replace(record, params=short(record.params), models=models)


def _last_metrics(record: CellRecord) -> CellRecord:
    last: dict[tuple[str, str | None, str | None], Metric] = {}
    for metric in record.metrics:
        key = (metric.name, metric.model, metric.data)
        last.pop(key, None)  # so that a name's place is that of its last step
        last[key] = metric
    return replace(record, metrics=tuple(last.values())[-_FEW:])


def _plain_models(record: CellRecord) -> CellRecord:
    return replace(
        record,
        models=tuple(replace(model, params={}, signature=None) for model in record.models),
        artifacts=tuple(replace(artifact, about={}) for artifact in record.artifacts),
    )


def _first_few(record: CellRecord) -> CellRecord:
    def few(items: tuple[T, ...]) -> tuple[T, ...]:
        return items[:_FEW]

    return replace(
        record,
        reads=few(record.reads),
        writes=few(record.writes),
        params=dict(list(record.params.items())[:_FEW]),
        metrics=few(record.metrics),
        models=few(record.models),
        files=few(record.files),
        artifacts=few(record.artifacts),
        notes=tuple(note[:_SENTENCE] for note in few(record.notes)),
        uncacheable=few(record.uncacheable),
        error=_cut(record.error),
    )


def _bare(record: CellRecord) -> CellRecord:
    return CellRecord(
        run=record.run,
        seq=record.seq,
        cell_id=record.cell_id,
        source=record.source,
        execution_count=record.execution_count,
        status=record.status,
        error=_cut(record.error),
        seconds=record.seconds,
        overhead_s=record.overhead_s,
        peak_memory_mb=record.peak_memory_mb,
        started_at=record.started_at,
        format=record.format,
    )


def _cut(error: str | None) -> str | None:
    return error if error is None or len(error) <= _SENTENCE else error[: _SENTENCE - 1] + "…"


_STEPS: tuple[tuple[str, Callable[[CellRecord], CellRecord]], ...] = (
    ("digests of single columns", _without_column_digests),
    ("long parameter values", _without_long_values),
    ("names and types of columns", _without_columns),
    ("earlier metrics", _last_metrics),
    ("parameters and signatures of models", _plain_models),
    (f"entries beyond the first {_FEW}", _first_few),
    ("reads, writes, parameters, metrics, models, files", _bare),
)
