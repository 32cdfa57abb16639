"""How content becomes bytes for BLAKE3, without two contents ever giving the same bytes.

`node` digests a header and parts, each behind its length. A column is not hashed value by value but as a few
parallel *streams* (null positions, lengths, data, …), each hashed apart and joined by a node: where a chunk
ends leaves no trace in any of them, and no value can run into its neighbour. Integers are little-endian.
A change of what is written here needs a new tag (``f2``).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import Any

from blake3 import blake3

FORM = "f1"
CHUNK_BYTES = 1 << 18  # what is looked at twice (NaN, then BLAKE3) stays in the core's cache
CHUNK_ROWS = 1 << 14  # of values without a fixed width
PIECE = 1 << 22  # no encoded copy of a string is larger


def node(kind: str, *parts: bytes | str | int) -> bytes:
    """32 bytes: the digest of `kind` and `parts`, each with its type and length before it."""
    hasher = blake3(FORM.encode())
    for part in (kind, *parts):
        if isinstance(part, str):
            mark, raw = b"s", part.encode("utf-8", "surrogatepass")
        elif isinstance(part, int):
            mark, raw = b"i", str(part).encode()
        else:
            mark, raw = b"b", part
        hasher.update(mark + len(raw).to_bytes(8, "little") + raw)
    return hasher.digest()


def tagged(digest: bytes) -> str:
    """``f1:blake3:<64 hex>``."""
    return f"{FORM}:blake3:{digest.hex()}"


def int64s(numbers: Iterable[int]) -> array[int]:
    """Little-endian 64-bit integers, without numpy."""
    return _little(array("q", numbers if type(numbers) is list else list(numbers)))


def float64s(numbers: Iterable[float]) -> array[float]:
    """Little-endian doubles, without numpy. NaN bits are as they come."""
    return _little(array("d", numbers))


def _little(numbers: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class Streams:
    """Named streams of bytes; `digest` joins them. A stream that got no byte is as if it weren't there."""

    def __init__(self) -> None:
        self._hashers: dict[str, blake3] = {}

    def put(self, stream: str, data: Any) -> None:
        """`data` is a contiguous buffer of any item type."""
        view = memoryview(data)
        if not view.nbytes:
            return
        raw = view.cast("B")
        hasher = self._hashers.get(stream)
        if hasher is None:
            hasher = self._hashers[stream] = blake3()
        hasher.update(raw)

    def digest(self, kind: str, *parts: bytes | str | int) -> bytes:
        named: list[bytes | str | int] = []
        for name in sorted(self._hashers):
            named += [name, self._hashers[name].digest()]
        return node(kind, len(parts), *parts, *named)
