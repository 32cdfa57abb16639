"""Above the object's own memory, a fingerprint takes at most 64 MB, whatever the size and layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import numpy as np, pandas as pd, pyarrow as pa, scipy.sparse
from nbops.fingerprints.fingerprint import fingerprint
for small in (pd.DataFrame({"a": ["x"], "b": [1.0]}), pa.table({"a": [[1]]}), scipy.sparse.csr_array(np.eye(2))):
    fingerprint(small)  # what is imported on first use isn't the object's
rng = np.random.default_rng(0)
N = 2_000_000
ENTRIES = rng.random(10**7), np.arange(10**7) % 1000, np.arange(10**5 + 1) * 100
value = eval(sys.argv[1])
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
before = kilobytes("VmRSS")
assert fingerprint(value).digest
print(before, kilobytes("VmHWM") - before)
"""

VALUES = [
    "pd.DataFrame(rng.random((N, 10)))",
    "pd.DataFrame(np.asfortranarray(rng.random((N, 10))), copy=False)",
    "pd.DataFrame(rng.random((1000, 10_000)))",
    "np.asfortranarray(rng.random((N, 10)))",
    "np.ma.masked_greater(rng.random((N, 5)), 0.5)",
    "pd.Series([f'text no {i}' if i % 3 else None for i in range(2 * N)])",
    "pd.Series([f'text no {i}' if i % 3 else None for i in range(2 * N)], dtype=object)",
    "pd.Series(pd.array(rng.random(5 * N), 'Float64'))",
    "pd.DataFrame({'a': np.zeros(N)}, index=pd.MultiIndex.from_arrays([rng.integers(0, 10**9, N), np.arange(N)]))",
    "pd.DataFrame({'a': np.zeros(20 * N, 'i1')}, index=pd.RangeIndex(0, 40 * N, 2))",
    "pa.table({'a': [[i, i] if i % 5 else None for i in range(N)], 'b': [str(i)[i % 3 :] for i in range(N)]})",
    "scipy.sparse.csr_array(ENTRIES, shape=(100_000, 1000))",
    "scipy.sparse.csc_array(ENTRIES, shape=(1000, 100_000))",
    "'é' * 100_000_000",
    "np.array(['é' * 2_000_000 + str(i) for i in range(50)], dtype=object)",
]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("value", VALUES)
def test_memory_above_the_objects_own(value: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, value], capture_output=True, text=True, check=True)
    own, above = (int(text) / 1024 for text in done.stdout.split())
    assert own > 128, "an object too small to show anything"
    assert above <= 64
