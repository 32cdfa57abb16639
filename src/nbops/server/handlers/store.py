"""Which store is shown and why, what its user may do, and what was written to it since."""

from __future__ import annotations

from typing import Any

from nbops.server.base import Handler
from nbops.server.permissions import NAMED
from nbops.store import deployments
from nbops.workspace import Workspace


class Store(Handler):
    async def get(self) -> None:
        may = {name: await self.allowed(permission) for name, permission in NAMED.items()}

        def told(ws: Workspace) -> dict[str, Any]:
            import nbops

            return {
                "store": ws.store.name,
                "home": str(ws.home),
                "root": str(ws.root),
                "why": ws.why,
                "exists": ws.store.exists(),
                "version": nbops.__version__,
                "identity": ws.identity,
                "durability": ws.store.durability,
                "deployments": sorted({*ws.settings.deployments, *(d.name for d in deployments.listed(ws.store))}),
                "pipelines": list(ws.settings.pipelines),
                "can": may,
                "seq": ws.store.newest_event(),
            }

        await self.answer(told)


class Events(Handler):
    async def get(self) -> None:
        after, limit = self.whole("after", -1), self.whole("limit", 1000)

        def told(ws: Workspace) -> dict[str, Any]:
            newest = ws.store.newest_event()
            if after < 0:
                return {"seq": newest}
            events = ws.store.events_after(after, max(1, min(limit, 1000)))
            listed = [{key: e[key] for key in ("seq", "at", "noun", "name", "what")} for e in events]
            return {"events": listed, "seq": listed[-1]["seq"] if listed else newest}

        await self.answer(told)
