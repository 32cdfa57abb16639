"""``nbops.run_pipeline`` and ``%nbops run`` in a real kernel: what is shown while the pipeline runs, and what stays."""

from __future__ import annotations

import re
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline.progress import Standing, StepEvent
from nbops.render.progress import StepLine, progress_text
from nbops.store import records, runs

TOML = """
[pipelines.main.steps.first]
notebook = "first.ipynb"
[pipelines.main.steps.second]
notebook = "second.ipynb"
needs = ["first"]
"""


class Listening(NotebookClient):
    """Keeps every drawing of a display."""

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.drawings: list[str]
            self.drawings.append(msg["content"]["data"].get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)


def test_progress_is_drawn_in_place_and_how_it_ended_stays(project):
    project.notebook("first.ipynb", "# parameters\nn = 1", "import time; time.sleep(1.5)", "print(n)")
    project.notebook("second.ipynb", "1", "import time; time.sleep(0.5)\nassert n > 0 if 'n' in dir() else True")
    project.toml(TOML)
    book = nbformat.v4.new_notebook()
    sources = [
        "%load_ext nbops\n%nbops auto on\n%nbops card off",
        "import nbops\nrun = nbops.run_pipeline('main')",
        "%nbops run main -p n=1",
        "%nbops run nowhere",
    ]
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    book.cells[3].metadata["tags"] = ["raises-exception"]
    client = Listening(book, kernel_name="python3", resources={"metadata": {"path": str(project.root)}})
    client.drawings = []
    client.execute()

    (shown,) = [o for o in book.cells[1].outputs if o.output_type == "display_data"]
    text = shown.data["text/plain"]
    assert re.search(r"^main: completed, [\d.]+ s", text)
    assert re.search(r"first +completed +[\d.]+ s +it has not completed before", text)
    assert re.search(r"second +completed", text)
    mine = client.drawings[: client.drawings.index(text) + 1]
    assert mine[0] == "main: begins"
    assert any(re.search(r"first +cell 2 of 3 +[\d.]+ s[\s\S]*second +waits", drawing) for drawing in mine)
    assert len(mine) < 40
    # a second time it is known what it usually takes; here nothing is to be done
    (again,) = [o for o in book.cells[2].outputs if o.output_type == "display_data"]
    assert re.search(r"first +cached +nothing changed since run", again.data["text/plain"])
    assert "completed: '%nbops show" in book.cells[2].outputs[-1].text
    (wrong,) = book.cells[3].outputs  # no table of a run that there isn't
    assert "there is no pipeline 'nowhere'" in wrong.text
    page, _ = HTMLExporter().from_notebook_node(book)
    assert page.count("completed") > 3
    assert "begins" not in page

    ws = project.ws()
    done = runs.listed(ws.store, kinds=[RunKind.PIPELINE])
    assert [r.status for r in done] == [RunStatus.COMPLETED] * 2
    # what the pipeline did is recorded as its own, not as the cell's that asked for it
    (session,) = runs.listed(ws.store, kinds=[RunKind.SESSION])
    assert [r.files for r in records.of_run(ws.store, session.id)] == [()]


def test_what_the_news_add_up_to():
    standing = Standing(["a", "b", "c"])
    assert [e.state for e in standing.now()] == ["waits"] * 3
    standing.heard(StepEvent(step="a", state="started", why="it has not completed before", usual_s=20))
    standing.heard(StepEvent(step="a", state="cell", cell=2, cells=5, seconds=8, usual_s=20))
    standing.heard(StepEvent(step="b[1]", state="cell", cell=1, cells=5, seconds=3))
    standing.heard(StepEvent(step="b[2]", state="cell", cell=1, cells=5, seconds=90, usual_s=80))
    standing.heard(StepEvent(step="tell", state="completed", seconds=200))
    now = standing.now()
    assert [e.step for e in now] == ["a", "b[1]", "b[2]", "c", "tell"]
    assert [e.left_s for e in now] == [12.0, None, 0.0, None, None]
    fields = "step", "state", "cell", "cells", "seconds", "left_s", "why"
    lines = [StepLine(**{field: getattr(event, field) for field in fields}) for event in now]
    said = [re.sub(" {2,}", " | ", row.strip()) for row in progress_text("main", "running", 4000, lines).splitlines()]
    assert said == [
        "main: running, 1 h 6 min",
        "step | took | still about | why",
        "a | cell 2 of 5 | 8.0 s | 12 s | it has not completed before",
        "b[1] | cell 1 of 5 | 3.0 s",
        "b[2] | cell 1 of 5 | 1 min 30 s | longer than usual",
        "c | waits",
        "tell | completed | 3 min 20 s",
    ]
    standing.heard(StepEvent(step="a", state="failed", why="cell 2: KeyError"))
    assert (standing.now()[0].why, standing.now()[0].seconds) == ("cell 2: KeyError", 8)
