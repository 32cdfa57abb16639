"""Seeds that were set, and random numbers that nobody seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nbops.capture.cells import CellStart
from nbops.capture.session import Session
from nbops.core.runs import CellRecord
from nbops.workspace import open_workspace

PYTHON = "unseeded random numbers: Python's generator was used, and no cell has seeded it"
NUMPY = "unseeded random numbers: numpy's generator was used, and no cell has seeded it"


class Kernel:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.namespace: dict[str, Any] = {"__name__": "__main__", "In": [""]}

    def plain(self, source: str) -> None:
        self.namespace["In"].append(source)
        exec(source, self.namespace)

    def run(self, source: str) -> CellRecord:
        cell = self.session.begin(CellStart(source=source, code=source), self.namespace)
        assert cell is not None
        self.plain(source)
        done = self.session.end(cell)
        assert done.record is not None, done.problem
        return done.record


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    (tmp_path / ".nbops").mkdir()
    session = Session(open_workspace(tmp_path, environ={}))
    states = random.getstate(), np.random.get_state()
    yield Kernel(session)
    random.setstate(states[0])
    np.random.set_state(states[1])
    session.close()
    session.workspace.store.close()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import random\nrandom.random()", [PYTHON]),
        ("import numpy as np\nnp.random.rand(3)", [NUMPY]),
        ("from sklearn.model_selection import train_test_split as split\nsplit([1, 2, 3, 4])", [NUMPY]),
        ("import pandas as pd\npd.Series([1, 2]).sample(1)", [NUMPY]),
        ("def draw():\n    import numpy.random as r\n    return r.normal()\ndraw()", [NUMPY]),
        ("from numpy.random import default_rng\nrng = default_rng()", ["unseeded random numbers: default_rng"]),
        ("import uuid\nuuid.uuid4()", ["unseeded random numbers: uuid.uuid4"]),
        ("import numpy as np\nnp.random.seed(3)\nnp.random.rand()", []),
        ("import numpy as np\nrng = np.random.default_rng(3)\nrng.normal()", []),
        ("from sklearn.model_selection import train_test_split\ntrain_test_split([1, 2, 3], random_state=0)", []),
        ("x = 1 + 1  # no randomness at all", []),
    ],
)
def test_unseeded_randomness_is_flagged(kernel: Kernel, source: str, said: list[str]) -> None:
    record = kernel.run(source)
    assert list(record.notes) == said
    assert record.uncacheable == (("random",) if said else ())


def test_seeds_are_parameters_and_last(kernel: Kernel) -> None:
    record = kernel.run("import random\nimport numpy as np\nSEED = 41\nrandom.seed(SEED)\nnp.random.seed(7)")
    assert record.params == {"SEED": 41, "random.seed": 41, "numpy.random.seed": 7}
    assert kernel.run("random.random(), np.random.rand()").notes == ()
    assert kernel.run("rng = np.random.default_rng(SEED)").params == {"numpy.random.default_rng": 41}


def test_a_seed_set_where_nobody_tracked_counts(kernel: Kernel) -> None:
    kernel.plain("import numpy as np\nnp.random.seed(0)")
    assert kernel.run("np.random.rand()").notes == ()


def test_a_function_that_seeds_counts(kernel: Kernel) -> None:
    kernel.plain("import random, numpy as np\ndef set_all(n):\n    random.seed(n)\n    np.random.seed(n)")
    assert kernel.run("set_all(3)\nnp.random.rand(), random.random()").notes == ()


def test_looking_does_not_draw(kernel: Kernel) -> None:
    kernel.plain("import random, numpy as np\nrandom.seed(1); np.random.seed(1)\nstates = random.getstate()")
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]
    kernel.run("x = 1")
    assert random.getstate() == kernel.namespace["states"]
    assert (np.random.get_state()[1] == before[0]).all() and np.random.get_state()[2] == before[1]
