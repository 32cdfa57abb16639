"""Tags, descriptions, profiles and contracts of data versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tracked_cells import Tracked, tracked

from nbops.catalog import names
from nbops.catalog.content import get
from nbops.catalog.deletion import delete
from nbops.catalog.table import check, profile
from nbops.catalog.versions import Catalogue
from nbops.cli.main import main  # noqa: F401  registers the commands
from nbops.cli.program import program
from nbops.core.errors import InputDataError, RefusedError, UnknownNameError, UsageError
from nbops.core.runs import RunKind
from nbops.store import runs

CELLS = {
    "read": "import pandas as pd\nrides = pd.read_csv('rides.csv')",
    "fit": "from sklearn.linear_model import LinearRegression as L\nX = rides[['n']]\nm = L().fit(X, rides['n'])",
}
CONTENTS = ("n,who\n1,ann\n2,bob\n3,ann\n", "n,who\n1,ann\n,bob\nx,\n", "n,who\n1,ann\n2,cyd\n")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Tracked]:
    """Three contents of rides.csv."""
    with tracked(tmp_path, CELLS) as book:
        for text in CONTENTS:
            (tmp_path / "rides.csv").write_text(text)
            book.run("read")
        book.run("fit")
        yield book


def test_a_tag_means_a_version_until_it_moves(book: Tracked, tmp_path: Path) -> None:
    assert names.tag(book.ws, "rides.csv@1", "golden").before is None
    assert Catalogue(book.ws).find("data:/rides.csv@golden").number == 1
    (tmp_path / "rides.csv").unlink()
    get(book.ws, "data:/rides.csv@golden", tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_text() == CONTENTS[0]
    moved = names.tag(book.ws, "rides.csv", "golden")
    assert moved.before is not None and (moved.before.number, moved.version.number) == (1, 3)
    names.tag(book.ws, "rides.csv", "raw-1.0")
    assert [v.tags for v in Catalogue(book.ws).listed("rides.csv")] == [(), (), ("golden", "raw-1.0")]
    names.tag(book.ws, "rides@1", "golden")  # tags of another name are others
    assert Catalogue(book.ws).find("rides@golden").name == "rides"
    names.untag(book.ws, "rides.csv", "golden")
    with pytest.raises(UnknownNameError, match=r"tag of rides\.csv 'golden'; known: raw-1\.0"):
        Catalogue(book.ws).find("rides.csv@golden")
    with pytest.raises(UnknownNameError):
        names.untag(book.ws, "rides.csv", "golden")
    assert [e["what"] for e in book.ws.store.events_after(0) if e["noun"] == "data"].count("tagged") == 4


@pytest.mark.parametrize("word", ["3", "a b", "", "-x", "a@b", "x" * 2 + "/"])
def test_what_is_no_tag_is_refused(book: Tracked, word: str) -> None:
    with pytest.raises(UsageError, match="is no tag"):
        names.tag(book.ws, "rides.csv", word)


def test_a_run_that_alone_knows_a_tagged_version_is_not_deleted(tmp_path: Path) -> None:
    for text in CONTENTS[:2]:
        (tmp_path / "rides.csv").write_text(text)
        with tracked(tmp_path, CELLS) as book:
            book.run("read")
            ws = book.ws
    second, first = (run.id for run in runs.listed(ws.store, kinds=[RunKind.SESSION]))
    names.tag(ws, "rides.csv@1", "golden")
    with pytest.raises(RefusedError, match=r"the data version rides\.csv@golden is known from run"):
        delete(ws, [first])
    delete(ws, [second])
    names.untag(ws, "rides.csv", "golden")
    delete(ws, [first])


def test_descriptions_of_a_name_and_of_a_version(book: Tracked) -> None:
    assert names.describe(book.ws, "rides.csv", "hourly; password=hunter2hunter2") == "rides.csv"
    assert names.describe(book.ws, "data:/rides.csv@2", "with gaps") == "rides.csv@2"
    catalogue = Catalogue(book.ws)
    said = [catalogue.detail(v) for v in catalogue.listed("rides.csv")]
    assert [d.about for d in said] == ["hourly; password=[redacted]"] * 3
    assert [d.description for d in said] == ["", "with gaps", ""]
    names.describe(book.ws, "rides.csv", "")
    assert Catalogue(book.ws).detail(catalogue.find("rides.csv")).about == ""
    with pytest.raises(UsageError, match="at most"):
        names.describe(book.ws, "rides.csv", "x" * 3000)


def test_a_profile_from_content_and_from_what_was_kept_at_a_fit(book: Tracked, tmp_path: Path) -> None:
    found = profile(book.ws, "rides.csv@1")
    n, who = found.columns
    assert (found.rows, n.quantiles, n.mean, n.missing) == (3, (1, 1.5, 2, 2.5, 3), 2, 0)
    assert (who.frequent, who.distinct) == ((("ann", 2), ("bob", 1)), 2)
    (tmp_path / "rides.csv").unlink()
    assert profile(book.ws, "rides.csv@2").columns[1].missing == 1
    trained = profile(book.ws, "X")
    assert "trained on it" in trained.how and [c.name for c in trained.columns] == ["n"]
    detail = Catalogue(book.ws).detail(Catalogue(book.ws).find("X"))
    assert detail.models and detail.models[0].startswith("m of run")
    with pytest.raises(UnknownNameError, match="only its fingerprint"):
        profile(book.ws, "rides@2")


def test_a_version_against_the_contract_of_another(book: Tracked) -> None:
    good = check(book.ws, "rides.csv@3", "rides.csv@1")
    assert (good.rows, good.bad) == (2, 0)
    assert good.warnings == ("column 'who': 1 rows have categories that training didn't have",)
    bad = check(book.ws, "rides.csv@2", "rides.csv@1")
    assert (bad.rows, bad.bad) == (3, 2)
    assert all(reason.startswith("column 'n'") for reason in bad.reasons)
    with pytest.raises(InputDataError, match="is missing"):
        check_other(book)


def check_other(book: Tracked) -> None:
    (book.ws.root / "other.csv").write_text("n\n1\n")
    book.cells["other"] = "pd.read_csv('other.csv')"
    book.run("other")
    check(book.ws, "other.csv", "rides.csv@1")


def test_the_commands(book: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(program, ["data", *words])
        assert (done.exit_code != 0) == bool(code), (done.output, done.exception)
        return done.output

    assert said("tag", "rides.csv@1", "golden") == "rides.csv@golden is rides.csv@1\n"
    assert "no longer rides.csv@1" in said("tag", "rides.csv@2", "golden")
    assert "rides.csv is described" in said("describe", "rides.csv", "hourly")
    assert "golden" in said("list")
    shown = said("show", "rides.csv@golden")
    assert "hourly" in shown and "golden" in shown and "content" in shown
    assert "1 … 1.5 … 2 … 2.5 … 3 (quartiles), mean 2" in said("profile", "rides.csv@1")
    assert json.loads(said("profile", "rides.csv@1", "--json"))["columns"][1]["frequent"] == [["ann", 2], ["bob", 1]]
    assert "2 of 2 rows keep the contract" in said("check", "rides.csv@3", "--against", "rides.csv@1")
    assert "1 of 3 rows keep" in said("check", "rides.csv@golden", "--against", "rides.csv@1", code=4)
    assert "taken away" in said("tag", "rides.csv", "golden", "--remove")
