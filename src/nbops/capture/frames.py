"""A table or array in memory as bytes that give it back: same fingerprint after writing and reading, or not at all."""

from __future__ import annotations

import io
from typing import Any

from nbops.store.data_contents import NUMPY, PARQUET


def frame_content(value: Any, digest: str) -> tuple[str, bytes] | str:
    """(form, bytes) of a frame, Series, Arrow table or array with this fingerprint; else why it has none."""
    library = type(value).__module__.partition(".")[0]
    try:
        if library == "numpy":
            held, again = _array(value)
            form = NUMPY
        elif library in ("pandas", "pyarrow"):
            held, again = _table(value)
            form = PARQUET
        else:
            return f"a {type(value).__name__} has no form to be kept in"
        same = again is not None and _digest(again) == digest
    except Exception as error:  # noqa: BLE001 - the values are the user's, and may be anything
        return f"it can't be written ({type(error).__name__}: {str(error)[:100]})"
    return (form, held) if same else "what was written would not read back the same"


def _array(value: Any) -> tuple[bytes, Any]:
    import numpy as np

    sink = io.BytesIO()
    np.save(sink, value, allow_pickle=False)
    return sink.getvalue(), np.load(io.BytesIO(sink.getvalue()), allow_pickle=False)


def _table(value: Any) -> tuple[bytes, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    if isinstance(value, pa.Table):
        pq.write_table(value, sink, compression="zstd")
        return sink.getvalue(), pq.read_table(io.BytesIO(sink.getvalue()))
    frame = value.to_frame() if not hasattr(value, "columns") else value
    pq.write_table(pa.Table.from_pandas(frame), sink, compression="zstd")
    again = pq.read_table(io.BytesIO(sink.getvalue())).to_pandas()
    if frame is value:
        return sink.getvalue(), again
    return sink.getvalue(), again.iloc[:, 0].rename(value.name)


def _digest(value: Any) -> str | None:
    from nbops.fingerprints.fingerprint import fingerprint

    return fingerprint(value).digest
