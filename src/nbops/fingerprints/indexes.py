"""pandas indexes: names, dtype and labels in order. A RangeIndex is a way to store integers, so it equals the
materialised Index of the same labels; neither is held in full."""

from __future__ import annotations

from typing import Any

from nbops.fingerprints.arrays import object_digest, positions
from nbops.fingerprints.body import Part
from nbops.fingerprints.columns import column_digest
from nbops.fingerprints.streams import CHUNK_BYTES, CHUNK_ROWS, Streams, node
from nbops.fingerprints.values import Items
from nbops.fingerprints.work import NotHashableHonestly, Work


def index_part(index: Any, work: Work) -> Part:
    """The index as a column named ``(index)``."""
    dtype, digest = index_digest(index, work)
    return Part(name="(index)", dtype=dtype, digest=digest)


def index_digest(index: Any, work: Work) -> tuple[str, bytes]:
    """(dtype in words, digest) of an Index or MultiIndex, names included."""
    import pandas as pd

    check_class(index)
    names = [object_digest(name, work) for name in index.names]
    if isinstance(index, pd.MultiIndex):
        levels = [_level(index, i, work) for i in range(index.nlevels)]
        text = f"multiindex[{', '.join(dtype for dtype, _ in levels)}]"
        return text, node("multiindex", len(index), *names, *(raw for level in levels for raw in level))
    if index.dtype == "int64":
        step = _progression(index, work)
        if step is not None:
            return "int64", node("index", "progression", len(index), *step, *names)
    dtype, digest = column_digest(index.array, work)
    return dtype, node("index", dtype, len(index), digest, *names)


def is_default(index: Any) -> bool:
    """Whether it is the index that pandas gives when nobody asks for one."""
    import pandas as pd

    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def labels_digest(labels: Any, work: Work) -> bytes:
    """Of column labels: their values, the names of their levels. Their Index's dtype is not counted: "a" is the
    same name in an Index of str and of object."""
    check_class(labels)
    streams = Streams()
    Items(work, streams).extend(labels.tolist())
    names = [object_digest(name, work) for name in labels.names]
    return streams.digest("labels", len(labels), labels.nlevels, *names)


def check_class(value: Any) -> None:
    """A subclass from elsewhere may carry what we would not see."""
    if type(value).__module__.partition(".")[0] != "pandas":
        raise NotHashableHonestly(f"not fingerprinted: {type(value).__qualname__} is no class of pandas itself")


def _progression(index: Any, work: Work) -> tuple[int, int] | None:
    """(start, step) if the labels are an arithmetic progression, else None."""
    import numpy as np
    import pandas as pd

    length = len(index)
    start = int(index[0]) if length else 0
    step = int(index[1]) - start if length > 1 else 1
    if isinstance(index, pd.RangeIndex):
        return start, step
    if not -(2**62) < start + step * length < 2**62:
        return None
    values, rows = index.to_numpy(), CHUNK_BYTES // 8
    for begin in range(0, length, rows):
        work.check()
        part = values[begin : begin + rows]
        expected = np.arange(len(part), dtype="int64") * step + (start + begin * step)
        if not np.array_equal(part, expected):
            return None
    return start, step


def _level(index: Any, number: int, work: Work) -> tuple[str, bytes]:
    """A level's labels row by row: order and unused entries of the level's own table don't count.
    The stretches of rows are part of the form, so that labels are never held for all rows at once."""
    level, codes = index.levels[number], index.codes[number]
    dtype, _ = column_digest(level[:0].array, work)
    streams = Streams()
    for begin in range(0, len(codes), CHUNK_ROWS):
        part = codes[begin : begin + CHUNK_ROWS]
        streams.put("nulls", positions(part < 0, begin))
        streams.put("stretches", column_digest(level.take(part[part >= 0]).array, work)[1])
    return dtype, streams.digest("level", dtype, len(codes))
