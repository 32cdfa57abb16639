"""What is to happen by itself, and when."""

from __future__ import annotations

from typing import Any

from croniter import croniter

from nbops.server.base import Handler
from nbops.workspace import Workspace


class Schedules(Handler):
    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            items = [
                {
                    "name": name,
                    "kind": "cron",
                    "expression": wish.triggers.schedule,
                    "deployment": name,
                    "pipeline": wish.pipeline,
                    "next": croniter(wish.triggers.schedule, ws.clock.now()).get_next(type(ws.clock.now())),
                    "paused": False,
                }
                for name, wish in ws.settings.deployments.items()
                if wish.triggers.schedule
            ]
            return {"items": items, "worker": None}

        await self.answer(told)
