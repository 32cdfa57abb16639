"""Pipelines proposed from what notebooks do and say, and notebooks cut into steps: what comes out really runs."""

from __future__ import annotations

import json
import tomllib

import pytest

from nbops.core.errors import NotebookError, SettingsError
from nbops.notebook import files
from nbops.pipeline.execute import run_notebook
from nbops.pipeline.infer import infer, write
from nbops.pipeline.split import cut, split
from nbops.settings import Step


def test_who_feeds_whom_from_records_and_from_the_text_and_it_runs(project):
    (project.root / "data").mkdir()
    for i in range(5):
        (project.root / f"data/{i}.csv").write_text("x\n1\n")
    prepare = project.notebook(
        "nb/b_prepare.ipynb",
        "# parameters\nmonth = 3\nname = 'clean'",
        "from pathlib import Path\ntexts = [p.read_text() for p in sorted(Path('../data').glob('*.csv'))]",
        "Path('../' + name + '.txt').write_text(''.join(texts))",  # only the run tells where
    )
    project.notebook(
        "nb/a_train.ipynb",
        "# parameters\nmonth = 3\nrate: float",
        "import nbops, pandas as pd\nnbops.output('rows', len(open('../clean.txt').read()))",
    )
    project.notebook("report.ipynb", "import nbops\nopen('report.txt', 'w').write(str(nbops.input('rows')))")
    project.notebook(".ipynb_checkpoints/report-checkpoint.ipynb", "1")
    broken = project.notebook("broken.ipynb", "1")
    broken.write_text("{")
    run_notebook(project.ws(), prepare)
    found = infer(project.ws(), project.root, "main")
    assert list(found.pipeline.steps) == ["b_prepare", "a_train", "report"]
    assert found.pipeline.steps == {
        "b_prepare": Step(notebook="nb/b_prepare.ipynb", inputs=("data/*.csv",), outputs=("clean.txt",)),
        "a_train": Step(notebook="nb/a_train.ipynb", inputs=("clean.txt",), outputs=("rows",)),
        "report": Step(notebook="report.ipynb", inputs=("rows",), outputs=("report.txt",)),
    }
    assert found.pipeline.params == {"month": 3}
    assert [n.split(":")[0] for n in found.notes] == ["broken.ipynb is left out", "rate must be given"]
    assert tomllib.loads(found.toml)["pipelines"]["main"]["params"] == {"month": 3}
    assert (project.root / "nbops.toml").read_text() == "", "a proposal changes nothing"

    project.toml("[store]\nkeep_under_mb = 50")
    write(project.ws(), found)
    assert project.ws().settings.store.keep_under_mb == 50
    _, last = project.run(params={"rate": 1})
    assert {step: event.state for step, event in last.items()} == dict.fromkeys(found.pipeline.steps, "completed")
    assert (project.root / "report.txt").read_text() == "20"
    with pytest.raises(SettingsError, match="has a pipeline 'main' already; give another name"):
        write(project.ws(), infer(project.ws(), project.root, "main"))


def test_what_nobody_can_know_is_noted(project):
    writes = project.notebook(
        "a.ipynb", "import sqlite3\ncon = sqlite3.connect('a.db')\ncon.execute('create table t (x)')\ncon.commit()"
    )
    project.notebook("b.ipynb", "open('out.txt', 'w')")
    project.notebook("b-Copy1.ipynb", "open('out.txt', 'w')")
    run_notebook(project.ws(), writes)
    found = infer(project.ws(), project.root)
    assert found.pipeline.steps["a"] == Step(notebook="a.ipynb"), "it makes the database, and would wait for it"
    assert found.notes == (
        "a.ipynb uses the database a.db: an input of it, if it only reads; say with needs who writes first",
        "b-Copy1.ipynb writes out.txt, as b.ipynb does: one step can be said to make it",
    )


def test_what_goes_round_in_a_circle_is_noted_and_no_notebooks_is_an_error(project):
    project.notebook("a.ipynb", "open('b.txt').read(); open('a.txt', 'w')")
    project.notebook("b.ipynb", "open('a.txt').read(); open('b.txt', 'w')")
    found = infer(project.ws(), project.root)
    assert any("go round in a circle: a needs b needs a" in note for note in found.notes)
    assert "# - the steps of the pipeline" in found.toml
    (project.root / "empty").mkdir()
    with pytest.raises(NotebookError, match="there are no notebooks in"):
        infer(project.ws(), project.root / "empty")


def tagged(project, name: str, cells: list[tuple[str, str]]):
    path = project.notebook(name, *(source for _, source in cells))
    data = json.loads(path.read_text())
    for cell, (tag, _) in zip(data["cells"], cells, strict=True):
        cell["metadata"]["tags"] = tag.split()
    data["cells"].insert(0, {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A title"})
    path.write_text(json.dumps(data))
    return path


WHOLE = [
    ("parameters", "base = 2"),
    ("imports", "import math"),
    ("step:load", "import json\ndef double(x):\n    return twice(x)"),
    ("", "def twice(x):\n    return 2 * x\nrows = [1, 2, 3]\nonly_here = rows"),
    ("skip", "raise ValueError('a try')"),
    ("", "%nbops step change\nrows.append(double(base))"),
    ("block:report prev:load", "total = sum(rows)"),
    ("", "print(json.dumps([rows, total, math.sqrt(base * 2)]))"),
]


def test_a_notebook_cut_into_steps_does_what_it_did_whole(project, texts):
    notebook = tagged(project, "work.ipynb", WHOLE)
    _, cuts = cut(files.read(notebook))
    assert [c.name for c in cuts] == ["load", "change", "report"]
    assert [(c.takes, c.gives, c.needs) for c in cuts] == [
        ([], ["rows"], []),
        (["rows"], ["rows"], ["load"]),
        (["rows"], [], ["change", "load"]),
    ]
    assert [c.repeats for c in cuts] == [
        [],
        ["def double(x):\n    return twice(x)", "def twice(x):\n    return 2 * x"],
        ["import json"],
    ]
    written, toml = split(project.ws(), notebook)
    assert [p.name for p in written] == ["work.load.ipynb", "work.change.ipynb", "work.report.ipynb"]
    project.toml(toml)
    run, _ = project.run(params={"base": 8})
    from nbops.store import runs

    (report,) = [r for r in runs.children(project.ws().store, run.id) if r.name == "report"]
    assert texts(project.root / report.detail["executed"]) == "[[1, 2, 3, 16], 22, 4.0]\n"
    with pytest.raises(NotebookError, match="is there already"):
        split(project.ws(), notebook)
    with pytest.raises(NotebookError, match=r"no cell of .* begins a step; give cells the tag step:NAME"):
        split(project.ws(), project.notebook("plain.ipynb", "1"))
