"""A notebook as it stands, the lineage of anything, a notebook's parameters, and running it with them."""

from __future__ import annotations

from typing import Any

from nbops.core.errors import NotebookError, UnknownNameError, UsageError
from nbops.core.runs import RunKind
from nbops.core.wire import to_json
from nbops.lineage.graph import lineage
from nbops.lineage.notebook_state import CellState, notebook_state
from nbops.notebook.files import read
from nbops.notebook.parameters import accepted, coerce, of_notebook
from nbops.pipeline.processes import notebook_words
from nbops.server.base import Handler
from nbops.server.handlers.runs import run_json
from nbops.server.permissions import WRITE
from nbops.workspace import Workspace, relative


class Notebook(Handler):
    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            state = notebook_state(ws, self.places.file(self.path))
            return {
                "notebook": state.notebook,
                "contents_path": self.places.contents_path(ws, state.notebook),
                "cells": [_cell(cell) for cell in state.cells],
                "session": run_json(self.places, ws, state.kernel) if state.kernel else None,
            }

        await self.answer(told)


class Lineage(Handler):
    async def get(self) -> None:
        of = self.get_query_argument("of", "")

        def told(ws: Workspace) -> Any:
            asked = of or relative(ws, self.places.file(self.path))
            if not of and not self.path:
                raise UsageError("say of what: ?of=NAME, or ?path=NOTEBOOK")
            return lineage(ws, asked)

        await self.answer(told)


class Parameters(Handler):
    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:  # noqa: ARG001
            return {"parameters": of_notebook(read(self._notebook()))}

        await self.answer(told)

    def _notebook(self) -> Any:
        file = self.places.file(self.path)
        if not file.is_file():
            raise UnknownNameError("notebook", self.path)
        if file.suffix != ".ipynb":
            raise NotebookError(f"{self.path!r} is no notebook")
        return file


class NotebookRuns(Parameters):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self) -> None:
        params = self.body(params=dict)["params"] or {}

        def told(ws: Workspace) -> dict[str, Any]:
            file = self._notebook()
            coerce(accepted(read(file), params), params, self.path)  # what is wrong is told before anything starts
            return {"run": self.context.processes.started_run(ws, RunKind.STEP, *notebook_words(file, params))}

        await self.answer(told, status=202)


def _cell(cell: CellState) -> dict[str, Any]:
    record = to_json(cell.record)
    kept = ("cell_id", "run", "seq", "execution_count", "status", "error", "seconds", "overhead_s", "started_at")
    also = ("params", "metrics", "reads", "writes", "files", "notes")
    return {
        **{key: record[key] for key in (*kept, *also)},
        "index": cell.index,
        "source_name": cell.name,
        "models": [{"name": m.name, "type": m.type, "digest": m.digest} for m in cell.record.models],
        "badges": list(cell.badges),
        "badge_why": cell.badges,
    }
