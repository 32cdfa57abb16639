"""Pipelines: described, planned, run, stopped, gone on with."""

from __future__ import annotations

from typing import Any

from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.runs import Run, RunKind
from nbops.pipeline.description import described
from nbops.pipeline.processes import words_of
from nbops.pipeline.run import run_pipeline
from nbops.server.base import Handler
from nbops.server.handlers.runs import run_json
from nbops.server.permissions import WRITE
from nbops.store import records, runs
from nbops.workspace import Workspace


class Pipelines(Handler):
    async def get(self) -> None:
        await self.answer(lambda ws: [_described(self, ws, name) for name in ws.settings.pipelines])


class Pipeline(Handler):
    async def get(self, name: str) -> None:
        await self.answer(lambda ws: _described(self, ws, name))


class Plan(Handler):
    async def get(self, name: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            would = run_pipeline(ws, name, dry_run=True).detail["steps"]
            steps = [{"name": s, "state": how["verdict"], "why": how["why"]} for s, how in would.items()]
            return {"steps": steps}

        await self.answer(told)


class PipelineRuns(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        asked = self.body(params=dict, force=bool, from_step=str)

        def told(ws: Workspace) -> dict[str, Any]:
            described(ws, name)
            words = ["pipeline", "run", name, *words_of(asked["params"] or {})]
            words += ["--force"] if asked["force"] else []
            words += ["--from", asked["from_step"]] if asked["from_step"] else []
            return {"run": self.context.processes.started_run(ws, RunKind.PIPELINE, *words)}

        await self.answer(told, status=202)


class PipelineRun(Handler):
    async def get(self, run_id: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            run = _pipeline_run(ws, run_id)
            known = run.detail.get("steps") or {}
            children = runs.children(ws.store, run.id)
            named = {c.name for c in children}
            steps = [_step(self, ws, child, known) for child in children]
            steps += [
                {"run": None, "name": s, "state": how.get("status", ""), "why": how.get("why", ""), "progress": None,
                 "executed": None}
                for s, how in known.items() if s not in named
            ]  # fmt: skip
            return {"run": run_json(self.places, ws, run), "steps": steps}

        await self.answer(told)


class Stop(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, run_id: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            run = runs.get(ws.store, run_id)
            if run.status.ended or run.owner is None:
                raise UsageError(f"run {run.id} is not running: it is {run.status.lower()}")
            self.context.processes.stop(run.owner.pid)
            return {"run": run.id}

        await self.answer(told, status=202)


class Resume(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, run_id: str) -> None:
        asked = self.body(repeat_effects=bool)

        def told(ws: Workspace) -> dict[str, Any]:
            run = _pipeline_run(ws, run_id)
            words = ["pipeline", "run", run.name, "--resume", run.id]
            words += ["--repeat-effects"] if asked["repeat_effects"] else []
            return {"run": self.context.processes.started_run(ws, RunKind.PIPELINE, *words)}

        await self.answer(told, status=202)


def _described(handler: Handler, ws: Workspace, name: str) -> dict[str, Any]:
    found = described(ws, name)
    last = runs.listed(ws.store, kinds=[RunKind.PIPELINE], name=name, limit=1)
    for step in found["steps"]:
        step["contents_path"] = handler.places.contents_path(ws, step["notebook"].partition("#")[0])
    return {**found, "last_run": run_json(handler.places, ws, last[0]) if last else None}


def _pipeline_run(ws: Workspace, run_id: str) -> Run:
    run = runs.get(ws.store, run_id)
    if run.kind is not RunKind.PIPELINE:
        raise UnknownNameError("pipeline run", run_id, hint=f"it is a run of kind {run.kind}")
    return run


def _step(handler: Handler, ws: Workspace, run: Run, known: dict[str, Any]) -> dict[str, Any]:
    how = known.get(run.name) or {}
    cells = run.detail.get("cells")
    progress = None
    if isinstance(cells, int) and not run.status.ended:
        progress = {"cell": records.next_seq(ws.store, run.id), "cells": cells}
    return {
        "run": run_json(handler.places, ws, run),
        "name": run.name,
        "state": run.status,
        "why": how.get("why") or run.detail.get("why") or run.error or "",
        "progress": progress,
        "executed": handler.places.contents_path(ws, run.detail.get("executed")),
    }
