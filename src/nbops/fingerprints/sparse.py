"""scipy sparse matrices and arrays: format, dtype, shape, and the entries in canonical order. The order in which
entries happen to be stored, duplicates yet to be summed and the width of the index integers don't count;
explicitly stored zeros do, for `nnz` sees them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from nbops.fingerprints.arrays import Values, dtype_text
from nbops.fingerprints.body import Body, Part
from nbops.fingerprints.streams import CHUNK_BYTES, Streams, node
from nbops.fingerprints.work import NotHashableHonestly, Work


def of_sparse(matrix: Any, work: Work) -> Body:
    """The fingerprint of a sparse matrix or array. Formats other than csr and csc are hashed through their csr
    form, which takes memory for one more copy."""
    import numpy as np

    kind = type(matrix)
    if kind.__module__.partition(".")[0] != "scipy":
        raise NotHashableHonestly(f"not fingerprinted: {kind.__qualname__} is no class of scipy itself")
    if matrix.ndim != 2:
        raise NotHashableHonestly(f"not fingerprinted: a sparse array of {matrix.ndim} dimension(s)")
    shape = tuple(int(n) for n in matrix.shape)
    by_line = matrix.T if matrix.format == "csc" else matrix.tocsr()
    streams = Streams()
    data = Values(by_line.dtype, work, streams)
    for start, stop in _stretches(by_line.indptr):
        lines = by_line[start:stop]
        lines.sum_duplicates()
        lines.sort_indices()
        streams.put("counts", np.diff(lines.indptr).astype("<i8"))
        streams.put("indices", lines.indices.astype("<i8"))
        data.extend(lines.data)
    dtype = dtype_text(matrix.dtype)
    digest = streams.digest("sparse", kind.__name__, dtype, repr(shape))
    part = Part(name="values", dtype=f"{dtype}, {matrix.format}", digest=digest)
    return Body(kind=kind.__name__, digest=node("sparse", digest), shape=shape, parts=(part,))


def _stretches(starts: Any) -> list[tuple[int, int]]:
    """Ranges of lines of about a chunk's entries each; `starts` is indptr, (n_lines + 1,)."""
    import numpy as np

    lines, per = len(starts) - 1, CHUNK_BYTES // 8
    bounds = np.searchsorted(starts, np.arange(0, int(starts[-1]), per), side="left")
    steps = np.arange(0, lines, per)
    edges = np.unique(np.concatenate([bounds, steps, [0, lines]]))
    return [(int(a), int(b)) for a, b in pairwise(edges)]
