"""Realised performance: the error of each scoring, from the labels known by now.

Labels come late and in parts, so a scoring's performance is written again whenever more of its rows have a label
or a label was corrected; the newest one counts, the older ones stay as history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbops.core.deployments import Performance, Scoring
from nbops.metrics import known, realised
from nbops.metrics.compute import compute
from nbops.monitor import labels, predictions
from nbops.store import deployments, models
from nbops.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


def update(ws: Workspace, deployment_name: str) -> tuple[Performance, ...]:
    """Compute what new labels have changed.

    Returns
    -------
    tuple of Performance
        Those written now, in the order of the scorings; empty if nothing has changed. All are in
        :func:`nbops.store.deployments.performances`.

    Raises
    ------
    UnknownNameError
        For an unknown deployment.
    CorruptArtifactError
        If predictions or labels are damaged.
    """
    import pyarrow.compute as pc

    deployments.get(ws.store, deployment_name)
    table = labels.known_labels(ws, deployment_name)
    if table is None:
        return ()
    prefixes = pc.utf8_slice_codeunits(table[predictions.ID], 0, 16)
    labelled = set(pc.unique(prefixes).to_pylist())
    found = []
    for scoring in deployments.scorings(ws.store, deployment_name):
        prefix = predictions.prefix_of(scoring)
        if prefix in labelled:
            performance = _of(ws, scoring, table.filter(pc.equal(prefixes, prefix)))
            if performance is not None:
                found.append(performance)
    if not found or not _changed(found, deployments.performances(ws.store, deployment_name)):
        return ()
    with ws.store.transaction() as tx:
        written = _changed(found, deployments.performances(tx, deployment_name))
        for performance in written:
            deployments.add_performance(tx, performance)
    return tuple(written)


def _changed(found: list[Performance], known: list[Performance]) -> list[Performance]:
    last = {p.run: (p.rows, dict(p.metrics)) for p in known}
    return [p for p in found if last.get(p.run) != (p.rows, dict(p.metrics))]


def _of(ws: Workspace, scoring: Scoring, mine: pa.Table) -> Performance | None:
    import pyarrow as pa

    scored = predictions.read(ws.artifacts, scoring)
    both = scored.cast(_joinable(scored.schema)).join(
        mine.cast(pa.schema([(predictions.ID, pa.string()), mine.schema.field(labels.LABEL)])),
        keys=predictions.ID,
        join_type="inner",
        use_threads=False,
    )
    if not both.num_rows:
        return None
    both = both.sort_by(predictions.ID)
    task = models.get(ws.store, scoring.model, scoring.version).signature.task
    return Performance(
        deployment=scoring.deployment,
        period=scoring.period,
        version=scoring.version,
        run=scoring.run,
        rows=both.num_rows,
        scored=scored.num_rows,
        metrics=_metrics(both, task, predictions.classes(scored), ws.settings.deployment(scoring.deployment).metric),
        at=ws.clock.now(),
    )


def _metrics(both: pa.Table, task: str, classes: tuple[Any, ...], wished: str | None) -> dict[str, float]:
    """The usual metrics of the task, and the one that decides for this deployment."""
    import numpy as np
    import pyarrow as pa

    prediction, label = both[predictions.PREDICTION], both[labels.LABEL]
    probabilities = None
    if task == "regression":
        truth: Any = label.cast(pa.float64()).to_numpy().astype("float64")
        said: Any = prediction.cast(pa.float64()).to_numpy()
        found = realised.regression(truth, said)
    else:
        names = [name for name in both.column_names if name.startswith(predictions.PROBABILITY)]
        if names:
            probabilities = np.column_stack([both[name].to_numpy() for name in names])
        truth, said = _classes(label, prediction.type), prediction.to_pylist()
        found = realised.classification(truth, said, probabilities, classes if names else ())
    if wished and known.known(wished) and (name := known.full_name(wished)) not in found:
        found[name] = compute(name, truth, said, probabilities, classes)
    return found


def _classes(label: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    """Labels as the model names its classes; one that can't be that stays as it is, and is simply wrong."""
    import pyarrow as pa

    try:
        return list(label.cast(kind).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        made = []
        for value in label.to_pylist():
            try:
                made.append(pa.scalar(value).cast(kind).as_py())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                made.append(value)
        return made


def _joinable(schema: pa.Schema) -> pa.Schema:
    """The schema without dictionaries, which a join can't carry."""
    import pyarrow as pa

    return pa.schema(
        [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema], schema.metadata
    )
