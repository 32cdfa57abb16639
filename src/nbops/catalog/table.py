"""``nbops data profile`` and ``check``: a version's content as a table, summed up, or held against another's contract.

Both need the content, or a profile that was kept of it: of the data a model was trained on there is one. Values of
columns in ``[capture] no_values`` are left out of what is shown, too.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.catalog.content import get
from nbops.catalog.versions import Catalogue
from nbops.core.data_versions import ColumnValues, DataProfile, DataVersion
from nbops.core.errors import CorruptArtifactError, UnknownNameError, UsageError
from nbops.profiles.breaches import check_batch
from nbops.profiles.contract import infer_contract
from nbops.profiles.profile import NUMERIC, ColumnProfile, Profile
from nbops.profiles.profiler import profile_table, to_table
from nbops.workspace import Workspace

_MOST_REASONS = 20
_QUARTILES = (0, 0.25, 0.5, 0.75, 1)
_BATCH_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class ContractCheck:
    """`version` held against what `against` was like: how many rows break that, the first reasons, what is new."""

    version: DataVersion
    against: DataVersion
    rows: int
    bad: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def profile(ws: Workspace, asked: str) -> DataProfile:
    """Counts, quantiles and frequent values of each column.

    Raises
    ------
    UnknownNameError
        If there is no such version, or neither its content nor a profile of it is kept.
    UsageError
        If it is no table.
    """
    version, found, how = _profile(ws, asked)
    return DataProfile(version=version, rows=found.rows, columns=tuple(_values(c) for c in found.columns), how=how)


def whole_profile(ws: Workspace, asked: str) -> Profile:
    """The profile itself, as distributions are compared by it. Raises as :func:`profile` does."""
    return _profile(ws, asked)[1]


def _profile(ws: Workspace, asked: str) -> tuple[DataVersion, Profile, str]:
    catalogue = Catalogue(ws)
    version = catalogue.find(asked)
    kept = catalogue.profile_of(version)
    if kept is not None:
        model, digest = kept
        mine = {column.name for column in catalogue.fingerprint(version).columns}
        with suppress(CorruptArtifactError, UnknownNameError):  # which doctor says: there may be the content
            found = Profile.from_bytes(ws.artifacts.read_bytes(digest))
            columns = tuple(c for c in found.columns if not mine or c.name in mine)  # not the target
            found = dataclasses.replace(found, columns=columns)
            return version, found.withheld(ws.settings.capture.withholds), f"as kept when {model} was trained on it"
    with _table(ws, asked, version) as (table, how):
        return version, profile_table(table).withheld(ws.settings.capture.withholds), how


def _values(column: ColumnProfile) -> ColumnValues:
    numbers = column.type in NUMERIC and column.present > 0 and not column.withheld
    ends = (None, None) if numbers or column.minimum is None else (str(column.minimum), str(column.maximum))
    return ColumnValues(
        name=column.name,
        type=column.type,
        missing=column.nulls + column.nans,
        distinct=column.distinct,
        exact=column.hashes is None,
        quantiles=tuple(column.quantiles(_QUARTILES).tolist()) if numbers else (),
        mean=column.mean if numbers else None,
        frequent=() if numbers else tuple((str(value), count) for value, count in column.values),
        least=ends[0],
        most=ends[1],
        withheld=column.withheld,
    )


def check(ws: Workspace, asked: str, against: str) -> ContractCheck:
    """Hold a version against the contract of another one: its columns, their types, whether values may be missing.

    Raises
    ------
    UnknownNameError, UsageError
        As :func:`profile`, of either.
    InputDataError
        If a column is missing.
    """
    import pyarrow as pa

    reference, known, _ = _profile(ws, against)
    contract = infer_contract(known)
    version = Catalogue(ws).find(asked)
    rows = bad = 0
    reasons: list[str] = []
    warnings: dict[str, None] = {}
    with _table(ws, asked, version) as (table, _):
        for batch in pa.Table.to_batches(to_table(table), max_chunksize=_BATCH_ROWS):
            done = check_batch(contract, batch)
            rows, bad = rows + batch.num_rows, bad + len(done.reasons)
            reasons += done.reasons[: _MOST_REASONS - len(reasons)]
            warnings |= dict.fromkeys(done.warnings)
    return ContractCheck(
        version=version,
        against=reference,
        rows=rows,
        bad=bad,
        reasons=tuple(reasons),
        warnings=tuple(warnings),
    )


@contextmanager
def _table(ws: Workspace, asked: str, version: DataVersion) -> Iterator[tuple[Any, str]]:
    """The content as a frame, and where it is from."""
    import numpy as np
    import pandas as pd

    suffix = (
        Path(version.name).suffix.lower()
        if version.kind == "file"
        else ".npy"
        if "array" in version.kind
        else ".parquet"
    )
    readers: dict[str, Callable[[Path], Any]] = {
        ".csv": pd.read_csv,
        ".tsv": _tsv,
        ".parquet": pd.read_parquet,
        ".pq": pd.read_parquet,
        ".npy": np.load,
    }
    if suffix not in readers:
        raise UsageError(f"{version.ref} is no table that can be read here: {', '.join(readers)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"content{suffix}"
        _, how = get(ws, asked, place)
        found = readers[suffix](place)
        if isinstance(found, np.ndarray):
            flat = found.reshape(len(found), -1) if found.ndim else found.reshape(1, 1)
            found = pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])
        yield found, how


def _tsv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, sep="\t")
