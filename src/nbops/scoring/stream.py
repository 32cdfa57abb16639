"""One pass over the input: screen, predict, profile, write; nothing of it visible yet.

Predictions, quarantine and profile go to the artifact store, where nobody finds them until a scoring names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.core.canonical import canonical
from nbops.core.errors import InputDataError
from nbops.core.models import ModelVersion
from nbops.datafiles import read as datafiles
from nbops.monitor import predictions as stored
from nbops.profiles.contract import Contract
from nbops.profiles.profiler import Profiler
from nbops.scoring import screening
from nbops.scoring.prediction import Predictions, finite, predict
from nbops.scoring.quarantine import Quarantine
from nbops.store.artifacts import ArtifactStore, PendingArtifact

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be scored, by what, and what goes with each row. Of columns that `withholds` says the profile has no
    values."""

    files: Sequence[Path]
    model: Any
    version: ModelVersion
    contract: Contract
    keys: tuple[str, ...]
    prefix: str  # of the prediction ids
    run: str
    scored_at: datetime
    withholds: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """Digests of what was kept, and how many rows there were. `quarantine` is None if every row was good."""

    predictions: str
    predictions_size: int
    quarantine: str | None
    quarantine_size: int
    profile: str
    rows: int
    rejected: int


def stream(task: Task, artifacts: ArtifactStore, progress: Callable[[int], None] | None = None) -> Streamed:
    """Score every row.

    Parameters
    ----------
    progress : callable, optional
        Called after each batch with the number of rows read so far.

    Raises
    ------
    InputDataError
        If the input is not what the model was made for.
    ExecutionError
        If the model fails.
    StoreFullError, StoreReadOnlyError
        If nothing can be kept.
    """
    profiler = Profiler()
    with Quarantine(artifacts) as quarantine, artifacts.writing() as pending:
        writer = _Writer(task, pending)
        read = 0
        try:
            columns: set[str] | None = None
            for file in task.files:
                names = datafiles.columns(file)
                screening.require_columns(file, names, task.contract, task.keys)
                if columns is not None and set(names) != columns:
                    other = sorted(columns.symmetric_difference(names))[0]
                    raise InputDataError(
                        f"{file}: the column {other!r} is in one file of the input only; all files need the same"
                        " columns, or score them one by one"
                    )
                columns = set(names)
                read += _file(task, file, names, read, writer, quarantine, profiler, progress)
            if not read:
                raise InputDataError(f"{_named(task.files)}: there are no rows to score; check how the file was made")
        finally:
            writer.close()
    return Streamed(
        predictions=pending.digest,
        predictions_size=pending.size,
        quarantine=quarantine.digest,
        quarantine_size=quarantine.size,
        profile=artifacts.put_bytes(profiler.profile().withheld(task.withholds).to_bytes()),
        rows=writer.rows,
        rejected=quarantine.rows,
    )


def _file(
    task: Task,
    file: Path,
    names: list[str],
    before: int,
    writer: _Writer,
    quarantine: Quarantine,
    profiler: Profiler,
    progress: Callable[[int], None] | None,
) -> int:
    """Score one file; `before` rows of the input came before it. The number of its rows, malformed ones too."""
    import numpy as np

    malformed: list[datafiles.MalformedLine] = []
    at = 0
    for batch in datafiles.batches(file, malformed):
        if not at:
            screening.require_types(file, batch, task.contract)
        checked = screening.screen(task.contract, batch)
        good = np.flatnonzero(checked.mask)
        if checked.reasons:
            bad = np.flatnonzero(~checked.mask)
            quarantine.add(file, batch.take(bad), (at + bad).tolist(), checked.reasons)
        if len(good):
            made = predict(task.model, checked.good.to_pandas())
            usable = finite(made.values)
            inputs = checked.good
            if not usable.all():
                reasons = [f"the prediction is {value!r}" for value in made.values[~usable].tolist()]
                quarantine.add(file, batch.take(good[~usable]), (at + good[~usable]).tolist(), reasons)
                inputs, good, made = inputs.filter(usable), good[usable], _only(made, usable)
            writer.add(batch.take(good), before + at + good, made)
            name = stored.profile_name(tuple(inputs.schema.names))
            profiler.add(inputs.append_column(name, _as_arrow(made.values)))
        at += batch.num_rows
        if progress is not None:
            progress(before + at)
    if malformed:
        quarantine.add_malformed(file, names, malformed)
    return at + len(malformed)


class _Writer:
    """Writes predictions as Parquet; the schema is that of the first batch."""

    def __init__(self, task: Task, pending: PendingArtifact) -> None:
        self.rows = 0
        self._task, self._pending = task, pending
        self._writer: Any = None
        self._schema: Any = None

    def add(self, rows: pa.RecordBatch, numbers: Any, made: Predictions) -> None:
        import pyarrow as pa

        task, n = self._task, len(numbers)
        columns: dict[str, Any] = {stored.ID: pa.array([f"{task.prefix}-{number}" for number in numbers.tolist()])}
        typed = {c.name: c.type for c in task.contract.columns}
        for key in task.keys:
            columns[key] = _key(rows.column(key), typed.get(key))
        columns[stored.PREDICTION] = _as_arrow(made.values)
        if made.probabilities is not None:
            for place, name in enumerate(made.classes):
                columns[f"{stored.PROBABILITY}{name}"] = pa.array(made.probabilities[:, place])
        columns["model"] = pa.repeat(task.version.name, n)
        columns["version"] = pa.repeat(task.version.number, n)
        columns["run"] = pa.repeat(task.run, n)
        columns["scored_at"] = pa.repeat(pa.scalar(task.scored_at, pa.timestamp("us", tz="UTC")), n)
        self._write(pa.table(columns), made.classes)
        self.rows += n

    def close(self) -> None:
        """Finish the file. If every row was rejected it has no rows and the columns that are always there."""
        import pyarrow as pa

        if self._writer is None:
            kind = pa.float64() if self._task.version.signature.task == "regression" else pa.string()
            self._write(pa.table({stored.ID: pa.array([], pa.string()), stored.PREDICTION: pa.array([], kind)}), ())
        self._writer.close()

    def _write(self, table: pa.Table, classes: tuple[Any, ...]) -> None:
        import pyarrow.parquet as pq

        if self._writer is None:
            metadata = {stored.CLASSES: canonical(list(classes)).encode()} if classes else None
            self._schema = table.schema.with_metadata(metadata)
            self._writer = pq.ParquetWriter(self._pending.file, self._schema)
        self._writer.write_table(table.cast(self._schema))


def _key(column: pa.Array, kind: str | None) -> pa.Array:
    """A key column as it is written: plain values, and numbers where the signature says so."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind == "integer":
        return column.cast(pa.float64()).cast(pa.int64())
    return column.cast(pa.float64()) if kind == "number" else column


def _only(made: Predictions, kept: Any) -> Predictions:
    probabilities = made.probabilities[kept] if made.probabilities is not None else None
    return Predictions(values=made.values[kept], probabilities=probabilities, classes=made.classes)


def _as_arrow(values: Any) -> pa.Array:
    import pyarrow as pa

    array = pa.array(values)
    return array.cast(pa.float64()) if pa.types.is_floating(array.type) else array


def _named(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
