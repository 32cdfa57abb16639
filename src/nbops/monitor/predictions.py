"""What stands in a predictions file, so that those who write it and those who join labels to it agree.

One Parquet file a scoring: ``prediction_id``, the deployment's key columns, ``prediction``, for classifiers
``probability_<class>`` of each class, then ``model``, ``version``, ``run``, ``scored_at`` (UTC).

A prediction id is ``<16 hex>-<row>``: the beginning stands for what was scored by what (deployment, model,
version, input), the rest is the row's number in the input (from 0, rejected rows counted). The same input
scored by the same version has the same ids, on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbops.core.canonical import digest, parse
from nbops.core.deployments import Scoring
from nbops.core.errors import InputDataError
from nbops.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    import pyarrow as pa

ID = "prediction_id"
PREDICTION = "prediction"
PROBABILITY = "probability_"
CLASSES = b"nbops.classes"
"""Key of the Parquet schema's metadata that holds the classes, in the order of the probability columns, as
canonical JSON."""
OWN_COLUMNS = (ID, PREDICTION, "model", "version", "run", "scored_at")
_PREFIX_DIGITS = 16


def id_prefix(*, deployment: str, model: str, version: int, input: str) -> str:
    """The beginning that all prediction ids of one scoring share."""
    return digest([deployment, model, version, input]).rpartition(":")[2][:_PREFIX_DIGITS]


def prefix_of(scoring: Scoring) -> str:
    """:func:`id_prefix` of a scoring that was made."""
    return id_prefix(deployment=scoring.deployment, model=scoring.model, version=scoring.version, input=scoring.input)


def profile_name(inputs: tuple[str, ...]) -> str:
    """The prediction's name among the profiled columns: ``prediction``, unless an input is called that."""
    name = PREDICTION
    while name in inputs:
        name += "_"
    return name


def read(artifacts: ArtifactStore, scoring: Scoring, columns: list[str] | None = None) -> pa.Table:
    """The predictions of a scoring, from the artifact store (its output folder need not exist any more).

    Raises
    ------
    UnknownNameError, CorruptArtifactError, InputDataError
        If they aren't kept any more, are damaged, or don't have one of `columns`.
    """
    import pyarrow.parquet as pq

    path = artifacts.verified(scoring.predictions)
    names = pq.read_schema(path).names
    for name in columns or ():
        if name not in names:
            raise InputDataError(
                f"the predictions of {scoring.deployment!r} for {scoring.period!r} have no column {name!r}"
                f" (they have {', '.join(names)}); set it as key of the deployment before scoring"
            )
    return pq.read_table(path, columns=columns)


def classes(table: pa.Table) -> tuple[Any, ...]:
    """The classes whose probabilities a predictions table holds; () for none."""
    kept = (table.schema.metadata or {}).get(CLASSES)
    return tuple(parse(kept.decode())) if kept else ()
