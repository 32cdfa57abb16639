"""Runs: found, shown, compared; what was kept of them; deleted and brought back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tornado.ioloop import IOLoop

from nbops.catalog.deletion import delete, restore
from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.runs import Run
from nbops.core.wire import to_json
from nbops.pipeline.step_log import log_of
from nbops.reproduction.side_by_side import side_by_side
from nbops.server.base import Handler
from nbops.server.permissions import DELETE, READ
from nbops.server.places import Places
from nbops.store import records, run_search, runs
from nbops.workspace import Workspace

_INLINE = ("image/png", "image/jpeg")  # shown in the page; an SVG or HTML from a notebook is not
_POINTS = 1000
_MOST_COMPARED = 50


def run_json(places: Places, ws: Workspace, run: Run) -> dict[str, Any]:
    """A run as every route tells it."""
    return {**to_json(run), "contents_path": places.contents_path(ws, run.notebook)}


def rows_json(places: Places, ws: Workspace, rows: Iterable[run_search.Row]) -> list[dict[str, Any]]:
    return [
        {"run": run_json(places, ws, row.run), "params": row.params, "metrics": row.metrics, "tags": row.run.tags}
        for row in rows
    ]


class Runs(Handler):
    async def get(self) -> None:
        columns = self.get_query_argument("columns", "")
        asked: dict[str, Any] = {
            "filter": self.get_query_argument("filter", ""),
            "sort": self.get_query_argument("sort", "") or "started_at",
            "descending": self.truth("descending", True),
            "limit": self.whole("limit", 50),
            "offset": self.whole("offset", 0),
            "columns": columns.split(",") if columns else None,
        }

        def told(ws: Workspace) -> dict[str, Any]:
            page = run_search.search(ws.store, **asked)
            items = rows_json(self.places, ws, page.items)
            return {"items": items, "total": page.total, "limit": page.limit, "offset": page.offset}

        await self.answer(told)


class Columns(Handler):
    async def get(self) -> None:
        await self.answer(lambda ws: run_search.columns(ws.store))


class OneRun(Handler):
    needs = {"GET": READ, "DELETE": DELETE}  # noqa: RUF012

    async def get(self, run_id: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            run = runs.get(ws.store, run_id)
            return {
                "run": run_json(self.places, ws, run),
                "params": runs.params(ws.store, run.id),
                "metrics": records.metrics(ws.store, run.id),
                "records": records.of_run(ws.store, run.id),
                "children": [run_json(self.places, ws, r) for r in runs.children(ws.store, run.id)],
                "artifacts": records.artifacts(ws.store, run.id),
            }

        await self.answer(told)

    async def delete(self, run_id: str) -> None:
        await self.answer(lambda ws: delete(ws, [run_id]))


class Restore(Handler):
    needs = {"POST": DELETE}  # noqa: RUF012

    async def post(self, run_id: str) -> None:
        await self.answer(lambda ws: restore(ws, [run_id]))


class Curves(Handler):
    async def get(self, run_id: str) -> None:
        name = self.get_query_argument("name", "")

        def told(ws: Workspace) -> dict[str, Any]:
            run = runs.get(ws.store, run_id)
            curves = records.curves(ws.store, run.id, most=_POINTS)
            if name and name not in curves:
                raise UnknownNameError("metric with steps", name, curves)
            return {name: curves[name]} if name else curves

        await self.answer(told)


class Log(Handler):
    async def get(self, run_id: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            log = log_of(ws, runs.get(ws.store, run_id))
            return {**to_json(log), "executed": self.places.contents_path(ws, log.executed)}

        await self.answer(told)


class ArtifactContent(Handler):
    async def get(self, run_id: str, digest: str) -> None:
        def found() -> tuple[bytes, str, str]:
            ws = self.places.workspace(self.path, self.identity)
            run = runs.get(ws.store, run_id)
            for artifact in records.artifacts(ws.store, run.id):
                if artifact.digest == digest:
                    return ws.artifacts.read_bytes(digest), artifact.media, artifact.name
            raise UnknownNameError("artifact of this run", digest)

        content, media, name = await IOLoop.current().run_in_executor(self.context.threads, found)
        shown = media in _INLINE
        safe = re.sub(r"[^\w.\- ]", "_", name)
        self.set_header("Content-Type", media if shown else "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Disposition", "inline" if shown else f'attachment; filename="{safe}"')
        self.finish(content)


class Compare(Handler):
    async def get(self) -> None:
        ids = [i for i in self.get_query_argument("runs", "").split(",") if i]
        if not 2 <= len(ids) <= _MOST_COMPARED:
            raise UsageError(f"compare takes 2 to {_MOST_COMPARED} runs (?runs=A,B), got {len(ids)}")

        def told(ws: Workspace) -> dict[str, Any]:
            found = side_by_side(ws, ids)
            return {
                "runs": rows_json(self.places, ws, found.runs),
                "params": found.params,
                "metrics": found.metrics,
                "differing": {"params": found.differing_params, "metrics": found.differing_metrics},
                "diff": found.diff,
            }

        await self.answer(told)
