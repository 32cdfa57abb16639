"""The widgets as a browser shows them, in JupyterLab and Notebook 7: clicks reach the kernel, drawings come back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.jupyter_page import JupyterPage, write_notebook
from deployed_model import at, deployed, rows
from nbops.monitor.drift import drift
from nbops.scoring.score import score

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = [
    "%load_ext nbops\nimport nbops",
    "%%track first\nlr = 0.1\nfor i in range(30):\n    nbops.log_metric('loss', 3.0 / (i + 1), step=i)",
    "%%track second\nlr = 0.2\nfor i in range(30):\n    nbops.log_metric('loss', 2.0 / (i + 1), step=i)",
    "nbops.dashboard('taxi')",
    "nbops.panel('kind = block')",
    "nbops.params('form.ipynb')",
    "import time\nnbops.live()\nfor i in range(20):\n    nbops.log_metric('live loss', 1.0 / (i + 1), step=i)\n"
    "    time.sleep(0.05)",
]


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_widgets_answer_in_the_browser(lab: Any, browser: Any, app: str) -> None:
    root = lab.root / f"widgets-{app}"
    ws = at(deployed(root), datetime(2012, 2, 2, tzinfo=UTC))
    rows(300, seed=5, shift=2.5).drop(columns="y").to_csv(root / "2012-02.csv", index=False)
    score(ws, "taxi", [str(root / "2012-02.csv")], root / "scores")
    drift(ws, "taxi")
    write_notebook(root / "form.ipynb", ["n: int = 3  # how many", "import nbops\nnbops.log_metric('twice', n * 2)"])
    form = (root / "form.ipynb").read_text()
    (root / "form.ipynb").write_text(form.replace('"metadata": {}', '"metadata": {"tags": ["parameters"]}', 1))
    write_notebook(root / "show.ipynb", CELLS)
    jupyter = JupyterPage(lab, browser, app=app).open(f"widgets-{app}/show.ipynb")
    page = jupyter.page
    jupyter.run_all()
    dashboard = page.locator(".nbops-view", has_text="taxi: taxi version 1")
    dashboard.get_by_role("button", name="2012-02/city").or_(dashboard.locator('[data-value="2012-02/city"]')).click()
    expect(dashboard).to_contain_text("Kyiv")
    panel = page.locator(".nbops-view", has_text="filter").or_(page.locator(".nbops-view:has([data-act=filter])"))
    expect(panel).to_contain_text("1 to 2 of 2")
    field = panel.locator("[data-act=filter]")
    field.fill("params.lr < 0.15")
    expect(panel).to_contain_text("1 to 1 of 1")
    assert field.evaluate("e => document.activeElement === e")  # drawn anew while it is typed in
    field.fill("kind = block")
    expect(panel).to_contain_text("1 to 2 of 2")
    for box in range(2):
        panel.get_by_role("checkbox").nth(box).click()
    expect(panel).to_contain_text("Why they differ")
    form_ = page.locator(".nbops-view:has([data-act=run])")
    form_.get_by_label("n", exact=True).fill("three")
    form_.get_by_role("button", name="Run").click()
    expect(form_).to_contain_text("'n'")
    form_.get_by_label("n", exact=True).fill("8")
    form_.get_by_role("button", name="Run").click()
    expect(form_).to_contain_text("twice: 16", timeout=90_000)
    expect(page.locator(".nbops-view", has_text="live loss").locator("polyline")).to_have_count(1)
    if folder := os.environ.get("NBOPS_SCREENSHOTS"):
        dashboard.screenshot(path=f"{folder}/widget-dashboard-{app}.png")
        panel.screenshot(path=f"{folder}/widget-panel-{app}.png")
        form_.screenshot(path=f"{folder}/widget-params-{app}.png")
    assert jupyter.errors == []
    jupyter.close()
