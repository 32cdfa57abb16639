"""Widgets without a front end: what they draw, what a click does, what stays in the notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbops
from deployed_model import at, deployed, rows
from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.runs import Metric, Run, RunKind, RunStatus
from nbops.monitor.drift import drift
from nbops.monitor.labels import add_labels
from nbops.monitor.performance import update
from nbops.render.elements import element, from_svg, html, plain
from nbops.scoring.score import score
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

HOSTILE = "<img src=x onerror=alert(1)></script>"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A deployment that scored two months, the second one shifted, with labels for the first; three runs."""
    ws = deployed(tmp_path_factory.mktemp("widgets"), '[deployments.taxi]\nkey = ["id"]\n')
    for month, shift in ((1, 0.0), (2, 2.5)):
        ws = at(ws, datetime(2012, month, 2, tzinfo=UTC))
        frame = rows(400, seed=month, shift=shift)
        file = ws.root / f"2012-0{month}.csv"
        frame.drop(columns="y").to_csv(file, index=False)
        score(ws, "taxi", [str(file)], ws.root / "scores")
        drift(ws, "taxi")
    labels = rows(400, seed=1)[["id", "y"]]
    labels.to_csv(ws.root / "labels.csv", index=False)
    add_labels(ws, "taxi", ws.root / "labels.csv", column="y")
    update(ws, "taxi")
    with ws.store.transaction() as tx:
        for i in range(3):
            run = Run(
                id=f"{i}c0ffee",
                kind=RunKind.BLOCK,
                name=HOSTILE if i == 2 else f"ridge {i}",
                experiment="e",
                status=RunStatus.COMPLETED,
                started_at=datetime(2012, 3, 1 + i, tzinfo=UTC),
                ended_at=datetime(2012, 3, 1 + i, tzinfo=UTC),
            )
            runs.save(tx, run)
            runs.set_params(tx, run.id, {"lr": 0.1 * (i + 1), "same": "x", HOSTILE: i})
            records.add_metrics(
                tx, run.id, 0, [Metric(name="loss", value=10.0 / (s + 1 + i), step=s) for s in range(9)]
            )
    return ws


@pytest.fixture(autouse=True)
def there(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)


def shown(widget: Any) -> tuple[str, dict[str, Any]]:
    """The static picture, and the whole bundle."""
    data, _ = widget._repr_mimebundle_()
    return data["text/html"], data


def texts(tree: Any) -> str:
    return tree if isinstance(tree, str) else " ".join(texts(child) for child in tree[2])


def sent(widget: Any, monkeypatch: pytest.MonkeyPatch, act: str, value: str = "", form: Any = None) -> Any:
    """What the widget draws after a message as the browser sends it."""
    drawn: list[Any] = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: drawn.append(content["tree"]))
    widget._handle_custom_msg({"act": act, "value": value, "form": form or {}}, [])
    return drawn[-1]


def test_the_dashboard_shows_all_and_a_click_the_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = nbops.dashboard("taxi")
    page, bundle = shown(widget)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert bundle["text/plain"] == "nbops dashboard of taxi"
    assert "taxi: taxi version 1" in page
    assert "waiting for labels: 2012-02" in page
    assert 'class="nbops-alert"' in page
    assert "Kyiv" not in page + json.dumps(widget.tree)  # no value of the data is in the notebook
    after = sent(widget, monkeypatch, "column", "2012-02/city")
    assert "Kyiv" in json.dumps(after, ensure_ascii=False)
    assert "at training" in texts(after)
    assert "Kyiv" not in json.dumps(widget.tree)  # nor in the widget's state once it was looked at
    assert "Kyiv" not in shown(widget)[0]
    assert "there is no column 'none'" in texts(sent(widget, monkeypatch, "column", "2012-02/none"))
    with pytest.raises(UnknownNameError):
        nbops.dashboard("none")


def test_compare_marks_what_differs() -> None:
    page, _ = shown(nbops.compare(["0c", "1c"]))
    assert re.search(r'class="nbops-differs"[^>]*>lr<', page)
    assert not re.search(r'class="nbops-differs"[^>]*>same<', page)
    assert page.count("<polyline") >= 2
    assert "Why they differ" in page
    three, _ = shown(nbops.compare(["0c", "1c", "2c"]))
    assert "Why they differ" not in three
    for bad in (["0c"], "0c1c", []):
        with pytest.raises(UsageError):
            nbops.compare(bad)
    with pytest.raises(UnknownNameError):
        nbops.compare(["0c", "zz"])


def test_the_panel_filters_sorts_pages_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = nbops.panel()
    assert "ridge 0" in shown(widget)[0]
    assert "ridge 1" not in texts(sent(widget, monkeypatch, "filter", "params.lr < 0.15"))
    assert "a value is expected" in texts(sent(widget, monkeypatch, "filter", "params.lr <"))
    everything = texts(sent(widget, monkeypatch, "filter", "kind = block"))
    assert "1 to 3 of 3" in everything
    worst_first = texts(sent(widget, monkeypatch, "sort", "metrics.loss"))
    assert worst_first.index("ridge 0") < worst_first.index("ridge 1")
    best_first = texts(sent(widget, monkeypatch, "sort", "metrics.loss"))
    assert best_first.index("ridge 1") < best_first.index("ridge 0")
    assert "Choose two" in texts(sent(widget, monkeypatch, "choose", "0c0ffee"))
    assert "Why they differ" in texts(sent(widget, monkeypatch, "choose", "1c0ffee"))
    assert "Choose two" in texts(sent(widget, monkeypatch, "choose", "1c0ffee"))
    assert "production → 1" in texts(sent(widget, monkeypatch, "tab", "models"))
    assert "taxi@production" in texts(sent(widget, monkeypatch, "tab", "deployments"))


def test_what_is_hostile_stays_text() -> None:
    page, _ = shown(nbops.compare(["0c", "2c"]))
    assert "<img" not in page
    assert "&lt;img src=x" in page
    for bad in ("script", "a", "iframe", "style"):
        with pytest.raises(UsageError):
            element(bad, "x")
    for bad in ("onclick", "href", "style", "src"):
        with pytest.raises(UsageError):
            element("p", "x", **{bad: "x"})
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><script>x()</script><rect href="x" width="3"/></svg>'
    assert plain(from_svg(svg)) == ["svg", {}, [["rect", {"width": "3"}, []]]]
    assert html(element("p", "a & b", title='"q"')) == '<p title="&quot;q&quot;">a &amp; b</p>'


def test_the_browsers_lists_are_pythons() -> None:
    from nbops.render import elements

    script = (Path(nbops.__file__).parent / "widgets" / "view.js").read_text()
    tags, svg = re.findall(r'"([a-z0-9 ]+)"\.split', script.replace('"\n', '"')) or (None, None)
    assert set(tags.split()) == elements.HTML_TAGS
    assert set(svg.split()) == elements.SVG_TAGS
    pattern = re.search(r"const ATTRIBUTE =\s*/(.*)/;", script)
    assert pattern is not None
    for name in (*elements.ATTRIBUTES, "aria-label", "data-act"):
        assert re.fullmatch(pattern[1].strip("^$"), name), name
    assert not re.fullmatch(pattern[1].strip("^$"), "onclick")


def test_the_lineage_of_a_version_tells_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = nbops.show_lineage("models:/taxi/1")
    page, _ = shown(widget)
    box = re.search(r'data-value="(version:[^"]+)"', page)
    assert box is not None
    assert "version taxi" in texts(sent(widget, monkeypatch, "node", box[1]))
    with pytest.raises(UsageError, match="no variable"):
        nbops.show_lineage(pd.DataFrame())


NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "outputs": [], "execution_count": None,
         "source": "n: int = 3  # how many\nfast: bool = True\nkind = 'a'"},
        {"cell_type": "code", "id": "c", "metadata": {}, "outputs": [], "execution_count": None,
         "source": "import nbops\nnbops.log_metric('twice', n * 2)"},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


def test_a_form_without_fields_says_why(project: Workspace) -> None:
    (project.root / "none.ipynb").write_text(json.dumps({**NOTEBOOK, "cells": NOTEBOOK["cells"][1:]}))
    assert "It takes no parameters" in shown(nbops.params("none.ipynb"))[0]
    (project.root / "form.ipynb").write_text(json.dumps(NOTEBOOK))
    assert "It takes no parameters" not in shown(nbops.params("form.ipynb"))[0]


def test_a_form_checks_runs_and_tells(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "form.ipynb").write_text(json.dumps(NOTEBOOK))
    widget = nbops.params("form.ipynb")
    page, _ = shown(widget)
    assert 'value="3"' in page
    assert re.search(r'type="checkbox"[^>]* checked', page)
    assert "how many" in page
    wrong = sent(widget, monkeypatch, "run", "", {"n": "three", "fast": True, "kind": "a"})
    assert "'n'" in texts(wrong)
    sent(widget, monkeypatch, "run", "", {"n": "5", "fast": True, "kind": "a"})
    end = time.monotonic() + 90
    while time.monotonic() < end and "completed" not in html(widget.draw()):
        assert widget._wrong is None
        time.sleep(0.2)
    assert "twice: 10" in html(widget.draw())
    (run,) = runs.listed(open_workspace(project.root, environ={}).store, notebook="form.ipynb", limit=5)
    assert runs.params(project.store, run.id)["n"] == 5


LIVE = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
shell.run_cell("%load_ext nbops")
code = (
    "import nbops\\nnbops.live('loss')\\nfor i in range(2000):\\n    nbops.log_metric('loss', 1.0 / (i + 1), step=i)\\n"
    "    nbops.log_metric('other', 1.0)"
)
with capture_output() as shown:
    result = shell.run_cell(code)
    result.raise_error()
first, *updates = [o.data for o in shown.outputs]
last = updates[-1]["text/html"]
print(len(updates), last.count("<polyline"), updates[-1]["text/plain"], "other" in last, sep="|")
with capture_output() as after:
    shell.run_cell("nbops.log_metric('loss', 3.0)").raise_error()
print(len(after.outputs))
"""


def test_a_live_chart_ends_with_its_cell(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    done = subprocess.run([sys.executable, "-c", LIVE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    updates, lines, text, other = done.stdout.split("\n")[0].split("|")
    assert (lines, text, other) == ("1", "loss 0.0005", "False")
    assert int(updates) < 500  # drawn now and then, not 2,000 times
    assert done.stdout.split("\n")[1] == "0"


def test_papermill_and_nbconvert_show_the_picture(project: Workspace) -> None:
    """Where no front end answers: nothing hangs, and the drawing is in the page."""
    import nbformat

    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell("import nbops\nnbops.dashboard('taxi')")]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, project.root / "show.ipynb")
    words = ["--to", "html", "--execute", "show.ipynb", "--output", "show.html"]
    words = [sys.executable, "-m", "nbconvert", *words]
    done = subprocess.run(words, cwd=project.root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    page = (project.root / "show.html").read_text()
    assert "waiting for labels: 2012-02" in page
    assert "nbops-chart" in page
