"""A slice runs in a fresh kernel and gives the same fingerprints; what isn't needed isn't in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from notebook_sessions import Book, opened

from nbops.cli.lineage import slice_
from nbops.core.errors import UnknownNameError, UsageError
from nbops.lineage.slice import Slice, slice_of
from nbops.notebook import files
from nbops.pipeline.execute import run_notebook
from nbops.store import records
from nbops.workspace import Workspace, open_workspace

EXAMPLES = Path(__file__).parents[2] / "example_notebooks"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with opened(tmp_path, {}) as made:
        yield made


def kept(found: Slice) -> list[str]:
    return [cell["id"] for cell in found.notebook["cells"][1:]]


def digests(ws: Workspace, run: str, name: str) -> set[str | None]:
    """What a name last held in a run: digests of data and of models."""
    last: set[str | None] = set()
    for record in records.of_run(ws.store, run):
        now = {u.fingerprint.digest for u in record.writes if u.name == name}
        now |= {m.digest for m in record.models if m.name == name}
        last = now or last
    return last


def executed(ws: Workspace, found: Slice, folder: Path, name: str) -> set[str | None]:
    path = folder / f"slice-{name}.ipynb"
    files.write(path, found.notebook)
    return digests(ws, run_notebook(ws, path).id, name)


def run_cells(book: Book, cells: dict[str, str], *order: str) -> None:
    book.cells = cells
    book.run(*order)
    book.save()


def test_the_examples_give_the_same_model_and_frame(tmp_path: Path, data_dir: Path) -> None:
    for file in (EXAMPLES / "bikes").iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "data").mkdir()
    rides = pd.read_csv(data_dir / "bike_hour.csv", dtype={"instant": str})
    rides[rides["dteday"].str.match(r"2011-0[1-3]")].to_parquet(tmp_path / "data" / "training.parquet")
    shutil.copy(EXAMPLES / "first_card.ipynb", tmp_path)
    ws = open_workspace(tmp_path, environ={})

    whole = run_notebook(ws, tmp_path / "train.ipynb", params={"max_iter": 7})
    model = slice_of(ws, f"{whole.id}/model")
    assert (model.kept, model.ran, model.notes) == (4, 5, ())  # the parameters, those given, the data, the refit
    assert kept(model)[0] == "train-01"
    assert kept(model)[-1] == "train-06"
    assert executed(ws, model, tmp_path, "model") == digests(ws, whole.id, "model") != set()
    recent = slice_of(ws, f"{whole.id}/recent")
    assert kept(recent) == ["train-01", "train-02"]
    assert executed(ws, recent, tmp_path, "recent") == digests(ws, whole.id, "recent") != set()

    card = run_notebook(ws, tmp_path / "first_card.ipynb")
    test_rows = slice_of(ws, f"{card.id}/X_test")
    assert len(kept(test_rows)) == 1
    assert executed(ws, test_rows, tmp_path, "X_test") == digests(ws, card.id, "X_test") != set()
    ridge = slice_of(ws, f"{card.id}/model")
    said = [cell["source"].split()[0] for cell in ridge.notebook["cells"][1:]]
    assert said == ["%load_ext", "from", "%%track"]  # %%track is unknown to a kernel without %load_ext


@pytest.mark.slow
def test_a_frame_of_the_other_example_and_a_figure_with_its_parameter(tmp_path: Path, data_dir: Path) -> None:
    shutil.copy(EXAMPLES / "bikes" / "prepare.ipynb", tmp_path)
    (tmp_path / "data" / "labelled").mkdir(parents=True)
    (tmp_path / "nbops.toml").touch()
    rides = pd.read_csv(data_dir / "bike_hour.csv").assign(instant=lambda f: range(len(f)))
    for month in ("2011-01", "2011-02"):
        rides[rides["dteday"].str[:7] == month].to_csv(tmp_path / "data" / "labelled" / f"{month}.csv", index=False)
    ws = open_workspace(tmp_path, environ={})
    whole = run_notebook(ws, tmp_path / "prepare.ipynb", params={"months": 1})
    frame = slice_of(ws, f"{whole.id}/rides")
    assert frame.kept < frame.ran
    assert executed(ws, frame, tmp_path, "rides") == digests(ws, whole.id, "rides") != set()

    cells = {
        "bins": "# parameters\nbins: int = 5",
        "data": "import pandas as pd\nimport matplotlib.pyplot as plt\n"
        "cnt = pd.read_parquet('data/training.parquet').cnt",
        "other": "mean = cnt.mean()",
        "plot": "fig, ax = plt.subplots()\nax.hist(cnt, bins=bins)\nplt.show()",
    }
    with opened(tmp_path, cells, "plot.ipynb") as drawn:
        drawn.save(cards=False)
    run = run_notebook(ws, tmp_path / "plot.ipynb")
    figure = slice_of(ws, f"{run.id}/fig")
    assert kept(figure) == ["bins", "data", "plot"]
    path = tmp_path / "slice-fig.ipynb"
    files.write(path, figure.notebook)
    assert pictures(ws, run_notebook(ws, path).id) == pictures(ws, run.id) != []
    assert pictures(ws, run_notebook(ws, path, params={"bins": 9}).id) != pictures(ws, run.id)


def pictures(ws: Workspace, run: str) -> list[str]:
    return [a.digest for a in records.artifacts(ws.store, run, "figure")]


def test_dead_cells_out_of_order_seeds_and_unseen_changes(book: Book) -> None:
    cells = {
        "imports": "import numpy as np\nimport pandas as pd",
        "seed": "np.random.seed(3)",
        "dead": "never = pd.DataFrame({'a': [1]})",
        "drawn": "noise = np.random.normal(size=4)",  # moves the generator on: needed, though `noise` isn't
        "make": "df = pd.DataFrame({'x': np.random.normal(size=4), 'y': 1.0})",
        "look": "df.describe()\nprint(len(df))",
        "scale": "factor = 3",
        "alias": "same = df",
        "through": "same.loc[0, 'y'] = 9.0",  # df, by another name
        "mult": "df['x'] = df['x'] * factor",
        "helper": "def add(frame):\n    frame['z'] = frame['x'] + 1",
        "call": "add(df)",  # in place, by a function
        "after": "other = df.assign(w=2)",
    }
    order = ("imports", "scale", "seed", "drawn", "make", "dead", "look", "alias", "through", "helper", "mult", "mult")
    run_cells(book, cells, *order, "call", "after")
    found = slice_of(book.ws, "df")
    needed = ["imports", "scale", "seed", "drawn", "make", "alias", "through", "helper", "mult", "slice-11", "call"]
    assert kept(found) == needed
    assert found.notes == ()
    run = book.session.run
    assert run is not None
    assert executed(book.ws, found, book.path.parent, "df") == digests(book.ws, run.id, "df")


def test_a_change_that_no_text_shows_keeps_every_cell_between(book: Book) -> None:
    cells = {
        "make": "import numpy as np\na = np.zeros(3)\nhidden = iter([a])",
        "unrelated": "q = np.ones(2)",
        "sly": "for value in hidden:\n    value += 1\ndel value",
        "use": "b = a + 1",
    }
    run_cells(book, cells)
    found = slice_of(book.ws, "b")
    assert kept(found) == ["make", "unrelated", "sly", "use"]
    assert "'a' was changed between" in found.notes[0]


def test_a_figure_brings_the_cells_that_drew_on_it(book: Book) -> None:
    pytest.importorskip("matplotlib").use("agg")
    cells = {
        "imports": "import matplotlib.pyplot as plt\nimport pandas as pd",
        "data": "df = pd.DataFrame({'x': [1, 2]})\nunused = 5",
        "figure": "fig, ax = plt.subplots()",
        "other": "fig2, ax2 = plt.subplots()\nax2.plot([3])",
        "line": "ax.plot(df['x'])",
        "title": "fig.suptitle('a')",
        "later": "n = len(df)",
    }
    run_cells(book, cells)
    assert kept(slice_of(book.ws, "fig")) == ["imports", "data", "figure", "line", "title"]


def test_what_a_function_reads_is_what_there_is_when_it_is_called(book: Book) -> None:
    cells = {
        "imports": "import pandas as pd",
        "begin": "df = pd.DataFrame({'a': [1.0]})\nconfig = {'k': 1}",
        "define": "def clean(frame):\n    return frame * config['k']\n"
        "class Maker:\n    def go(self):\n        return clean(df)",
        "maker": "maker = Maker()",
        "double": "df = df * 2",
        "later": "config['k'] = 3",
        "dead": "config2 = {'k': 9}",
        "go": "out = maker.go()",
        "after": "config['k'] = 0",
    }
    run_cells(book, cells)
    found = slice_of(book.ws, "out")
    assert kept(found) == ["imports", "begin", "define", "maker", "double", "later", "go"]
    run = book.session.run
    assert run is not None
    assert executed(book.ws, found, book.path.parent, "out") == digests(book.ws, run.id, "out")


def test_a_lambdas_own_names_and_its_comprehensions_need_no_cell(book: Book) -> None:
    cells = {
        "by": "by = 10",
        "d": "d = 3",
        "use": "found = {d: (lambda a: lambda b: a * b * by + d)(d)(2) for d in (1, 2)}\nagain = [lambda: d]",
    }
    run_cells(book, cells)
    found = slice_of(book.ws, "found")
    assert kept(found) == ["by", "d", "use"] and found.notes == ()
    book.cells["use"] = cells["use"].partition("\n")[0]
    book.run("use")
    assert kept(slice_of(book.ws, "found")) == ["by", "use"]


def test_a_file_written_by_a_cell_and_read_by_another_joins_them(book: Book) -> None:
    cells = {
        "imports": "import pandas as pd",
        "write": "pd.DataFrame({'x': [1, 2]}).to_csv('made.csv', index=False)",
        "else": "pd.DataFrame({'x': [3]}).to_csv('other.csv', index=False)",
        "read": "df = pd.read_csv('made.csv')",
    }
    run_cells(book, cells)
    assert kept(slice_of(book.ws, "df")) == ["imports", "write", "read"]


def test_branches_do_not_end_the_search_and_failed_cells_that_took_effect_are_kept(book: Book) -> None:
    cells = {
        "make": "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2]})",
        "branch": "if len(df) > 5:\n    df = df.head(1)",
        "fails": "df = df * 2\nraise ValueError('after the change')",
        "useless": "raise KeyError('nothing')",
        "last": "out = df + 1",
    }
    run_cells(book, cells)
    found = slice_of(book.ws, "out")
    assert kept(found) == ["make", "branch", "fails", "last"]
    assert found.notes == ("In [3] failed when it ran; what it did before that is needed",)
    run = book.session.run
    assert run is not None
    assert executed(book.ws, found, book.path.parent, "out") == digests(book.ws, run.id, "out")


def test_a_deleted_or_edited_cell_is_there_as_it_ran(book: Book) -> None:
    book.cells = {"make": "import pandas as pd\ndf = pd.DataFrame({'x': [1]})", "use": "out = df + 1"}
    book.run()
    book.cells["use"] = "out = df + 2"
    book.delete("make")
    book.save()
    found = slice_of(book.ws, "out")
    sources = [c["source"] for c in found.notebook["cells"][1:]]
    assert sources == ["import pandas as pd\ndf = pd.DataFrame({'x': [1]})", "out = df + 1"]


def test_a_secret_in_a_deleted_cell_is_named_by_its_line_and_code_without_one_is_whole(book: Book) -> None:
    asks = (
        "import os\nimport pandas as pd\ntoken = os.environ.get('TOKEN')\ndf = pd.DataFrame({'x': [1 + bool(token)]})"
    )
    book.cells = {"make": asks, "use": "password = 'planted88'\nout = df + len(password)", "more": "last = out + 1"}
    book.run()
    book.delete("make")
    book.delete("use")
    book.save()
    found = slice_of(book.ws, "last")
    assert [c["source"] for c in found.notebook["cells"][1:3]] == [
        asks,
        "password = '[redacted]'\nout = df + len(password)",
    ]
    assert [n for n in found.notes if "secret" in n] == [
        "In [2]: line 1 had what looks like a secret; put it in again before it runs"
    ]


def test_what_cannot_be_sliced_is_said(book: Book) -> None:
    run_cells(book, {"a": "import pandas as pd\ndf = pd.DataFrame({'x': [1]})\ny = z_from_nowhere if False else 1"})
    with pytest.raises(UnknownNameError, match="'nothing'"):
        slice_of(book.ws, "nothing")
    run = book.session.run
    assert run is not None
    with pytest.raises(UsageError, match="is a run"):
        slice_of(book.ws, run.id)
    with pytest.raises(UnknownNameError, match="variable of run"):
        slice_of(book.ws, f"{run.id}/dff")
    assert slice_of(book.ws, "df").notes == ("In [1] needs 'z_from_nowhere', which no tracked cell made",)


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    run_cells(book, {"a": "unused = 1", "b": "x = 2"}, "a", "b")
    monkeypatch.chdir(book.path.parent)
    rides = book.path.with_name("rides.csv")
    rides.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"'rides.csv' is there already; --force replaces it"):
        CliRunner().invoke(slice_, ["x", "-o", "rides.csv"], catch_exceptions=False)
    assert rides.read_text() == "a,b\n1,2\n"
    said = CliRunner().invoke(slice_, ["x", "-o", "rides.csv", "--force"], catch_exceptions=False)
    assert said.exit_code == 0
    assert files.read(rides).code_cells()
