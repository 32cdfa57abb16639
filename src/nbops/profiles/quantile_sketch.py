"""Quantiles of any number of rows in bounded memory, mergeable, and the same bytes for the same data.

The KLL sketch (Karnin, Lang & Liberty, "Optimal quantile approximation in streams", FOCS 2016): values of level h
stand for 2ʰ rows each; where the levels hold more than they may, the lowest that is too full is sorted, and every other
value of it goes a level up. Which of two is taken is a coin toss, here one that the data decides.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Exact up to 8192 values, 0.05 % rank error beyond (99 % confidence), at most 197 kB however many rows
K = 8192
_NARROWEST = 8  # a level holds that many at least
_SHORT = struct.Struct("<BBBBHBx")  # words before the values, version, family, flags, K, the narrowest level
_LONG = struct.Struct("<QHBx")  # n, the smallest K of all merged, levels
_FAMILY = 15  # KLL
_EMPTY, _SORTED, _SINGLE = 1, 2, 4  # flags


class QuantileSketch:
    """Of finite float64 values. `n` rows were taken in; `levels` are sorted arrays.

    :meth:`to_bytes` and :meth:`from_bytes` use the format of Apache DataSketches' ``kll_doubles_sketch``, which other
    programs read."""

    def __init__(self) -> None:
        import numpy as np

        self.n = 0
        self.low, self.high = np.inf, -np.inf
        self.levels: list[NDArray[np.float64]] = [np.empty(0)]

    def add(self, x: NDArray[np.float64]) -> None:
        """Take in values; fast where they are nearly in order."""
        if len(x):
            self._take_in([x], len(x), x.min().item(), x.max().item())

    def merge(self, other: QuantileSketch) -> None:
        """Take in what another has seen."""
        self._take_in(other.levels, other.n, other.low, other.high)

    def _take_in(self, levels: list[NDArray[np.float64]], n: int, low: float, high: float) -> None:
        import numpy as np

        self.n += n
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.levels += [np.empty(0) for _ in range(len(levels) - len(self.levels))]
        for level, values in enumerate(levels):
            self._put(level, values)
        self._compact()

    def _put(self, level: int, values: NDArray[np.float64]) -> None:
        import numpy as np

        if len(values):
            held = self.levels[level]
            self.levels[level] = np.sort(np.concatenate([held, values]) if len(held) else values, kind="stable")

    def _compact(self) -> None:
        import numpy as np

        while sum(map(len, self.levels)) > sum(rooms := _rooms(len(self.levels))):
            level = next(h for h, values in enumerate(self.levels) if len(values) > rooms[h])
            if level + 1 == len(self.levels):
                self.levels.append(np.empty(0))
            values = self.levels[level]
            odd = len(values) % 2  # the lowest stays, so that no row is lost
            self.levels[level] = values[:odd].copy()
            self._put(level + 1, values[odd + self._coin(level, values) :: 2])

    def _coin(self, level: int, values: NDArray[np.float64]) -> int:
        return hash((self.n, level, values[len(values) // 2].item())) >> 16 & 1  # of numbers: the same everywhere

    def quantiles(self, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values at `ranks` (each 0 … 1): the lowest that more than that share of the rows doesn't exceed."""
        import numpy as np

        values = np.concatenate(self.levels)
        weights = np.repeat(1 << np.arange(len(self.levels)), [len(level) for level in self.levels])
        order = np.argsort(values, kind="stable")
        up_to = np.cumsum(weights[order])
        at = np.searchsorted(up_to, np.asarray(ranks) * self.n, side="right")
        found: NDArray[np.float64] = values[order][np.minimum(at, len(values) - 1)]
        return found

    def to_bytes(self) -> bytes:
        """Read again by :meth:`from_bytes`."""
        sizes = [len(level) for level in self.levels]
        values = b"".join(level.astype("<f8").tobytes() for level in self.levels)
        if self.n < 2:
            version, flags = (2, _SINGLE) if self.n else (1, _EMPTY)
            return _SHORT.pack(2, version, _FAMILY, flags | _SORTED, K, _NARROWEST) + values
        starts = itertools.accumulate(sizes[:-1], initial=sum(_rooms(len(sizes))) - sum(sizes))
        return b"".join(
            [
                _SHORT.pack(5, 1, _FAMILY, _SORTED, K, _NARROWEST),
                _LONG.pack(self.n, K, len(sizes)),
                struct.pack(f"<{len(sizes)}I2d", *starts, self.low, self.high),
                values,
            ]
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> QuantileSketch:
        """Raises ValueError for what isn't a sketch of this size."""
        import numpy as np

        self = cls()
        try:
            _, _, family, flags, k, _ = _SHORT.unpack_from(content)
            if (family, k) != (_FAMILY, K):
                raise ValueError(f"not a KLL sketch with k = {K}")
            if flags & _EMPTY:
                return self
            if flags & _SINGLE:
                self.add(np.frombuffer(content, "<f8", offset=_SHORT.size))
                return self
            self.n, _, count = _LONG.unpack_from(content, _SHORT.size)
            ends = struct.Struct(f"<{count}I2d")
            *starts, self.low, self.high = ends.unpack_from(content, _SHORT.size + _LONG.size)
        except struct.error as error:
            raise ValueError(f"not a whole KLL sketch: {error}") from None
        values = np.frombuffer(content, "<f8", offset=_SHORT.size + _LONG.size + ends.size)
        self.levels = np.split(values, [start - starts[0] for start in starts[1:]])
        if sum(len(level) << h for h, level in enumerate(self.levels)) != self.n:
            raise ValueError("not a whole KLL sketch: values are missing")
        if not flags & _SORTED:
            self.levels[0] = np.sort(self.levels[0])
        return self


def _rooms(levels: int) -> list[int]:
    """How many values each level may hold: `K` the highest, two thirds of the next each below."""
    depths = range(levels - 1, -1, -1)
    return [max(_NARROWEST, ((K << (depth + 1)) // 3**depth + 1) >> 1) for depth in depths]
