"""The state guard: what a notebook shows against what running it from top to bottom would show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_sessions import Book, opened

from nbops.lineage.stale import Stale, StaleKind, stale_notebook, stale_session

CELLS = {
    "imports": "import pandas as pd",
    "make": "df = pd.DataFrame({'x': [1, 2, 3]})\nlimit = 2",
    "cut": "small = df[df['x'] <= limit]",
    "sum": "total = small['x'].sum()",
}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with opened(tmp_path, CELLS) as made:
        yield made


def said(found: tuple[Stale, ...]) -> list[tuple[int | None, str]]:
    return [(f.cell, f.kind.value) for f in found]


def both(book: Book) -> tuple[Stale, ...]:
    """The findings of the saved file, which are those of the live session too."""
    notebook = book.save()
    offline = stale_notebook(book.ws, notebook)
    assert book.session.run is not None
    assert said(stale_session(book.ws, book.session.run.id, notebook)) == said(offline)
    return offline


def test_a_notebook_run_from_top_to_bottom_is_true_and_stays_so_when_run_again(book: Book) -> None:
    book.run()
    assert both(book) == ()
    book.run()
    assert both(book) == ()
    book.run("cut", "sum")
    assert both(book) == ()


def test_a_cell_edited_after_it_ran(book: Book) -> None:
    book.run()
    book.cells["cut"] = "small = df[df['x'] < limit]"
    one, two = both(book)
    assert (one.cell, one.kind, one.said) == (2, StaleKind.EDITED, "cell 3 (In [3])")
    assert (two.cell, two.why) == (3, "it used 'small' of cell 3 (In [3]), which is stale itself")
    book.cells["cut"] = CELLS["cut"] + "  # of three"
    assert both(book) == ()


def test_inputs_made_again_with_another_value_make_a_cell_stale(book: Book) -> None:
    book.run()
    book.cells["make"] = "df = pd.DataFrame({'x': [1, 2, 4]})\nlimit = 1"
    book.run("make")
    found = both(book)
    assert said(found) == [(2, "input changed"), (2, "input changed"), (3, "input changed")]
    assert {f.why for f in found} == {
        "it used 'small' of cell 3 (In [3]), which is stale itself",
        "'df' was made again by cell 2 (In [5]) after it ran",
        "'limit' was made again by cell 2 (In [5]) after it ran",
    }
    book.run("cut", "sum")
    assert both(book) == ()


def test_inputs_made_again_with_the_same_value_are_no_finding_but_the_order_is_said(book: Book) -> None:
    book.run()
    book.run("make")
    found = both(book)
    assert said(found) == [(2, "counts")]
    assert "no value is known to be wrong" in found[0].why


def test_a_cell_that_ran_before_the_one_above_it_that_feeds_it(book: Book) -> None:
    book.cells = {**CELLS, "cut": "df = df[df['x'] <= limit]", "sum": "total = df['x'].sum()"}
    book.run("imports", "make", "sum", "cut")
    (one,) = both(book)
    assert (one.cell, one.kind) == (3, StaleKind.ORDER)
    assert one.why == "it ran before cell 3 (In [4]), which stands above it and makes 'df'"


def test_a_cell_that_took_its_input_from_below(book: Book) -> None:
    book.cells = {"use": "y = x + 1", "make": "x = 1"}
    book.run("make", "use")
    (one,) = both(book)
    assert (one.cell, one.kind) == (0, StaleKind.ORDER)
    assert "stands below it" in one.why


def test_a_cell_run_twice_on_its_own_result(book: Book) -> None:
    book.cells = {"imports": "import pandas as pd", "make": "df = pd.DataFrame({'x': [1, 2]})", "twice": "df = df * 2"}
    book.run()
    assert both(book) == ()
    book.run("twice")
    (one,) = both(book)
    assert (one.cell, one.kind) == (2, StaleKind.ORDER)
    assert "on its own earlier 'df'" in one.why


def test_an_idempotent_cell_run_twice_is_no_finding(book: Book) -> None:
    book.cells = {
        "imports": "import pandas as pd",
        "make": "df = pd.DataFrame({'x': [1, 2]})",
        "again": "df = df.sort_values('x')",
        "model": "from sklearn.linear_model import Ridge\nmodel = Ridge()",
        "fit": "model.fit(df[['x']], df['x'])",
    }
    book.run()
    book.run("again", "fit", "fit")
    assert said(both(book)) == [(3, "counts")]


def test_names_that_come_from_a_deleted_cell(book: Book) -> None:
    book.run()
    book.delete("make")
    found = both(book)
    assert said(found) == [(1, "deleted cell"), (1, "deleted cell"), (2, "input changed")]
    assert found[0].why == "it used 'df' as a cell made it (In [2]) that isn't in the notebook any more"


def test_a_restarted_kernel_leaves_outputs_of_an_earlier_session(tmp_path: Path) -> None:
    with opened(tmp_path, CELLS) as first:
        first.run()
        outputs = first.outputs
    with opened(tmp_path, CELLS) as second:
        second.run("imports", "make")
        second.outputs = {**outputs, **second.outputs}
        found = stale_notebook(second.ws, second.save())
    assert said(found) == [(2, "earlier session"), (3, "earlier session")]


def test_without_records_the_counts_and_the_text_are_judged(book: Book) -> None:
    book.run("imports", "make", "cut", "sum", "make", tracked=False)
    found = stale_notebook(book.ws, book.save())
    assert said(found) == [(2, "input changed"), (2, "input changed"), (3, "input changed")]
    assert "whether the value is the same isn't recorded" in found[0].why


def test_a_session_whose_notebook_cannot_be_seen_is_judged_by_its_records(book: Book) -> None:
    book.run()
    assert book.session.run is not None
    run = book.session.run.id
    assert stale_session(book.ws, run) == ()
    book.cells["make"] = "df = pd.DataFrame({'x': [5]})\nlimit = 2"
    book.run("make")
    one, _two = stale_session(book.ws, run)
    assert (one.cell, one.said, one.kind) == (None, "a cell (In [3])", StaleKind.INPUT)


def test_loop_variables_and_imports_used_again_further_down_are_no_findings(book: Book) -> None:
    book.cells = {
        "a": "import pandas as pd\nfor i in range(3):\n    pass\nprint(i)",
        "b": "df = pd.DataFrame({'x': [1]})\nfor i in range(2):\n    pass",
        "c": "import pandas as pd\nprint(df, i)",
        "d": "df.head()\ndf.describe()",
    }
    book.run()
    book.run()
    book.run("d", "c")
    assert said(both(book)) == [(3, "counts")]


def test_a_function_above_that_reads_a_name_made_below_is_no_finding(book: Book) -> None:
    book.cells = {"f": "import numpy as np\ndef f():\n    return x + 1", "x": "x = np.arange(3)", "call": "y = f()"}
    book.run()
    book.run()
    assert both(book) == ()


def test_a_failed_cell_binds_nothing_that_it_did_not_come_to(book: Book) -> None:
    book.cells = {"a": "x = 1", "b": "raise ValueError\nx = 2", "c": "y = x"}
    book.run()
    assert both(book) == ()


def test_cells_without_ids_are_known_by_their_text(book: Book) -> None:
    book.run(cell_ids=False)
    assert both(book) == ()
    book.cells["make"] = "df = pd.DataFrame({'x': [9]})\nlimit = 2"
    book.run("make", cell_ids=False)
    found = both(book)
    assert (2, "input changed") in said(found)


def test_what_a_stale_cell_makes_whatever_it_read_makes_nobody_stale(tmp_path: Path) -> None:
    cells = {
        "make": "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3]})",
        "cut": "import math\nlimit = 2\ndef double(n): return 2 * n\nsmall = df[df['x'] <= limit]",
        "other": "root = math.sqrt(double(limit))",
        "sum": "total = math.fsum(small['x'])",
    }
    with opened(tmp_path, cells) as book:
        book.run()
        book.cells["make"] = "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 4, 0]})"
        book.run("make")
        found = both(book)
        assert said(found) == [(1, "input changed"), (2, "counts"), (3, "input changed")]
        assert found[2].why == "it used 'small' of cell 2 (In [2]), which is stale itself"
        book.run("cut", "other", "sum")
        book.cells["cut"] = cells["cut"].replace("2 * n", "3 * n")
        whys = {f.cell: f.why for f in both(book)}
        assert whys[2] == "it used 'double' of cell 2 (In [6]), which is stale itself"
