"""One word and a sentence for each cell of which something is known to be wrong; the commands that say so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from notebook_sessions import Book, opened

from nbops.core.errors import NotebookError, UnknownNameError
from nbops.lineage.badges import badges, leaks_of, session_badges
from nbops.lineage.leakage import LeakKind, check
from nbops.lineage.notebook_state import notebook_state
from nbops.lineage.on_disk import stale_on_disk
from nbops.lineage.stale import StaleKind

CELLS = {
    "imports": "import pandas as pd\nfrom sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score",
    "data": "rows = pd.read_csv('all.csv')\ntest = rows.sample(40, random_state=0)",
    "fit": "model = Ridge().fit(rows[['a', 'b']], rows['y'])",
    "judge": "r2_score(test['y'], model.predict(test[['a', 'b']]))",
    "more": "doubled = 2 * test",
}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    rng = np.random.default_rng(1)
    pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "y"]).to_csv(tmp_path / "all.csv", index=False)
    with opened(tmp_path, CELLS) as made:
        yield made


def nbops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_stale_and_leaky_cells_are_named_and_the_others_have_no_badge(book: Book) -> None:
    book.run()
    book.cells["data"] = CELLS["data"].replace("40", "30")
    saved = book.save()
    found = badges(book.ws, book.path)
    assert found == badges(book.ws, saved)
    assert [(b.cell, b.cell_id, b.kind, b.certain) for b in found] == [
        (1, "data", "edited", True),
        (2, "fit", "input changed", True),
        (2, "fit", "leaky", True),
        (3, "judge", "input changed", True),
        (3, "judge", "leaky", True),
        (4, "more", "input changed", True),
    ]
    assert "40 (100.0%) are among the 100 that it was trained on" in found[2].why
    assert book.session.run is not None
    live = session_badges(book.ws, book.session.run.id, saved)
    assert [(b.cell_id, b.kind) for b in live] == [(b.cell_id, b.kind) for b in found]
    blind = session_badges(book.ws, book.session.run.id)
    assert [(b.cell, b.cell_id, b.kind) for b in blind] == [(None, "fit", "leaky"), (None, "judge", "leaky")]

    shown = nbops(book.path.parent, "verify", "book.ipynb")
    assert shown.returncode == 4
    assert "it was edited after it ran: the output is that of other code" in shown.stdout
    assert "it used 'test' of cell 2 (In [2]), which is stale itself" in shown.stdout
    leak = nbops(book.path.parent, "leakage", "book.ipynb", "--json")
    assert leak.returncode == 4
    assert "'model' looks better than it is (shared rows)" in leak.stderr
    assert [f["kind"] for f in json.loads(leak.stdout)] == ["shared rows"]


def test_a_true_notebook_has_none_and_can_be_verified(book: Book) -> None:
    book.cells["fit"] = "train = rows.drop(test.index)\nmodel = Ridge().fit(train[['a', 'b']], train['y'])"
    book.run()
    book.save()
    assert badges(book.ws, book.path) == ()
    assert [f.kind for f in leaks_of(book.ws, str(book.path))] == [LeakKind.NONE]
    assert nbops(book.path.parent, "leakage", "book.ipynb").returncode == 0
    assert nbops(book.path.parent, "verify", "book.ipynb").returncode == 0
    assert stale_on_disk(book.ws, book.path) == ()
    read = book.path.with_name("all.csv")
    read.write_text(read.read_text() + "1,2,3\n")
    (changed,) = stale_on_disk(book.ws, book.path)
    assert (changed.cell, changed.said, changed.kind) == (1, "cell 2 (In [2])", StaleKind.INPUT)
    assert changed.why == "the content of 'all.csv' has changed since it read it"
    assert badges(book.ws, book.path) == ()  # the panel asks often, and opens no data
    book.outputs.clear()  # the notebook that was executed elsewhere
    book.save()
    assert [f.kind for f in leaks_of(book.ws, str(book.path))] == [LeakKind.NONE]


def test_without_records_there_is_nothing_to_say(book: Book) -> None:
    book.save()
    assert badges(book.ws, book.path) == ()
    with pytest.raises(UnknownNameError, match="run it with tracking on"):
        leaks_of(book.ws, str(book.path))
    with pytest.raises(UnknownNameError, match="run it with tracking on"):
        stale_on_disk(book.ws, book.path)
    with pytest.raises(NotebookError):
        badges(book.ws, book.path.with_name("none.ipynb"))


@pytest.mark.parametrize(("values", "word"), [(3, {"maybe leaky"}), (40, set())])
def test_rows_that_repeat_by_coincidence_are_no_leak_and_few_of_them_nothing_to_say(
    tmp_path: Path, values: int, word: set[str]
) -> None:
    rows = np.random.default_rng(3).integers(0, values, size=(900, 3))
    pd.DataFrame(rows, columns=["a", "b", "y"]).to_csv(tmp_path / "all.csv", index=False)
    split = "rows = pd.read_csv('all.csv')\nrows, test = rows[:600], rows[600:]"
    with opened(tmp_path, CELLS | {"data": split}) as book:
        book.run()
        book.save()
        assert check(book.ws, book.session.run.id if book.session.run else "")[0].kind is LeakKind.SHARED
        said = {word for cell in notebook_state(book.ws, book.path).cells for word in cell.badges}
    assert said == word
