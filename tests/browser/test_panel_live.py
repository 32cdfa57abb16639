"""The panel beside a real kernel: what a cell did shows as it ends, and what others write shows too."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.jupyter_page import JupyterPage, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

HOSTILE = "<img src=x onerror=window.hit=1></script>\u202egnp.exe"
CELLS = [
    "%load_ext nbops\n%nbops auto on",
    "import pandas as pd\nfrom sklearn.linear_model import Ridge\nfrom sklearn.metrics import mean_absolute_error\n"
    "table = pd.DataFrame({'a': [1.0, 2.0, 3.0, 4.0], 'y': [1.0, 2.0, 3.0, 5.0]})",
    "%%track ridge\nalpha = 1.0\nmodel = Ridge(alpha=alpha).fit(table[['a']], table['y'])\n"
    "mean_absolute_error(table['y'], model.predict(table[['a']]))",
    "%%track ridge\nalpha = 25.0\nmodel = Ridge(alpha=alpha).fit(table[['a']], table['y'])\n"
    "mean_absolute_error(table['y'], model.predict(table[['a']]))",
    "import nbops\nfor step in range(5):\n    nbops.log_metric('loss', 1 / (step + 1), step=step)\n"
    f"nbops.log_metric({HOSTILE!r}, 1.0)\nnbops.log_param({HOSTILE!r}, {HOSTILE!r})\n"
    "nbops.log_param('long', 'x' * 1_000_000)",
]


def test_cells_show_as_they_end_and_runs_are_compared(lab: Any, browser: Any) -> None:
    write_notebook(lab.root / "live" / "live.ipynb", CELLS)
    (lab.root / "live" / "nbops.toml").touch()
    jupyter = JupyterPage(lab, browser).open("live/live.ipynb")
    page = jupyter.page
    view = jupyter.show("notebook")
    view.get_by_text("Nothing of this notebook is recorded yet").wait_for()
    expect(page.locator(".nbops-Header")).to_contain_text("live/nbops.toml is the nearest nbops.toml")
    jupyter.run_all()
    cells = view.locator(".nbops-Cell")
    expect(cells).to_have_count(4)
    expect(cells.nth(1)).to_contain_text("alpha = 1")
    expect(cells.nth(1)).to_contain_text("model: Ridge")
    expect(cells.nth(1)).to_contain_text("mean_absolute_error 0.")
    expect(page.locator(".nbops-StatusItem")).to_contain_text("nbops:")

    # Hostile text is text, wherever it comes; a value of a megabyte is cut.
    expect(cells.nth(3)).to_contain_text("<img src=x onerror=window.hit=1>")
    assert len(view.inner_text()) < 20_000
    # A click leads to the cell.
    cells.nth(1).locator(".nbops-Cell-head").click()
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex === 2")
    # The graph of where it all came from.
    view.get_by_role("button", name="Show the graph").click()
    node = view.locator(".nbops-Graph-node", has_text="model: Ridge").first
    node.click()
    expect(node).to_have_attribute("aria-pressed", "true")

    # A second window on the same notebook: the same cells, once.
    second = JupyterPage(lab, browser).open("live/live.ipynb")
    expect(second.show("notebook").locator(".nbops-Cell")).to_have_count(4)
    assert second.errors == []
    second.close()

    # Two runs compared: what differs, and the curves of a third.
    runs = jupyter.show("runs")
    rows = runs.locator(".nbops-Grid-row", has_text="ridge")
    expect(rows).to_have_count(2)
    for i in range(2):
        rows.nth(i).locator("input").check()
    runs.get_by_role("button", name="Compare").click()
    article = page.get_by_role("article", name="Comparison of runs")
    table = article.get_by_role("table").first
    expect(table.get_by_role("row").filter(has_text="alpha")).to_contain_text("25")
    expect(table).to_contain_text("mean_absolute_error")
    article.locator(".nbops-Chart-picture svg").first.wait_for()
    expect(article.locator(".nbops-Diff").first).to_contain_text("+alpha =")
    article.get_by_role("button", name="Runs").click()

    # A write of another process, and an edit of a cell that has run, show by themselves.
    subprocess.run(
        [sys.executable, "-c", "import nbops\nwith nbops.track('elsewhere'):\n    nbops.log_metric('m', 1)"],
        cwd=lab.root / "live",
        env=lab.environ,
        check=True,
    )
    expect(runs.locator(".nbops-Grid-row", has_text="elsewhere")).to_have_count(1)
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.setSource('alpha = 3')"
    )
    jupyter.execute("docmanager:save")
    view = jupyter.show("notebook")
    expect(view.locator(".nbops-Cell").nth(1)).to_contain_text("edited")
    assert page.evaluate("() => window.hit") is None
    assert jupyter.errors == []
    jupyter.close()
