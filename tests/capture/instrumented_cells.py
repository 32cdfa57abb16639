"""Runs source texts as cells: each in a scope of its own, in one namespace called ``__main__`` as IPython's is."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

from nbops.capture.instruments import Instruments, Observations, Scope
from nbops.workspace import Workspace, open_workspace

PREPARE = """
import numpy as np, pandas as pd
rng = np.random.default_rng(7)
df = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120), "kind": rng.integers(0, 3, 120)})
df["y"] = 2 * df["a"] - df["b"] + rng.normal(size=120) * 0.1
df["won"] = (df["y"] > 0).astype(int)
X, y, won = df[["a", "b", "kind"]], df["y"], df["won"]
train, test = df[:80], df[80:]
"""


class Cells:
    def __init__(self, folder: Path) -> None:
        (folder / ".nbops").mkdir(exist_ok=True)
        self.workspace: Workspace = open_workspace(folder, environ={}, identity="tester")
        self.instruments = Instruments()
        self.instruments.install()
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.count = 0
        self.error: BaseException | None = None

    def plain(self, source: str) -> None:
        """Run a cell that isn't tracked."""
        self.count += 1
        name = f"<cell {self.count}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(compile(source, name, "exec"), self.namespace)

    def run(self, source: str, *, fails: bool = False) -> Observations:
        """Run a tracked cell. With `fails` it must raise; the exception is then in `error`."""
        self.instruments.begin(Scope(workspace=self.workspace, code=source))
        self.error = None
        try:
            self.plain(source)
        except Exception as error:
            self.error = error
            if not fails:
                raise
        finally:
            seen = self.instruments.end(self.namespace)
        assert fails == (self.error is not None)
        return seen

    def frame(self, digest: str) -> Any:
        """A kept Parquet artifact."""
        import pyarrow.parquet as pq

        return pq.read_table(self.workspace.artifacts.verified(digest)).to_pandas()

    def model(self, digest: str, *, allow: tuple[str, ...] = ()) -> Any:
        """A kept model."""
        from nbops.modelfiles.load import load

        return load(self.workspace.artifacts.verified(digest), "skops", allow=allow)
