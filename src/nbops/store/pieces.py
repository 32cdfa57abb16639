"""Where a large file is cut, so that two files that are mostly the same have mostly the same pieces.

A cut lies where a rolling hash of the last 32 bytes has `_BITS` zero bits in front, so it depends on what stands there
and not on where it stands: what is inserted moves the rest along without cutting it otherwise. (Content-defined
chunking with a gear hash: Xia et al., "FastCDC", USENIX ATC 2016; here the hash of all positions of a block is computed
at once, by doubling the window.) The table, the sizes and the number of bits are part of the form: other cuts find no
old pieces again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import IO, Any

SMALLEST, LARGEST = 1 << 17, 1 << 21  # bytes of a piece; the last one may be smaller
_BITS = 19  # a cut every 2^19 bytes on average, after the smallest
_WINDOW = 32
_BLOCK = 1 << 19  # bytes hashed at once: the hashes take four times as much and should stay in the core's cache


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a file from where it stands, in pieces of `SMALLEST` to `LARGEST` bytes."""
    rest, cuts, tail = bytearray(), list[int](), b""
    while block := file.read(_BLOCK):
        cuts += [len(rest) + at for at in _cuts(tail, block)]
        rest += block
        tail = (tail + block)[1 - _WINDOW :]
        while (end := _end(cuts, len(rest))) is not None:
            yield bytes(rest[:end])
            del rest[:end]
            cuts = [at - end for at in cuts if at > end]
    if rest:
        yield bytes(rest)


def _end(cuts: list[int], size: int) -> int | None:
    """Where the piece that begins at 0 ends, of `size` bytes that are known; None if that isn't known yet."""
    for at in cuts:
        if at >= SMALLEST:
            return min(at, LARGEST)
    return LARGEST if size >= LARGEST else None


def _cuts(tail: bytes, block: bytes) -> Any:
    """The positions in `block`, which stands behind `tail`, behind which a cut may lie."""
    import numpy as np

    hashed = _gear()[np.frombuffer(tail + block, dtype=np.uint8)]
    width = 1
    while width < _WINDOW:
        hashed[width:] += hashed[:-width] << np.uint32(width)
        width *= 2
    found = np.flatnonzero(hashed[len(tail) :] < np.uint32(1 << (32 - _BITS)))
    return (found + 1).tolist()


@cache
def _gear() -> Any:
    """A random number for each byte."""
    import numpy as np
    from blake3 import blake3

    return np.frombuffer(blake3(b"nbops gear 1").digest(length=1024), dtype="<u4").astype(np.uint32)
