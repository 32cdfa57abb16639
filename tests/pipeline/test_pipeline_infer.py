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


def test_databases_and_what_modules_touch_are_noted(project):
    (project.root / "helpers.py").write_text("def save(x): open('out.txt', 'w').write(x)\n")
    project.notebook("deep/a.ipynb", "import sqlite3\nsqlite3.connect('../shop.db')")
    project.notebook("b.ipynb", "import helpers\nhelpers.save('x')")
    found = infer(project.ws(), project.root)
    first, second = found.notes
    assert first.startswith("b.ipynb runs helpers.py: which files that touches is known when it has run once")
    assert second.startswith("deep/a.ipynb uses the database shop.db: an input of it, if it only reads")
    run_notebook(project.ws(), project.root / "b.ipynb")
    again = infer(project.ws(), project.root)
    assert again.notes == (second,) and again.pipeline.steps["b"].outputs == ("out.txt",)


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


def cut_off(project, *cells: tuple[str, str]) -> list[str]:
    """The lines of the refusal; nothing has been written."""
    notebook = tagged(project, "refused.ipynb", list(cells))
    with pytest.raises(NotebookError) as refusal:
        split(project.ws(), notebook, project.root / "cut")
    assert not (project.root / "cut").exists()
    first, *lines = str(refusal.value).splitlines()
    assert first == f"{str(notebook)!r} can't be cut so, and nothing was written:"
    return [line.strip() for line in lines]


def test_tags_that_name_no_step_are_refused(project):
    assert cut_off(
        project, ("step:load", "x = 1"), ("step:use prev:laod", "x"), ("step:a step:b", ""), ("step:two words", "y = (")
    ) == [
        "cell 4 begins several steps: a, b; let it begin one",
        "cell 5 is no valid Python, so what it needs isn't known; correct it, or give it the tag 'skip'",
        "the tag 'prev:laod' of cell 3: there is no step 'laod'; did you mean 'load'?",
    ]
    assert cut_off(project, ("step:", "x = 1"), ("step:use", "x")) == [
        "the tag 'step:' of cell 2 names no step; a name has letters, digits, - and _"
    ]


def test_steps_in_a_circle_are_refused(project):
    assert cut_off(project, ("step:load prev:use", "x = 1"), ("step:use", "x")) == [
        "the steps go round in a circle: load needs use needs load; look at their tags prev:…"
    ]
    assert cut_off(project, ("step:a", "x = 1"), ("step:b", "y = x"), ("step:a", "z = y")) == [
        "cell 4 of the step 'a' needs 'y' as cell 3 of 'b' leaves it, and 'b' comes after 'a';"
        " let a step with another name begin at cell 4"
    ]
    assert cut_off(project, ("step:a", "x = 1"), ("step:b", "y = x"), ("step:a", "x = 2")) == [
        "cell 3 of the step 'b' needs 'x' as it is before cell 4 of 'a' changes it;"
        " let a step with another name begin at cell 4"
    ]


@pytest.mark.parametrize(
    ("made", "what"),
    [
        ("import sqlite3 as sq\nx = sq.connect(':memory:')", "a connection"),
        ("with open('a.txt') as x: pass", "an open file"),
        ("x = {1, 2}", "a set"),
        ("import pathlib\nname = input()\nx = pathlib.Path(name)", "a path"),
        ("x = (n for n in range(3))", "a generator"),
        ("class Shop: pass\nx: Shop = Shop()", "an instance of Shop"),
    ],
)
def test_what_cant_be_handed_over_is_foreseen(project, made, what):
    (said,) = cut_off(project, ("step:a", made), ("step:b", "print(x)"))
    assert said.startswith("cell 2 makes 'x' (") and f": {what} can't be handed over; make it in each step" in said
    tagged(project, "alone.ipynb", [("step:a", made + "\nprint(x)"), ("step:b", "print(2)")])
    assert len(split(project.ws(), project.root / "alone.ipynb", project.root / "two")[0]) == 2


def test_what_a_step_can_make_itself_is_repeated_and_what_changed_is_handed_over(project, texts):
    notebook = tagged(
        project,
        "more.ipynb",
        [
            ("parameters", "base = 2"),
            ("imports", "from pathlib import Path"),
            ("step:a", "from math import *\nimport numpy as np\nfolder = Path('in') / 'b'"),
            ("", "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\nhalf = lambda n: n / 2"),
            ("", "base = base + 3\nmean = np.float64(1.5)\nscores = {'mean': np.float32(0.5)}"),
            ("step:bé", "print(sqrt(4), folder.name, nowhere, half(base), mean, scores)"),
        ],
    )
    _, (_, second) = cut(files.read(notebook))
    assert second.takes == ["base", "mean", "scores"]
    _, toml = split(project.ws(), notebook)
    project.toml(toml)
    run, _ = project.run()
    from nbops.store import runs

    (last,) = [r for r in runs.children(project.ws().store, run.id) if r.name == "bé"]
    assert texts(project.root / last.detail["executed"]) == "2.0 b None 2.5 1.5 {'mean': 0.5}\n"
