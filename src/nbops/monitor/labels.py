"""Labels that arrive late, joined to the predictions they belong to.

A label file names its rows by ``prediction_id``, or by the deployment's key columns (``key`` in nbops.toml); then
a label counts for every version that scored the row. Rules:

* a row without a label (empty) isn't known yet and is left out;
* where a file has a row twice, the later line wins;
* what belongs to no prediction is counted (``matched`` < ``rows``) and not kept: add the file again after the
  rows were scored;
* adding the same file again changes nothing and gives the same batch;
* between batches, the later label of a prediction replaces the earlier one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbops.core.deployments import LabelBatch, Scoring
from nbops.core.errors import InputDataError, suggestion
from nbops.core.ids import new_id
from nbops.datafiles import read as datafiles
from nbops.monitor import predictions
from nbops.store import deployments, models
from nbops.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "label"


def add_labels(ws: Workspace, deployment_name: str, file: str | Path, *, column: str = LABEL) -> LabelBatch:
    """Keep the labels in a file.

    Parameters
    ----------
    ws : Workspace
    deployment_name : str
    file : path
        CSV, TSV or Parquet.
    column : str
        The column that holds the label.

    Returns
    -------
    LabelBatch
        `rows`: labels in the file; `matched`: predictions that got one (with key columns, a label may belong to
        the predictions of several versions).

    Raises
    ------
    UnknownNameError
        For an unknown deployment.
    InputDataError
        If the file can't be read, lacks a column, has no label, one of the wrong type, or none that belongs to
        a prediction.
    """
    deployment = deployments.get(ws.store, deployment_name)
    path = datafiles.find_files([file])[0]
    scorings = deployments.scorings(ws.store, deployment.name)
    if not scorings:
        raise InputDataError(f"{path}: {deployment.name!r} has scored nothing yet; labels belong to predictions")
    keys = ws.settings.deployment(deployment.name).key
    by = _row_names(path, column, keys)
    labels = _read(path, column, by, _is_numeric(ws, scorings[-1]))
    found = _by_id(ws, scorings, labels) if by == [predictions.ID] else _by_key(ws, scorings, labels, by, path)
    if not found.num_rows:
        raise InputDataError(
            f"{path}: none of the {labels.num_rows} labels belongs to a prediction of {deployment.name!r}"
            f" (matched by {', '.join(by)}); is it another deployment's, or is the data not scored yet?"
        )
    with ws.artifacts.writing() as pending:
        import pyarrow.parquet as pq

        pq.write_table(found, pending.file)
    batch = LabelBatch(
        id=new_id(),
        deployment=deployment.name,
        digest=pending.digest,
        rows=labels.num_rows,
        matched=found.num_rows,
        added_at=ws.clock.now(),
    )
    with ws.store.transaction() as tx:
        for known in deployments.label_batches(tx, deployment.name):
            if known.digest == batch.digest:
                return known
        deployments.add_labels(tx, batch)
    return batch


def known_labels(ws: Workspace, deployment_name: str) -> pa.Table | None:
    """Every label known by now, one row a prediction: ``prediction_id``, ``label``; None if there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = deployments.label_batches(ws.store, deployment_name)
    if not batches:
        return None
    tables = [pq.read_table(ws.artifacts.verified(batch.digest)) for batch in batches]
    return _last_wins(pa.concat_tables(tables, promote_options="permissive"), [predictions.ID])


def _row_names(path: Path, column: str, keys: tuple[str, ...]) -> list[str]:
    """The columns that say which prediction a label belongs to."""
    names = datafiles.columns(path)
    if column not in names:
        raise InputDataError(
            f"{path}: there is no label column {column!r}{suggestion(column, names)}; name it with --column"
        )
    if predictions.ID in names:
        return [predictions.ID]
    missing = [key for key in keys if key not in names]
    if keys and not missing:
        return list(keys)
    lacks = f"it lacks the key column {missing[0]!r}" if keys else "the deployment has no key columns in nbops.toml"
    raise InputDataError(
        f"{path}: the file has no column {predictions.ID!r}, and {lacks}; its columns are {', '.join(names)}"
    )


def _is_numeric(ws: Workspace, scoring: Scoring) -> bool:
    return models.get(ws.store, scoring.model, scoring.version).signature.task == "regression"


def _read(path: Path, column: str, by: list[str], numeric: bool) -> pa.Table:
    """The file's labels: the columns of `by`, and ``label``; each row once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    none = InputDataError(f"{path}: there is no label in the column {column!r}; add the file when there are some")
    parts = [batch.select([*by, column]) for batch in datafiles.batches(path)]
    if not parts:
        raise none
    table = pa.Table.from_batches(parts).rename_columns([*by, LABEL])
    values = table[LABEL].combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if numeric:
        try:
            values = values.cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputDataError(
                f"{path}: the label column {column!r} is not numeric ({str(error).splitlines()[0]});"
                " the model predicts numbers: correct the file"
            ) from error
    table = table.set_column(len(by), LABEL, values)
    table = table.filter(pc.invert(pc.is_null(table[LABEL], nan_is_null=numeric)))
    if not table.num_rows:
        raise none
    return _last_wins(table, by)


def _last_wins(table: pa.Table, by: list[str]) -> pa.Table:
    """One row per value of `by`, the last; sorted by it, so that the same labels are the same bytes."""
    import numpy as np
    import pyarrow as pa

    numbered = table.append_column("__row", pa.array(np.arange(table.num_rows)))
    last = numbered.group_by(by, use_threads=False).aggregate([("__row", "max")])["__row_max"]
    return table.take(last).sort_by([(name, "ascending") for name in by])


def _by_id(ws: Workspace, scorings: list[Scoring], labels: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = labels[predictions.ID].cast(pa.string())
    prefixes = set(pc.unique(pc.utf8_slice_codeunits(ids, 0, 16)).to_pylist())
    known = [
        predictions.read(ws.artifacts, scoring, [predictions.ID])[predictions.ID]
        for scoring in scorings
        if predictions.prefix_of(scoring) in prefixes
    ]
    if not known:
        return labels.slice(0, 0)
    table = pa.table({predictions.ID: ids, LABEL: labels[LABEL]})
    return table.filter(pc.is_in(ids, value_set=pa.chunked_array([c for k in known for c in k.chunks])))


def _by_key(ws: Workspace, scorings: list[Scoring], labels: pa.Table, by: list[str], path: Path) -> pa.Table:
    import pyarrow as pa

    found = []
    for scoring in scorings:
        scored = predictions.read(ws.artifacts, scoring, [predictions.ID, *by])
        mine = labels
        for place, name in enumerate(by):
            try:
                mine = mine.set_column(place, name, _as(labels[name], scored.schema.field(name).type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise InputDataError(
                    f"{path}: the key column {name!r} can't be compared with that of the predictions"
                    f" ({str(error).splitlines()[0]}); write both in the same form"
                ) from error
        joined = scored.join(mine, keys=by, join_type="inner", use_threads=False)
        found.append(joined.select([predictions.ID, LABEL]))
    return pa.concat_tables(found).sort_by(predictions.ID).combine_chunks()


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Key values in the type that the predictions have them in. A dictionary can't be joined on."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind)
