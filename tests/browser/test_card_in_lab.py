"""The card as JupyterLab shows it, and the record after JupyterLab has saved the notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from browser.jupyter_page import JupyterPage, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = [
    "%load_ext nbops\n%nbops auto on",
    "import pandas as pd\nfrom sklearn.linear_model import Ridge\nfrom sklearn.metrics import mean_absolute_error",
    "table = pd.DataFrame({'a': [1.0, 2.0, 3.0, 4.0], 'b': [0.5, 0.25, 1.0, 2.0], 'y': [1.0, 2.0, 3.0, 5.0]})",
    "%%track ridge\nalpha = 1.0\nmodel = Ridge(alpha=alpha).fit(table[['a', 'b']], table['y'])\n"
    "mean_absolute_error(table['y'], model.predict(table[['a', 'b']]))",
]


def test_the_card_shows_and_the_record_survives_a_save_by_the_browser(lab: Any, browser: Any, tmp_path: Path) -> None:
    path = lab.root / "first.ipynb"
    write_notebook(path, CELLS)
    jupyter = JupyterPage(lab, browser).open("first.ipynb")
    page = jupyter.page
    jupyter.run_all()
    card = page.locator(".jp-OutputArea-output", has_text="mean_absolute_error").last
    card.wait_for(timeout=60_000)
    shown = card.inner_text()
    assert "alpha" in shown
    assert "Ridge" in shown
    if folder := os.environ.get("NBOPS_SCREENSHOTS"):
        page.wait_for_timeout(1000)
        page.screenshot(path=f"{folder}/card-page.png")
        card.screenshot(path=f"{folder}/card.png")
    jupyter.execute("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=30_000)
    saved = json.loads(path.read_text())
    assert any("application/vnd.nbops.record.v1+json" in o.get("data", {}) for o in saved["cells"][3]["outputs"])
    done = subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", "verify", "first.ipynb", "--json"],
        cwd=lab.root,
        env=lab.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["records"] >= 2
    assert {f["what"] for f in result["findings"] if f["result"] == "same"} >= {"payload", "source", "store"}
    assert jupyter.errors == []
    text = path.read_text().replace("alpha = 1.0", "alpha = 2.0")
    path.write_text(text)
    edited = subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", "verify", "first.ipynb"],
        cwd=lab.root,
        env=lab.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert edited.returncode == 4, edited.stdout
    assert "edited after it ran" in edited.stdout
