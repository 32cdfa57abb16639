"""A store of 10,000 runs in the panel: it counts, scrolls, sorts and filters, and draws only what is in sight."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from browser.jupyter_page import JupyterPage, write_notebook
from browser.many_runs import fill

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
MANY = 10_000


def test_ten_thousand_runs_scroll_sort_and_filter(lab: Any, browser: Any) -> None:
    folder = lab.root / "many"
    write_notebook(folder / "many.ipynb", ["1"])
    (folder / "nbops.toml").touch()
    fill(folder, MANY)
    jupyter = JupyterPage(lab, browser).open("many/many.ipynb")
    page = jupyter.page
    view = jupyter.show("runs")
    rows = view.locator(".nbops-Grid-row")
    expect(view.get_by_role("status")).to_contain_text("10,000 runs")
    expect(rows.first).to_contain_text(f"run {MANY - 1}")
    scroll = view.locator(".nbops-Grid-scroll")
    scroll.focus()
    scroll.press("End")
    expect(rows.last.locator("bdi").first).to_have_text("run 0")
    assert rows.count() < 80
    view.get_by_role("button", name="mae").click()
    expect(rows.first).to_contain_text(str(f"{MANY - 1:,}"))
    view.get_by_role("searchbox").fill("metrics.mae < 50 and params.lr = 1")
    expected = sum((i * 7919) % MANY < 50 and i % 7 == 1 for i in range(MANY))
    expect(view.get_by_role("status")).to_have_text(f"{expected} runs")
    view.get_by_role("searchbox").fill("metrics.mae <")
    expect(view.get_by_role("alert")).to_be_visible()
    expect(rows).to_have_count(expected)
    assert [e for e in jupyter.errors if "400" not in e] == []
    for box in range(2):
        rows.nth(box).get_by_role("checkbox").click()
    view.get_by_role("button", name="Compare").click()
    picture = view.locator(".nbops-Chart-picture").first
    picture.locator("svg").wait_for()
    cut_off = "e => e.querySelector('svg').getBoundingClientRect().right > e.getBoundingClientRect().right"
    assert not picture.evaluate(cut_off)
    page.close()
    jupyter.close()
