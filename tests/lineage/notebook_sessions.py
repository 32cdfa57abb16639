"""A notebook that is worked on: cells run in any order in one tracked session, are edited and deleted; the file is
saved as a front end saves it, with the cards' records in the outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

from nbops.capture.cells import CellStart
from nbops.capture.session import Session
from nbops.notebook import files
from nbops.notebook.embedded import MIME, payload_for
from nbops.workspace import Workspace, open_workspace


class Book:
    """`cells` maps a cell's id to its text, in the order of the notebook."""

    def __init__(self, session: Session, path: Path, cells: dict[str, str]) -> None:
        self.session, self.path, self.cells = session, path, dict(cells)
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.outputs: dict[str, tuple[int, dict[str, Any] | None]] = {}
        self.count = 0

    @property
    def ws(self) -> Workspace:
        return self.session.workspace

    def run(self, *ids: str, tracked: bool = True, cell_ids: bool = True) -> None:
        """Run cells, all in order if none is named."""
        for each in ids or tuple(self.cells):
            self.count += 1
            source = self.cells[each]
            start = CellStart(
                source=source, code=source, cell_id=each if cell_ids else None, execution_count=self.count
            )
            cell = self.session.begin(start, self.namespace) if tracked else None
            error = None
            try:
                exec(compile(source, each, "exec"), self.namespace)
            except Exception as problem:  # noqa: BLE001  (the cell's own)
                error = problem
            self.outputs[each] = (self.count, None)
            if cell is not None:
                done = self.session.end(cell, error)
                assert done.record is not None, done.problem
                self.outputs[each] = (self.count, payload_for(done.record))

    def delete(self, cell: str) -> None:
        del self.cells[cell]
        self.outputs.pop(cell, None)

    def save(self, *, cards: bool = True) -> files.Notebook:
        body = []
        for each, source in self.cells.items():
            count, payload = self.outputs.get(each, (None, None))
            card = {"output_type": "display_data", "metadata": {}, "data": {MIME: payload, "text/plain": ["nbops"]}}
            body.append(
                {
                    "cell_type": "code",
                    "id": each,
                    "metadata": {"tags": ["parameters"]} if source.startswith("# parameters") else {},
                    "source": source,
                    "outputs": [card] if payload is not None and cards else [],
                    "execution_count": count,
                }
            )
        spec = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
        files.write(self.path, {"nbformat": 4, "nbformat_minor": 5, "metadata": spec, "cells": body})
        return files.read(self.path)


@contextmanager
def opened(folder: Path, cells: dict[str, str], name: str = "book.ipynb") -> Iterator[Book]:
    """A book in a project of its own; relative paths in its cells lie in the project."""
    (folder / "nbops.toml").touch()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NBOPS_")}
    session = Session(open_workspace(folder, environ=environ), notebook=folder / name)
    try:
        with chdir(folder):
            yield Book(session, folder / name, cells)
    finally:
        with suppress(Exception):
            session.close()
