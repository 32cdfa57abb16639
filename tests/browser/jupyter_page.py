"""A page of JupyterLab or Notebook 7 with a notebook open: what a person would do there, in a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # CI's machine is busy; nothing here waits for time to pass

# What Notebook 7 throws by itself, without any extension of ours (seen in 7.4 and 7.6).
NOTEBOOKS_OWN = (
    "Cannot read properties of undefined (reading 'schema')",
    "Command 'filebrowser:open-path' not registered.",
)
READY = """() => {
  const widget = window.jupyterapp.shell.currentWidget;
  const session = widget && widget.context && widget.context.sessionContext;
  return session && session.isReady && session.session.kernel && session.session.kernel.status === 'idle';
}"""


def write_notebook(path: Path, cells: list[str]) -> None:
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


class JupyterPage:
    """`errors` are those of ours: what the page threw, and what the console said of nbops."""

    def __init__(self, lab: Any, browser: Any, *, app: str = "lab", width: int = 1500) -> None:
        self.lab, self.app = lab, app
        self.page = browser.new_context(viewport={"width": width, "height": 950}).new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.page.on("pageerror", self._thrown)
        self.page.on("console", self._said)

    def _thrown(self, error: Any) -> None:
        if self.app != "notebook" or str(error) not in NOTEBOOKS_OWN:
            self.errors.append(str(error))

    def _said(self, message: Any) -> None:
        where = message.location.get("url", "") if message.location else ""
        if message.type == "error" and "nbops" in f"{message.text} {where}":
            self.errors.append(f"{message.text} ({where})")

    def open(self, notebook: str) -> JupyterPage:
        part = "lab/tree" if self.app == "lab" else "notebooks"
        self.page.goto(f"{self.lab.url}/{part}/{notebook}?reset&token={self.lab.token}")
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        self.page.wait_for_function(READY, timeout=60_000)
        return self

    def execute(self, command: str, args: dict[str, Any] | None = None) -> None:
        """A command of JupyterLab's; not awaited, since a promise that never ends would hang the test."""
        call = f"window.jupyterapp.commands.execute({json.dumps(command)}, {json.dumps(args or {})})"
        self.page.evaluate(f"() => {{ void {call}; }}")

    def run_all(self) -> None:
        self.execute("notebook:run-all-cells")

    def show(self, view: str) -> Any:
        """Bring a view of the panel to the front, and return it."""
        self.execute("nbops:show", {"view": view})
        found = self.page.locator(f'.nbops-View[data-view="{view}"]')
        found.wait_for()
        return found

    def close(self) -> None:
        self.page.context.close()
