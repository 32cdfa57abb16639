"""The rows a model was trained on, found again where they still are.

Nothing keeps training rows. But the files that the kernel read may be unchanged: what is read from them now is the
training frame if, and only if, it has the digest that was taken at the fit. Two ways to the frame are tried: the
file's own rows, and those without the evaluation rows (a split in order: by time, by file position). A shuffled split
can't be found again this way; then the rows are not known, which is what the answer says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.core.errors import NbopsError
from nbops.core.runs import FileUse, ModelUse
from nbops.lineage.history import History
from nbops.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 200_000_000
_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_table", ".feather": "read_feather"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows with the inputs' columns, and the target's where the file has it. `path` is the file they are from."""

    frame: pd.DataFrame
    path: str


def evaluation_rows(ws: Workspace, use: ModelUse) -> pd.DataFrame | None:
    """The kept rows that a model was judged on: the inputs, then the target; None where none were kept."""
    import pandas as pd

    if use.evaluation is None:
        return None
    try:
        return pd.read_parquet(ws.artifacts.verified(use.evaluation))
    except (NbopsError, ValueError, OSError):
        return None


def training_rows(ws: Workspace, past: History, use: ModelUse, judged: pd.DataFrame) -> Rows | None:
    """The rows that a model was fitted on, verified by the digest of its inputs; None where they can't be had."""
    if use.trained_on is None:
        return None
    inputs = [str(name) for name in judged.columns[:-1]]
    for file in _read_by(past):
        table = _table(ws, file)
        if table is None or not set(inputs) <= set(map(str, table.columns)):
            continue
        for rows in (table, _without(table, judged)):
            if rows is not None and _digest(rows[inputs]) == use.trained_on:
                target = [c for c in judged.columns[-1:] if c in rows.columns]
                return Rows(frame=rows[[*inputs, *target]], path=file.path)
    return None


def shared(trained: pd.DataFrame, judged: pd.DataFrame) -> tuple[int, int, float]:
    """How many judged rows are among the trained ones.

    Returns
    -------
    rows : int
        Judged rows that have an equal among the trained ones.
    distinct : int
        The same, with equal judged rows counted once.
    expected : float
        How many pairs of equal rows there would be by coincidence: as if the two were a random split of rows that
        repeat as often as the trained ones do among themselves,
        ``(equal pairs in trained + 1) * 2 * n_judged / (n_trained - 1)``.
    """
    import pandas as pd

    columns = [c for c in judged.columns if c in trained.columns]
    mine = pd.util.hash_pandas_object(trained[columns], index=False).value_counts()
    theirs = pd.util.hash_pandas_object(judged[columns].astype(trained[columns].dtypes), index=False)
    found = theirs.map(mine).fillna(0)
    repeated = float((mine * (mine - 1) / 2).sum())
    expected = (repeated + 1) * 2 * len(judged) / max(1, len(trained) - 1)
    return int((found > 0).sum()), int(theirs[found > 0].nunique()), expected


def _read_by(past: History) -> list[FileUse]:
    found = [f for e in past.executions for f in e.record.files if f.mode == "read" and f.digest is not None]
    return list({f.digest: f for f in found if (f.size or 0) <= MOST_BYTES}.values())


def _table(ws: Workspace, file: FileUse) -> pd.DataFrame | None:
    """The file as pandas reads it without being told more, if it is what was read then."""
    import pandas as pd

    from nbops.fingerprints.fingerprint import fingerprint

    place = ws.root / file.path
    reader = _READERS.get(Path(file.path).suffix.lower())
    if reader is None or not place.is_file():
        return None
    try:
        if fingerprint(place).digest != file.digest:
            return None
        found = getattr(pd, reader)(place)
    except (NbopsError, ValueError, OSError):
        return None
    return found if isinstance(found, pd.DataFrame) and found.columns.is_unique else None


def _without(table: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame | None:
    """The rows of a file that are none of the judged ones; None where it can't be told which those are."""
    import pandas as pd

    columns = list(judged.columns)
    if not set(columns) <= set(table.columns):
        return None
    try:
        theirs = pd.util.hash_pandas_object(judged.astype(table[columns].dtypes), index=False)
    except (ValueError, TypeError):
        return None
    mine = pd.util.hash_pandas_object(table[columns], index=False)
    inside = mine.isin(theirs)
    return table[~inside] if int(inside.sum()) == len(judged) else None


def _digest(frame: pd.DataFrame) -> str | None:
    from nbops.fingerprints.fingerprint import fingerprint

    return fingerprint(frame).digest
