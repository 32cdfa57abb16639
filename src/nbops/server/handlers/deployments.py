"""Models at work: what they scored, how well, what drifted, what was told and decided."""

from __future__ import annotations

from typing import Any

from nbops.core.deployments import Severity
from nbops.monitor.dashboard import dashboard, distribution
from nbops.monitor.drift import drift
from nbops.server.base import Handler
from nbops.server.permissions import WRITE
from nbops.store import automation, deployments
from nbops.workspace import Workspace


class Deployments(Handler):
    async def get(self) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            return self.page([_row(ws, d.name) for d in deployments.listed(ws.store)])

        await self.answer(told)


class Dashboard(Handler):
    async def get(self, name: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            known = dashboard(ws, name)
            return {
                "deployment": known.deployment,
                "metric": ws.settings.deployment(name).metric,
                "serving": known.serving,
                "performance": known.performances,
                "waiting": known.waiting,
                "scorings": known.scorings,
                "drift": [
                    {
                        "period": r.period,
                        "severity": r.severity,
                        "columns": {c.column: {"psi": c.values.get("psi"), "severity": c.severity} for c in r.columns},
                    }
                    for r in known.drift
                ],
                "alerts": known.alerts,
                "decisions": [{"decision": d, "job": job} for d, job in known.decisions],
            }

        await self.answer(told)


class Drift(Handler):
    async def get(self, name: str, period: str) -> None:
        await self.answer(lambda ws: drift(ws, name, period=period))


class Distribution(Handler):
    async def get(self, name: str, period: str, column: str) -> None:
        def told(ws: Workspace) -> dict[str, Any]:
            found = distribution(ws, name, period, column)
            return {
                "column": found.column,
                "bins": found.labels,
                "reference": found.reference,
                "current": found.current,
                "values": found.values,
                "why": found.why,
            }

        await self.answer(told)


class Alerts(Handler):
    async def get(self) -> None:
        name = self.get_query_argument("deployment", "") or None

        def told(ws: Workspace) -> dict[str, Any]:
            if name is not None:
                deployments.get(ws.store, name)
            return self.page(deployments.alerts(ws.store, name)[::-1])

        await self.answer(told)


class Decisions(Handler):
    async def get(self) -> None:
        name = self.get_query_argument("deployment", "") or None

        def told(ws: Workspace) -> dict[str, Any]:
            if name is not None:
                deployments.get(ws.store, name)
            found = automation.decisions(ws.store, name)[::-1]
            return self.page([{"decision": d, "job": automation.job_of(ws.store, d.id)} for d in found])

        await self.answer(told)


class Tick(Handler):
    needs = {"POST": WRITE}  # noqa: RUF012

    async def post(self) -> None:
        name = self.body(deployment=str)["deployment"]

        def told(ws: Workspace) -> dict[str, Any]:
            if name is not None:
                deployments.get(ws.store, name)
            words = ["tick", *(["--deployment", name] if name else [])]
            return {"pid": self.context.processes.start(ws, *words).process.pid}

        await self.answer(told, status=202)


def _row(ws: Workspace, name: str) -> dict[str, Any]:
    known = dashboard(ws, name)
    return {
        "deployment": known.deployment,
        "serving": known.serving,
        "scored": len(known.scorings),
        "last": known.scorings[-1] if known.scorings else None,
        "alerts": len(known.alerts),
        "severity": known.drift[-1].severity if known.drift else Severity.UNKNOWN,
    }
