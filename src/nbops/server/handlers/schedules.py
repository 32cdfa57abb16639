"""What is to happen by itself, and when; what came of it."""

from __future__ import annotations

from typing import Any

from croniter import croniter

from nbops.automation import schedules
from nbops.automation.worker import workers
from nbops.core.errors import UsageError
from nbops.core.wire import to_json
from nbops.server.base import Handler
from nbops.server.permissions import READ, WRITE
from nbops.settings import ScheduleSettings
from nbops.workspace import Workspace, relative


class Schedules(Handler):
    needs = {"GET": READ, "POST": WRITE}  # noqa: RUF012

    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            items = [_row(state) for state in schedules.overview(ws)]
            return {"items": items + _triggers(ws), "worker": (workers(ws) or [None])[0]}

        await self.answer(told)

    async def post(self) -> None:
        """A schedule of a notebook (as Jupyter names it) or of a pipeline."""
        asked = self.body(name=str, cron=str, tz=str, every=str, pipeline=str, notebook=str, params=dict)
        name, notebook = asked.pop("name"), asked.pop("notebook")
        if not name:
            raise UsageError("'name' is missing")

        def told(ws: Workspace) -> Any:
            file = relative(ws, self.places.file(notebook)) if notebook else None
            wish = ScheduleSettings(notebook=file, **{k: v for k, v in asked.items() if v is not None})
            return schedules.add(ws, name, wish)

        await self.answer(told)


class History(Handler):
    async def get(self, name: str) -> None:
        limit = self.whole("limit", 20)
        await self.answer(lambda ws: {"items": schedules.history(ws, name, max(1, min(limit, 1000)))})


class Pause(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        await self.answer(lambda ws: schedules.pause(ws, name))


class Resume(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        await self.answer(lambda ws: schedules.resume(ws, name))


class RunNow(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        await self.answer(lambda ws: schedules.run_now(ws, name), status=202)


def _row(state: schedules.ScheduleState) -> dict[str, Any]:
    shown = to_json(state)
    del shown["schedule"]
    return {**shown, "deployment": None}


def _triggers(ws: Workspace) -> list[dict[str, Any]]:
    """When a deployment's model is to be trained anew: written in nbops.toml, so neither paused nor run from here."""
    now = ws.clock.now()
    return [
        {
            "name": name,
            "kind": "trigger",
            "expression": wish.triggers.schedule,
            "target": f"retrain {name}",
            "deployment": name,
            "pipeline": wish.pipeline,
            "notebook": None,
            "next": croniter(wish.triggers.schedule, now).get_next(type(now)),
            "paused": False,
            "last": None,
            "last_why": "",
        }
        for name, wish in ws.settings.deployments.items()
        if wish.triggers.schedule
    ]
