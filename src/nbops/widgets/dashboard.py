"""``nbops.dashboard("bikes")``."""

from __future__ import annotations

from typing import Any

from nbops.core.deployments import Distribution
from nbops.core.errors import NbopsError
from nbops.monitor.dashboard import dashboard as known
from nbops.monitor.dashboard import distribution
from nbops.render.dashboard import dashboard_view
from nbops.render.elements import Element
from nbops.widgets.view import View
from nbops.widgets.where import workspace


class DashboardView(View):
    """A deployment's performance, drift, operation, alerts and decisions; a click on a drift value shows the two
    distributions behind it."""

    def __init__(self, name: str) -> None:
        self._ws, self._name = workspace(), name
        self._chosen: Distribution | str | None = None
        super().__init__()

    def draw(self) -> Element:
        return dashboard_view(known(self._ws, self._name), self._chosen)

    def on_column(self, value: str, _form: dict[str, Any]) -> None:
        period, _, column = value.partition("/")
        try:
            self._chosen = distribution(self._ws, self._name, period, column)
        except NbopsError as error:
            self._chosen = str(error)

    def _repr_mimebundle_(self, **wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self._chosen = None  # a distribution tells values of the data: none is kept in the notebook
        return super()._repr_mimebundle_(**wanted)

    def __repr__(self) -> str:
        return f"nbops dashboard of {self._name}"


def dashboard(name: str) -> DashboardView:
    """A deployment's dashboard.

    Parameters
    ----------
    name : str
        The deployment.

    Raises
    ------
    UnknownNameError
    """
    return DashboardView(name)
