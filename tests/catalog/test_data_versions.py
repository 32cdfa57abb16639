"""Data versions as told from the records of a real tracked session: numbers, schema, who made and used them,
differences, and their content where it still is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tracked_cells import Tracked, tracked

from nbops.catalog.content import HERE, KEPT, get
from nbops.catalog.difference import difference
from nbops.catalog.versions import Catalogue
from nbops.cli.data import data
from nbops.core.errors import AmbiguousError, DiffersError, UnknownNameError, UsageError
from nbops.fingerprints.fingerprint import fingerprint
from nbops.store import data_contents

CELLS = {
    "make": "import pandas as pd\nrides = pd.DataFrame({'hour': range(30), 'n': [float(i) for i in range(30)]})",
    "save": "rides.to_csv('rides.csv', index=False)",
    "load": "again = pd.read_csv('rides.csv')",
    "more": "rides['n'] = rides['n'] + 1.0",
    "typed": "rides = rides.astype({'hour': 'float64'}).assign(wet=False)",
    "resave": "rides.to_csv('rides.csv', index=False)",
}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Tracked]:
    with tracked(tmp_path, CELLS) as found:
        found.run()
        yield found


@pytest.fixture
def opened_book(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Tracked]]:
    """A book of other cells, run."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def of(cells: dict[str, str]) -> Tracked:
            found = stack.enter_context(tracked(tmp_path, cells))
            found.run()
            return found

        yield of


def test_each_content_of_a_name_is_a_version_in_the_order_it_was_seen(book: Tracked) -> None:
    found = Catalogue(book.ws).listed()
    assert [v.ref for v in found] == ["again@1", "rides@1", "rides@2", "rides@3", "rides.csv@1", "rides.csv@2"]
    rides = [v for v in found if v.name == "rides"]
    assert [v.shape for v in rides] == [(30, 2), (30, 2), (30, 3)]
    assert rides[-1].digest == fingerprint(book.namespace["rides"]).digest
    files = [v for v in found if v.kind == "file"]
    assert files[-1].shape == ((book.ws.root / "rides.csv").stat().st_size,)
    assert files[-1].digest == fingerprint(book.ws.root / "rides.csv").digest
    assert [(v.made_by, v.used_by) for v in files] == [(1, 1), (1, 0)]
    assert all(v.first_seen is not None and v.first_seen <= v.last_seen for v in found)  # type: ignore[operator]


def test_an_old_content_that_comes_back_is_the_version_it_was(book: Tracked) -> None:
    before = Catalogue(book.ws).find("rides@2")
    book.cells["back"] = "rides = rides.drop(columns='wet').astype({'hour': 'int64'})"
    book.run("back")
    after = Catalogue(book.ws).find("rides@2")
    assert after.digest == before.digest
    assert after.made_by == before.made_by + 1
    assert after.last_seen > before.last_seen  # type: ignore[operator]
    assert [v.number for v in Catalogue(book.ws).listed("rides")] == [1, 2, 3]


def test_a_version_answers_to_its_names_and_its_digest(book: Tracked) -> None:
    catalogue = Catalogue(book.ws)
    second = catalogue.find("rides.csv@2")
    for asked in ("rides.csv", "data:/rides.csv@2", second.digest, second.digest[:30], str(book.ws.root / "rides.csv")):
        assert catalogue.find(asked) == second
    with pytest.raises(AmbiguousError, match="begins several"):
        catalogue.find("f1:blake3:")
    with pytest.raises(UnknownNameError, match=r"rides\.csv has 1 to 2"):
        catalogue.find("rides.csv@9")
    with pytest.raises(UnknownNameError, match="again has version 1 only"):
        catalogue.find("again@9")
    with pytest.raises(UnknownNameError, match="did you mean 'rides'"):
        catalogue.find("ridez@1")


def test_detail_names_schema_maker_users_and_the_same_content_elsewhere(book: Tracked) -> None:
    book.cells["copy"] = "twin = rides.copy()"
    book.run("copy")
    catalogue = Catalogue(book.ws)
    detail = catalogue.detail(catalogue.find("rides@3"))
    assert [(c.name, c.dtype) for c in detail.columns] == [("hour", "float64"), ("n", "float64"), ("wet", "bool")]
    assert [(u.cell, u.notebook) for u in detail.made] == [("In [5]", "book.ipynb")]
    assert {u.cell for u in detail.used} == {"In [6]", "In [7]"}
    assert detail.same_as == ("twin@1",)


def test_what_was_seen_without_a_fingerprint_is_no_version_and_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text("[capture]\nbudget_s = 0.0\n")
    with tracked(tmp_path, {"make": CELLS["make"]}) as book:
        book.run()
        assert Catalogue(book.ws).listed() == []
        with pytest.raises(UnknownNameError, match="no fingerprint was taken"):
            Catalogue(book.ws).find("rides")


def test_a_difference_is_told_column_by_column(book: Tracked) -> None:
    values = difference(book.ws, "rides@1", "rides@2")
    assert values.explained == "values changed in: n"
    assert [(c.name, c.values) for c in values.changed] == [("n", True)]
    more = difference(book.ws, "rides@2", "rides@3")
    assert [c.name for c in more.added] == ["wet"]
    assert more.removed == ()
    assert [(c.name, c.was, c.now) for c in more.changed] == [("hour", "int64", "float64")]
    assert difference(book.ws, "rides@3", "rides@3").same
    files = difference(book.ws, "rides.csv@1", "rides.csv@2")
    assert re.fullmatch(r"size: [\d,]+ bytes became [\d,]+", files.explained)
    other = difference(book.ws, "rides.csv@1", "rides@1")
    assert other.explained.startswith("kind: file became dataframe; shape: ")
    assert "known" not in other.explained
    assert (other.added, other.removed, other.changed) == ((), (), ())


def test_a_table_too_wide_for_its_record_is_still_told_column_by_column(
    opened_book: Callable[[dict[str, str]], Tracked],
) -> None:
    wide = "import pandas as pd\nwide = pd.DataFrame({f'column number {i}': [i, i + 1] for i in range(600)})"
    book = opened_book({"make": wide, "change": "wide['column number 7'] = [0, 0]"})
    body = book.ws.store.row("SELECT body FROM records ORDER BY rowid LIMIT 1")
    assert body is not None
    (made,) = json.loads(body["body"])["writes"]
    assert {digest for _, _, digest in made["fingerprint"]["columns"]} == {""}
    catalogue = Catalogue(book.ws)
    assert len(catalogue.detail(catalogue.find("wide@1")).columns) == 600
    assert difference(book.ws, "wide@1", "wide@2").explained == "values changed in: column number 7"
    for digest in list(book.ws.artifacts.digests()):
        book.ws.artifacts.path(digest).unlink()
    assert "isn't known" in difference(book.ws, "wide@1", "wide@2").explained


def test_a_file_that_lies_unchanged_where_it_was_can_be_had(book: Tracked, tmp_path: Path) -> None:
    version, how = get(book.ws, "data:/rides.csv@2", tmp_path / "copy.csv")
    assert (version.ref, how) == ("rides.csv@2", HERE)
    assert (tmp_path / "copy.csv").read_bytes() == (book.ws.root / "rides.csv").read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        get(book.ws, "rides.csv@2", tmp_path / "copy.csv")


def test_content_that_is_not_kept_is_an_error_and_leaves_nothing(book: Tracked, tmp_path: Path) -> None:
    for artifact in data_contents.artifacts(book.ws.store).values():
        book.ws.artifacts.path(artifact).unlink()
    names = set(tmp_path.iterdir())
    for asked in ("rides.csv@1", "rides@3"):
        with pytest.raises(UnknownNameError, match="only its fingerprint is kept"):
            get(book.ws, asked, tmp_path / "back.parquet")
    assert set(tmp_path.iterdir()) == names


def test_kept_content_comes_back_with_its_digest(
    opened_book: Callable[[dict[str, str]], Tracked], tmp_path: Path
) -> None:
    make = "import nbops, numpy as np, pandas as pd\ntable = pd.DataFrame({'a': [1.5, None], 'b': ['x', 'ż']})"
    book = opened_book(
        {
            "make": make + "\narray = np.arange(12.0).reshape(3, 4)",
            "file": "table.to_csv('t.csv', index=False)",
            "keep": "nbops.output('t', table)\nnbops.output('grid', array)",
        }
    )
    file = book.ws.root / "t.csv"
    book.ws.artifacts.put_file(file)
    file.write_text("x" * file.stat().st_size)
    catalogue = Catalogue(book.ws)
    assert get(book.ws, "t.csv@1", tmp_path / "old.csv")[1] == KEPT
    assert fingerprint(tmp_path / "old.csv").digest == catalogue.find("t.csv@1").digest
    get(book.ws, "table", tmp_path / "table.parquet")
    assert fingerprint(pd.read_parquet(tmp_path / "table.parquet")).digest == catalogue.find("table").digest
    get(book.ws, "array", tmp_path / "array.npy")
    assert fingerprint(np.load(tmp_path / "array.npy")).digest == catalogue.find("array").digest
    with pytest.raises(UsageError, match=r"written as \.parquet"):
        get(book.ws, "table", tmp_path / "table.csv")
    for digest in list(book.ws.artifacts.digests()):  # damaged content isn't given out
        book.ws.artifacts.path(digest).chmod(0o644)
        with book.ws.artifacts.path(digest).open("r+b") as stream:
            stream.seek(-3, 2)
            stream.write(b"!!!")
    for asked, name in (("t.csv@1", "2.csv"), ("table", "2.parquet"), ("array", "2.npy")):
        with pytest.raises(UnknownNameError, match="only its fingerprint is kept"):
            get(book.ws, asked, tmp_path / name)


def test_the_inputs_of_evaluation_rows_come_back(
    opened_book: Callable[[dict[str, str]], Tracked], tmp_path: Path
) -> None:
    make = (
        "import numpy as np, pandas as pd\nfrom sklearn.linear_model import LinearRegression\n"
        "from sklearn.metrics import mean_absolute_error\n"
        "X = pd.DataFrame({'a': np.arange(40.0), 'b': np.arange(40.0)[::-1] ** 2}); y = X['a'] * 2 + X['b']\n"
    )
    book = opened_book(
        {
            "make": make + "X_test = X[30:].reset_index(drop=True); y_test = y[30:].reset_index(drop=True)",
            "fit": "model = LinearRegression().fit(X[:30], y[:30])",
            "judge": "mean_absolute_error(y_test, model.predict(X_test))",
        }
    )
    version, how = get(book.ws, "X_test", tmp_path / "x.parquet")
    assert how.startswith(KEPT)
    assert fingerprint(pd.read_parquet(tmp_path / "x.parquet")).digest == version.digest


def test_the_commands_answer_in_text_and_json(book: Tracked, tmp_path: Path) -> None:
    def said(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(data, list(words))
        assert isinstance(done.exception, DiffersError) if code == 4 else done.exit_code == code, done.output
        return done.output

    assert "rides@3" in said("--name", "ride?")
    assert [v["number"] for v in json.loads(said("list", "--name", "rides", "--json"))] == [1, 2, 3]
    assert said("--name", "nothing*") == "no such data\n"
    shown = said("show", "rides@3")
    assert "30×3" in shown and "In [5] of book.ipynb" in shown and "float64" in shown
    assert json.loads(said("show", "rides@3", "--json"))["version"]["digest"].startswith("f1:")
    assert "added    wet   bool" in said("diff", "rides@2", "rides@3", code=4)
    assert json.loads(said("diff", "rides@2", "rides@2", "--json"))["same"] is True
    assert HERE in said("get", "rides.csv", "-o", str(tmp_path / "got.csv"))
    assert "nothing to remove" in said("gc")
