"""What the steps before one hand on to it: values by content, and the metrics a condition may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbops.core.errors import SettingsError, suggestion
from nbops.core.runs import Run
from nbops.pipeline import conditions, handover
from nbops.pipeline.plan import Planned, waits_for
from nbops.settings import FILE, Step
from nbops.store import records
from nbops.store.database import Reader
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Given:
    """`digests` are handed-on values, {name: digest}, a list of them from a step with `foreach`; `runs` made them."""

    digests: Mapping[str, str | list[str]] = field(default_factory=dict)
    runs: tuple[str, ...] = ()

    @classmethod
    def of(cls, reader: Reader, done: Iterable[Run], *, many: bool) -> Given:
        """What the runs of one step hand on together."""
        found: dict[str, Any] = {}
        ids = []
        for run in done:
            ids.append(str(run.detail.get("cached_from", run.id)))
            for name, digest in handover.handed_on(reader, run).items():
                if many:
                    found.setdefault(name, []).append(digest)
                else:
                    found[name] = digest
        return cls(digests=found, runs=tuple(ids))

    def and_then(self, later: Given) -> Given:
        """Both; of one name, the later step's."""
        return Given(digests={**self.digests, **later.digests}, runs=self.runs + later.runs)

    def lists(self, ws: Workspace, spec: Step) -> dict[str, Any]:
        """The handed-on lists that the step's `foreach` goes over.

        Raises
        ------
        SettingsError
            If one is there that is no list.
        """
        found = {}
        for source in spec.foreach.values():
            name = waits_for(source)
            if name is None or name not in self.digests:
                continue
            value = self._about(ws, name)
            found[name] = value["value"]() if "value" in value else None
            if not isinstance(found[name], list):
                raise SettingsError(f"{FILE}: foreach goes over {source!r}, but no list was handed on under that name")
        return found

    def holds(self, ws: Workspace, planned: Planned) -> bool:
        """Whether the step's condition holds.

        Raises
        ------
        SettingsError
            If it can't be told.
        """
        text = planned.spec.when or "True"

        def look(root: str, name: str) -> Any:
            if root == "params":
                return planned.everywhere[name]
            if root == "inputs":
                known: Iterable[str] = self.digests
                if name in self.digests:
                    return self._about(ws, name)
            else:
                metrics = self._metrics(ws)
                known = metrics
                if name in metrics:
                    return metrics[name]
            raise SettingsError(f"when = {text!r}: there is no {root}.{name}{suggestion(name, known)}")

        return conditions.holds(text, look)

    def _about(self, ws: Workspace, name: str) -> dict[str, Any]:
        digest = self.digests[name]
        if isinstance(digest, str):
            return handover.about(ws, name, digest)
        each = [handover.about(ws, name, one) for one in digest]
        values = all("value" in one for one in each)
        return {
            "size": sum(one["size"] for one in each),
            "rows": lambda: sum(one["rows"]() for one in each),
            **({"value": lambda: [one["value"]() for one in each]} if values else {}),
        }

    def _metrics(self, ws: Workspace) -> dict[str, float]:
        found = records.latest_metrics(ws.store, list(self.runs))
        return {name: value for run in self.runs for name, value in found[run].items()}
