"""The loop from the panel: a drift dashboard on real data, a model refused, promoted, rolled back, a pipeline run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.jupyter_page import JupyterPage, write_notebook
from nbops.demo import loop, rides
from nbops.monitor.drift import drift
from nbops.scoring.score import score

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.data
def test_the_bikes_dashboard_in_light_and_dark(lab: Any, browser: Any, data_dir: Path) -> None:
    folder = lab.root / "bikes"
    real = rides.load(data_dir / "bike_hour.csv")
    months = real.frame["dteday"].str[:7]
    loop.run(folder, dataclasses.replace(real, frame=real.frame[months < "2011-09"]), lambda _: None)
    late = folder / "data" / "incoming" / "2011-09.csv"
    real.frame[months == "2011-09"].drop(columns="cnt").to_csv(late, index=False)
    ws = loop.closing_workspace(folder, real)
    score(ws, "bikes", [late], folder / "scores" / "bikes", period="2011-09")
    drift(ws, "bikes", period="2011-09")

    jupyter = JupyterPage(lab, browser).open("bikes/train.ipynb")
    page = jupyter.page
    view = jupyter.show("monitoring")
    view.get_by_role("button", name="bikes", exact=True).click()
    chart = view.get_by_role("group", name="Realised mean_absolute_error by period").locator("svg")
    chart.wait_for()
    expect(view.get_by_role("note")).to_have_text("Labels not there yet (grey): 2011-09")
    # The published figure for the temperature of July against the first half of the year: 6.11.
    view.get_by_role("button", name=re.compile(r"temp in 2011-07: PSI 6\.1\d*, alert")).click()
    shown = view.get_by_role("group", name="temp: reference and 2011-07")
    shown.locator("svg").wait_for()
    shown.get_by_text("As a table").click()
    shares = [float(cell.rstrip(" %")) for cell in shown.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    expect(view.get_by_role("region", name="Decisions")).to_be_visible()

    text = "document.querySelector('.nbops-Chart-picture svg .role-axis-label text')"
    wanted = "getComputedStyle(document.querySelector('#nbops-panel')).getPropertyValue('--jp-ui-font-color2').trim()"
    light = page.evaluate(f"() => {text}.getAttribute('fill')")
    jupyter.execute("apputils:change-theme", {"theme": "JupyterLab Dark"})
    page.wait_for_function(
        f"light => {text} && {text}.getAttribute('fill') !== light && {text}.getAttribute('fill') === {wanted}",
        arg=light,
    )
    jupyter.execute("apputils:change-theme", {"theme": "JupyterLab Light"})
    assert jupyter.errors == []
    jupyter.close()


DATA = (
    "import numpy as np, pandas as pd\nfrom sklearn.linear_model import Ridge\n"
    "from sklearn.metrics import mean_absolute_error\nx = np.linspace(0, 10, 200)\n"
    "table = pd.DataFrame({'x': x, 'z': np.sin(x)})\ntable['y'] = 3 * table.x + table.z\n"
    "train, test = table[::2], table[1::2]"
)
FIT = (
    "%%track fit\nmodel = Ridge(alpha={alpha}).fit(train[['x', 'z']], train['y'])\n"
    "mean_absolute_error(test['y'], model.predict(test[['x', 'z']]))"
)


def test_a_model_is_refused_then_promoted_and_rolled_back(lab: Any, browser: Any) -> None:
    folder = lab.root / "gates"
    write_notebook(folder / "fit.ipynb", ["%load_ext nbops", DATA, FIT.format(alpha=1e6)])
    (folder / "nbops.toml").write_text("[deployments.line.gates]\nmax = { mean_absolute_error = 1.0 }\n")
    jupyter = JupyterPage(lab, browser).open("gates/fit.ipynb")
    page = jupyter.page
    view = jupyter.show("models")

    def fit(alpha: float) -> None:
        """Run the last cell with another value, and open the promotion from the toolbar."""
        source = FIT.format(alpha=alpha)
        page.evaluate(
            "source => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.setSource(source)",
            source,
        )
        before = page.locator(".nbops-RecordCard").count()
        jupyter.run_all()
        page.locator(".nbops-RecordCard").nth(0).wait_for()
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.executionState === 'idle'"
        )
        assert before <= 1
        page.locator('jp-button[data-command="nbops:promote"]').click()
        expect(view.get_by_role("combobox", name="Deployment")).to_have_value("line")
        view.get_by_role("button", name="Ask the gates").click()

    verdict = view.locator(".nbops-Verdict")
    fit(1e6)
    expect(verdict).to_contain_text("The gates refuse this candidate")
    expect(view.locator("li[data-outcome='failed']")).to_contain_text("mean_absolute_error at most 1")
    expect(view.get_by_role("button", name="Promote it")).to_have_count(0)
    for version, alpha in ((1, 5.0), (2, 0.01)):
        fit(alpha)
        expect(verdict).to_contain_text("All gates are passed")
        view.get_by_role("button", name="Promote it").click()
        expect(view.get_by_role("status")).to_have_text(f"line version {version} is production now")
    view.get_by_role("button", name="Models").click()
    view.get_by_role("button", name="line", exact=True).click()
    expect(view.get_by_role("listitem", name="Version 2")).to_contain_text("production")
    view.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(view.get_by_role("listitem", name="Version 1")).to_contain_text("production")
    history = view.get_by_role("region", name="History")
    expect(history.get_by_role("listitem").first).to_contain_text("rolled back")
    expect(history).to_contain_text("2 → 1")
    assert jupyter.errors == []
    jupyter.close()


def test_a_pipeline_is_run_from_its_form_fails_and_is_resumed(lab: Any, browser: Any) -> None:
    folder = lab.root / "pipe"
    write_notebook(folder / "one.ipynb", ["n: int = 2  # how many", "import nbops\nnbops.output('total', n * 21)"])
    write_notebook(folder / "two.ipynb", ["from pathlib import Path\nprint('looking')\nassert Path('ready').exists()"])
    one = (folder / "one.ipynb").read_text()
    (folder / "one.ipynb").write_text(one.replace('"metadata": {}', '"metadata": {"tags": ["parameters"]}', 1))
    (folder / "nbops.toml").write_text(
        "[pipelines.both.steps.one]\nnotebook = 'one.ipynb'\n"
        "[pipelines.both.steps.two]\nnotebook = 'two.ipynb'\nneeds = ['one']\n"
    )
    jupyter = JupyterPage(lab, browser).open("pipe/one.ipynb")
    page = jupyter.page
    view = jupyter.show("pipelines")
    view.get_by_role("button", name="both").click()
    field = view.get_by_role("textbox", name="n how many")
    field.fill("many")
    view.get_by_role("button", name="Run", exact=True).click()
    expect(view.get_by_role("alert")).to_have_text("many is no whole number.")
    field.fill("3")
    view.get_by_role("button", name="Run", exact=True).click()
    run = view.get_by_role("region", name="Last run")
    expect(run.get_by_role("status")).to_contain_text("failed", timeout=150_000)
    steps = run.get_by_role("listitem")
    expect(steps.nth(0)).to_contain_text("completed")
    expect(steps.nth(1)).to_contain_text("failed")
    steps.nth(1).get_by_role("button", name="Log").click()
    expect(steps.nth(1).locator(".nbops-Log")).to_contain_text("looking")

    (folder / "ready").touch()
    run.get_by_role("button", name="Resume").click()
    expect(run.get_by_role("status")).to_contain_text("completed", timeout=150_000)
    expect(run.get_by_role("listitem", name="").filter(has_text="one")).to_contain_text("cached")
    run.get_by_role("button", name="Executed notebook").last.click()
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.context.path.startsWith('nbops:')")
    expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")).to_contain_text("looking")
    assert jupyter.errors == []
    jupyter.close()
