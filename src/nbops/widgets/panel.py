"""``nbops.panel()``: the side panel's runs, models and deployments, where there is no side panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbops.core.errors import NbopsError
from nbops.render.elements import Child, Element, element
from nbops.render.run_table import run_table
from nbops.render.tables import table
from nbops.store import deployments, models, run_search
from nbops.widgets.compare import comparison
from nbops.widgets.view import View, problem
from nbops.widgets.where import workspace

PAGE = 50
TABS = ("runs", "models", "deployments")


class PanelView(View):
    """Runs to filter, sort and compare; the registry; deployments."""

    def __init__(self, filter: str = "") -> None:
        self._ws = workspace()
        self._tab, self._filter, self._sort, self._descending = "runs", filter, "started_at", True
        self._offset = 0
        self._chosen: frozenset[str] = frozenset()
        super().__init__()

    def draw(self) -> Element:
        tabs = [
            element(
                "button", name, type="button", role="tab", aria_selected=str(name == self._tab).lower(),
                data_act="tab", data_value=name, data_key=f"tab {name}",
            )
            for name in TABS
        ]  # fmt: skip
        parts: dict[str, Callable[[], Child]] = {
            "runs": self._runs,
            "models": self._models,
            "deployments": self._deployments,
        }
        return element(
            "div",
            element("small", f"{self._ws.store.name}: {self._ws.why}"),
            element("div", tabs, role="tablist", class_="nbops-tabs"),
            element("div", parts[self._tab](), role="tabpanel"),
        )

    def on_tab(self, value: str, _form: dict[str, Any]) -> None:
        self._tab = value if value in TABS else self._tab

    def on_filter(self, value: str, _form: dict[str, Any]) -> None:
        self._filter, self._offset = value, 0

    def on_sort(self, value: str, _form: dict[str, Any]) -> None:
        self._descending = not self._descending if value == self._sort else True
        self._sort, self._offset = value, 0

    def on_choose(self, value: str, _form: dict[str, Any]) -> None:
        self._chosen ^= {value}

    def on_page(self, value: str, _form: dict[str, Any]) -> None:
        self._offset = max(self._offset + (PAGE if value == "next" else -PAGE), 0)

    def _runs(self) -> list[Element | None]:
        field = element(
            "input", type="text", value=self._filter, placeholder="metrics.mae < 50 and params.lr = 0.1, or words",
            data_act="filter", data_key="filter", aria_label="filter runs",
        )  # fmt: skip
        try:
            page = run_search.search(
                self._ws.store,
                filter=self._filter,
                sort=self._sort,
                descending=self._descending,
                limit=PAGE,
                offset=self._offset,
            )
        except NbopsError as error:  # while a filter is being typed it often isn't one yet
            return [field, problem(error)]
        if not page.total:
            none = "no run fits" if self._filter else "nothing is recorded yet: %nbops auto on, and run a cell"
            return [field, element("p", none, class_="nbops-empty")]
        rows = [(row.run, row.params, row.metrics) for row in page.items]
        last = min(self._offset + PAGE, page.total)
        return [
            field,
            element("p", f"{self._offset + 1:,} to {last:,} of {page.total:,}"),
            run_table(rows, self._chosen, self._sort, self._descending),
            element("p", self._turn("previous", self._offset > 0), " ", self._turn("next", last < page.total)),
            self._compared(),
        ]

    def _turn(self, name: str, possible: bool) -> Element:
        return element("button", name, type="button", disabled=not possible, data_act="page", data_value=name)

    def _compared(self) -> Element | None:
        if len(self._chosen) < 2:
            return element("small", "Choose two or more to compare them.")
        return comparison(self._ws, sorted(self._chosen))

    def _models(self) -> Element:
        store = self._ws.store
        rows = []
        for name in models.names(store):
            versions, aliases = models.versions(store, name), models.aliases(store, name)
            said = ", ".join(f"{a} → {v}" for a, v in aliases.items())
            rows.append([name, len(versions), said, versions[-1].type.rpartition(".")[2]])
        if not rows:
            return element("p", "no model is registered yet: nbops promote", class_="nbops-empty")
        return table(["model", "versions", "aliases", "newest is"], rows, scroll="models")

    def _deployments(self) -> Element:
        store = self._ws.store
        rows = [
            [
                d.name,
                f"{d.model}@{d.alias}" if d.alias else f"{d.model}/{d.version}",
                len(deployments.scorings(store, d.name)),
            ]
            for d in deployments.listed(store)
        ]
        if not rows:
            return element("p", "nothing is deployed yet: nbops promote", class_="nbops-empty")
        return table(["deployment", "serves", "scored"], rows, scroll="deployments")

    def __repr__(self) -> str:
        return "nbops panel"


def panel(filter: str = "") -> PanelView:
    """Runs to filter, sort and compare, the registry, deployments: for front ends without the side panel.

    Parameters
    ----------
    filter : str
        What the runs are filtered by at first, as in ``nbops runs list --filter``.
    """
    return PanelView(filter)
