"""Cells run one after another in a real tracked session, in a project of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from nbops.capture.cells import CellStart
from nbops.capture.session import Session
from nbops.workspace import Workspace, open_workspace


class Tracked:
    """`cells` maps ids to texts; `namespace` is what they leave."""

    def __init__(self, session: Session, cells: dict[str, str]) -> None:
        self.session, self.cells = session, dict(cells)
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.count = 0

    @property
    def ws(self) -> Workspace:
        return self.session.workspace

    def run(self, *ids: str) -> None:
        """Run cells, all in order if none is named; none may fail."""
        for each in ids or tuple(self.cells):
            self.count += 1
            source = self.cells[each]
            start = CellStart(source=source, code=source, cell_id=each, execution_count=self.count)
            cell = self.session.begin(start, self.namespace)
            assert cell is not None
            exec(compile(source, each, "exec"), self.namespace)
            done = self.session.end(cell, None)
            assert done.record is not None, done.problem


@contextmanager
def tracked(folder: Path, cells: dict[str, str], environ: Mapping[str, str] | None = None) -> Iterator[Tracked]:
    """The cells, not yet run; relative paths in them lie in `folder`, the project."""
    (folder / "nbops.toml").touch()
    environ = environ or {name: value for name, value in os.environ.items() if not name.startswith("NBOPS_")}
    session = Session(open_workspace(folder, environ=environ), notebook=folder / "book.ipynb")
    with chdir(folder):
        try:
            yield Tracked(session, cells)
        finally:
            session.close()
