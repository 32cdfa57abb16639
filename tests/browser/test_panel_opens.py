"""The panel comes with the package, in JupyterLab and Notebook 7; the toolbar switches the kernel's tracking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.jupyter_page import JupyterPage, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_toolbar_switches_tracking_and_the_card_is_drawn_from_the_record(lab: Any, browser: Any, app: str) -> None:
    write_notebook(lab.root / f"opens-{app}.ipynb", ["alpha = 0.25\nbeta = alpha * 2"])
    jupyter = JupyterPage(lab, browser, app=app).open(f"opens-{app}.ipynb")
    page = jupyter.page
    assert jupyter.show("runs").is_visible()
    tabs = page.get_by_role("tablist", name="nbops views").get_by_role("tab")
    assert tabs.all_inner_texts() == ["This notebook", "Runs", "Models", "Pipelines", "Monitoring", "Schedules"]
    tabs.nth(1).press("ArrowRight")
    page.locator('.nbops-View[data-view="models"]').wait_for()
    track = page.locator('jp-button[data-command="nbops:toggle-tracking"]')
    track.click()
    expect(track).to_have_attribute("aria-pressed", "true")
    jupyter.run_all()
    card = page.locator(".nbops-RecordCard")
    card.wait_for()
    assert "alpha = 0.25" not in card.inner_text()  # a cell that nobody marked: one line that opens
    card.locator("summary").click()
    assert "alpha = 0.25" in card.inner_text()
    jupyter.close()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_lines_of_a_chart_differ_in_colour(lab: Any, browser: Any, theme: str) -> None:
    source = (Path(__file__).parents[2] / "labextension" / "src" / "views" / "chart.tsx").read_text()
    names = re.findall(r"'(--jp-[\w-]+)'", source.partition("const range = [")[2].partition("]")[0])
    write_notebook(lab.root / "colours.ipynb", ["1"])
    jupyter = JupyterPage(lab, browser).open("colours.ipynb")
    jupyter.execute("apputils:change-theme", {"theme": theme})
    expect(jupyter.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    read = "n => getComputedStyle(document.body).getPropertyValue(n).trim()"
    jupyter.page.wait_for_function(f"n => ({read})(n) !== ''", arg=names[0])
    colours = [jupyter.page.evaluate(read, name) for name in names]
    assert len(names) == len(set(colours)) >= 6, dict(zip(names, colours, strict=True))
    jupyter.execute("apputils:change-theme", {"theme": "JupyterLab Light"})
    jupyter.close()
