"""How many values are different? The smallest hashes tell (k minimum values).

If the k-th smallest of all hashes, spread evenly over 0 … 1, is h, about (k - 1) / h values are different.
Of k = 1024 hashes, 8 kB, the standard error is 1 / sqrt(k - 2) = 3 %. Merging is a union.

References
----------
Beyer, Haas, Reinwald, Sismanis, Gemulla: On synopses for distinct-value estimation, SIGMOD 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

K = 1024
_PART = 32 * K


def hashes_of(values: pa.Array) -> NDArray[np.uint64]:
    """Well-mixed 64-bit hashes, the same in every process. Numbers by value: 1, 1.0 and True are one."""
    import numpy as np
    import pyarrow as pa

    kind = values.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return hashes_of_numbers(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    from pandas.util import hash_array

    hashed = hash_array(values.to_numpy(zero_copy_only=False).astype(object), categorize=False)
    return np.asarray(hashed, dtype=np.uint64)


def hashes_of_numbers(x: NDArray[np.float64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014) over the bits of each number; -0.0 is 0.0."""
    import numpy as np

    h = (x + 0.0).view(np.uint64)
    moved = np.empty_like(h)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        h ^= np.right_shift(h, np.uint64(shift), out=moved)
        h *= np.uint64(factor)
    return h


def smallest(held: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The K smallest different hashes of both, sorted."""
    import numpy as np

    for start in range(0, len(new), _PART):
        part = new[start : start + _PART]
        if len(held) == K:
            part = part[part < held[-1]]
        elif len(part) > 2 * K:  # are there K below what the smallest ones of so many different hashes lie below?
            bound = np.uint64(2**64 // len(part) * (K + K // 4))
            low = _different(held, part[part < bound])
            if len(low) >= K and low[K - 1] < bound:
                held = low[:K]
                continue
        if len(part):
            held = _different(held, part)[:K]
    return held


def _different(held: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    both = np.sort(np.concatenate([held, new]))  # np.unique would hash: ten times as slow here
    first = np.ones(len(both), dtype=bool)
    np.not_equal(both[1:], both[:-1], out=first[1:])
    return both[first]


def estimate(held: NDArray[np.uint64]) -> int:
    """The number of different values behind the hashes held."""
    if len(held) < K:
        return len(held)
    return round((K - 1) / ((int(held[-1]) + 1) / 2**64))
