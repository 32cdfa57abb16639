"""What is to happen by itself, and when: listed, made, paused, gone on with, run now, removed; and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from croniter import croniter

from nbops.automation import schedules
from nbops.automation.worker import workers
from nbops.core.errors import UsageError
from nbops.server.base import Handler
from nbops.server.permissions import READ, WRITE
from nbops.settings import ScheduleSettings
from nbops.workspace import Workspace, relative

_TEXTS = ("cron", "tz", "every", "on_data", "on_drift", "on_degradation", "pipeline", "notebook", "missed", "overlap")


class Schedules(Handler):
    needs = {"GET": READ, "POST": WRITE}  # noqa: RUF012

    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            items = [_schedule(self, ws, state) for state in schedules.overview(ws)]
            return {"items": items + _triggers(ws), "worker": next(iter(workers(ws)), None)}

        await self.answer(told)

    async def post(self) -> None:
        wanted: dict[str, type] = dict.fromkeys(("name", *_TEXTS), str)
        asked = self.body(**wanted, params=dict, pin=bool, retries=int)
        name = asked.pop("name")
        if not name:
            raise UsageError("'name' is missing")

        def told(ws: Workspace) -> Any:
            if asked["notebook"]:
                asked["notebook"] = relative(ws, self.places.file(asked["notebook"]))
            wish = ScheduleSettings(**{key: value for key, value in asked.items() if value is not None})
            return schedules.add(ws, name, wish)

        await self.answer(told)


class OneSchedule(Handler):
    needs = {"DELETE": WRITE}  # noqa: RUF012

    async def delete(self, name: str) -> None:
        await self.answer(lambda ws: schedules.remove(ws, name))


class History(Handler):
    async def get(self, name: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            return self.page(schedules.history(ws, name, limit=self.whole("limit", 100) + self.whole("offset", 0)))

        await self.answer(told)


class Pause(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        await self.answer(lambda ws: schedules.pause(ws, name))


class GoOn(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        await self.answer(lambda ws: schedules.resume(ws, name))


class RunNow(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self, name: str) -> None:
        """Queue it; where no worker is there to do it, a tick does."""

        def told(ws: Workspace) -> Any:
            job = schedules.run_now(ws, name)
            if not workers(ws):
                self.context.processes.start(ws, "tick")
            return job

        await self.answer(told, status=202)


def _schedule(handler: Handler, ws: Workspace, state: schedules.ScheduleState) -> dict[str, Any]:
    return {
        "name": state.name,
        "kind": state.kind,
        "expression": state.expression,
        "target": state.target,
        "deployment": state.schedule.on_drift or state.schedule.on_degradation,
        "pipeline": state.pipeline,
        "notebook": state.notebook,
        "contents_path": handler.places.contents_path(ws, state.notebook),
        "next": state.next,
        "paused": state.paused,
        "origin": state.schedule.origin,
        "last": state.last,
        "last_why": state.last_why,
    }


def _triggers(ws: Workspace) -> list[dict[str, Any]]:
    """The times at which deployments are looked at, as nbops.toml has them: they aren't paused or run from here."""
    found = []
    for name, wish in ws.settings.deployments.items():
        if wish.triggers.schedule:
            at = croniter(wish.triggers.schedule, ws.clock.now()).get_next(datetime)
            known = {
                "kind": "trigger",
                "target": f"retrain {name}",
                "expression": wish.triggers.schedule,
                "deployment": name,
                "next": at,
            }
            also = {"pipeline": wish.pipeline, "notebook": None, "contents_path": None, "paused": False}
            found.append({"name": name, **known, **also, "origin": "nbops.toml", "last": None, "last_why": ""})
    return found
