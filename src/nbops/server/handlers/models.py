"""The registry: models, versions, aliases, history, the card of a version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nbops.core.clock import from_text
from nbops.core.errors import UnknownNameError, UsageError
from nbops.registry.card import facts
from nbops.render.model_card import card_markdown
from nbops.server.base import Handler
from nbops.store import deployments, models
from nbops.workspace import Workspace


class Models(Handler):
    async def get(self) -> None:
        await self.answer(lambda ws: self.page([_model(ws, name) for name in models.names(ws.store)]))


class Model(Handler):
    async def get(self, name: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            history = models.history(ws.store, name)
            if name not in models.names(ws.store) and not history:
                raise UnknownNameError("model", name, models.names(ws.store))
            served = [d for d in deployments.listed(ws.store) if d.model == name]
            return {
                **_model(ws, name),
                "history": history,
                "deployments": [d.name for d in served],
                "pinned": {d.name: d.version for d in served if d.version is not None},
            }

        await self.answer(told)


class At(Handler):
    async def get(self, name: str) -> None:
        date, alias = self.get_query_argument("date", ""), self.get_query_argument("alias", "production")
        moment = _moment(date)

        def told(ws: Workspace) -> dict[str, Any]:
            if name not in models.names(ws.store):
                raise UnknownNameError("model", name, models.names(ws.store))
            return {"version": models.aliased_at(ws.store, name, alias, moment)}

        await self.answer(told)


class Card(Handler):
    async def get(self, name: str, number: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            known = facts(ws, name, int(number))
            return {"markdown": card_markdown(known), "facts": known}

        await self.answer(told)


def _model(ws: Workspace, name: str) -> dict[str, Any]:
    return {"name": name, "versions": models.versions(ws.store, name), "aliases": models.aliases(ws.store, name)}


def _moment(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError:
        raise UsageError(f"date={text!r} is no date or time; write 2026-01-31 or 2026-01-31T12:00") from None
