"""A table or array in memory as a file that gives it back: same fingerprint after writing and reading, or not at all.

Written and read back in parts: a table may take most of the memory that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from nbops.core.redaction import redact_text
from nbops.profiles.profiler import parts
from nbops.store.artifacts import ArtifactStore
from nbops.store.data_contents import NUMPY, PARQUET


class NotKept(Exception):  # noqa: N818 - it never leaves the package
    """Why a frame isn't kept, as the end of a sentence that begins with its name."""


def keep_frame(
    artifacts: ArtifactStore, value: Any, digest: str, refused: Callable[[int], str | None]
) -> tuple[str, str, int]:
    """Keep a frame, Series, Arrow table or array with this fingerprint: (form, artifact, size in bytes).

    Parameters
    ----------
    refused : callable
        Why a file of this size is not to be kept; None if it may.

    Raises
    ------
    NotKept
    StoreError
    """
    library = type(value).__module__.partition(".")[0]
    if library not in ("numpy", "pandas", "pyarrow"):
        raise NotKept(f"not kept: a {type(value).__name__} has no form to be kept in")
    with artifacts.writing() as pending:
        try:
            form = _written(value, pending.file, pending.path)
            same = form is not None and _digest(value) == digest
        except Exception as error:  # the values are the user's, and may be anything
            why = redact_text(f"not kept: it can't be written ({type(error).__name__}: {str(error)[:100]})")
            raise NotKept(why) from error
        if form is None or not same:
            raise NotKept("not kept: what was written would not read back the same")
        why_not = refused(pending.path.stat().st_size)
        if why_not is not None:
            raise NotKept(why_not)
    return form, pending.digest, pending.size


def write_parquet(frame: Any, sink: IO[bytes], *, index: bool | None = None) -> None:
    """Write a frame; the same frame gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.Schema.from_pandas(frame, preserve_index=index)  # a column of None in one part is text in another
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for part in parts(frame):
            writer.write_table(pa.Table.from_pandas(part, preserve_index=index).cast(schema))


def _written(value: Any, sink: IO[bytes], path: Path) -> str | None:
    """Write it: the form, or None if it doesn't read back the same."""
    if type(value).__module__.partition(".")[0] == "numpy":
        import numpy as np

        np.save(sink, value, allow_pickle=False)
        sink.flush()
        return NUMPY if _same(np.load(path, mmap_mode="r", allow_pickle=False), value) else None
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = value.to_frame() if not hasattr(value, "columns") else value
    if not isinstance(table, pa.Table):
        write_parquet(table, sink)
    else:
        with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
            for part in parts(table):
                writer.write_table(part, row_group_size=max(1, len(part)))
    sink.flush()
    return PARQUET if _reads_back(path, table) else None


def _reads_back(path: Path, table: Any) -> bool:
    """Part by part, each a row group; what pandas' index is of without being a column is in the file's head."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = (file.read_row_group(i) for i in range(file.num_row_groups))
        if isinstance(table, pa.Table):
            return all(_same(g, part) for g, part in zip(groups, parts(table), strict=True))
        index = file.read(columns=[], use_pandas_metadata=True).to_pandas().index
        if not _same(index, table.index):
            return False
        for group, part in zip(groups, parts(table), strict=True):
            again = group.to_pandas()
            again.index = index[: len(part)]
            if not _same(again, part.set_axis(again.index)):
                return False
    return True


def _same(one: Any, other: Any) -> bool:
    found = _digest(one)
    return found is not None and found == _digest(other)


def _digest(value: Any) -> str | None:
    from nbops.fingerprints.fingerprint import fingerprint

    return fingerprint(value).digest
