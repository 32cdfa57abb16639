"""Through the gates and back: what they would say, promote, roll back, and a second person's word."""

from __future__ import annotations

from typing import Any

from nbops.core.errors import UsageError
from nbops.promotion.approval import approve, pending, reject
from nbops.promotion.preview import preview
from nbops.promotion.promote import promote
from nbops.promotion.rollback import rollback
from nbops.server.base import Handler
from nbops.server.permissions import APPROVE, PROMOTE, ROLL_BACK
from nbops.workspace import Workspace

_WISH: dict[str, type] = {"source": str, "name": str, "model": str, "to": str, "candidate": str, "why": str}


class _Promoting(Handler):
    needs = {"POST": PROMOTE}  # noqa: RUF012

    def wish(self) -> tuple[str, dict[str, Any]]:
        """The source and the rest of the call. A notebook is named as Jupyter names it."""
        asked = self.body(**_WISH, allow_types=list)
        asked["allow_types"] = asked["allow_types"] or ()
        source = asked.pop("source")
        for key, value in (("source", source), ("name", asked["name"])):
            if not value:
                raise UsageError(f"{key!r} is missing")
        if source.endswith(".ipynb"):
            source = str(self.places.file(source))
        return source, asked


class Check(_Promoting):
    async def post(self) -> None:
        source, wish = self.wish()

        def told(ws: Workspace) -> dict[str, Any]:
            found = preview(ws, source, **wish)
            candidate = {"name": found.candidate, "type": found.type, "run": found.run, "champion": found.champion}
            target = {"model": found.model, "alias": found.alias}
            return {"would": found.would, "results": found.results, "candidate": candidate | target}

        await self.answer(told)


class Promotions(_Promoting):
    async def post(self) -> None:
        source, wish = self.wish()
        await self.answer(lambda ws: promote(ws, source, **wish))


class Rollbacks(Handler):
    needs = {"POST": ROLL_BACK}  # noqa: RUF012

    async def post(self) -> None:
        asked = self.body(deployment=str, to=int)
        if not asked["deployment"]:
            raise UsageError("'deployment' is missing")
        await self.answer(lambda ws: rollback(ws, asked["deployment"], to=asked["to"]))


class Approvals(Handler):
    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            return self.page([_waiting(approval) for approval in pending(ws)])

        await self.answer(told)


class Approve(Handler):
    needs = {"POST": APPROVE}  # noqa: RUF012

    async def post(self, approval: str) -> None:
        why = self.body(why=str)["why"]
        await self.answer(lambda ws: approve(ws, approval, why=why))


class Reject(Handler):
    needs = {"POST": APPROVE}  # noqa: RUF012

    async def post(self, approval: str) -> None:
        why = self.body(why=str)["why"] or ""
        await self.answer(lambda ws: reject(ws, approval, why=why))


def _waiting(approval: Any) -> dict[str, Any]:
    line = approval.asked
    return {
        "id": approval.id,
        "model": line.model,
        "deployment": line.deployment,
        "alias": line.alias,
        "candidate": approval.candidate,
        "run": line.run,
        "results": line.results,
        "by": line.by,
        "at": line.at,
    }
