"""Cells that ran after their notebook was last saved: judged as they ran, whatever the file has of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_sessions import Book, opened

from nbops.lineage.notebook_state import notebook_state
from nbops.lineage.stale import stale_session
from nbops.notebook.files import read

CELLS = {"k": "k = 3", "make": "double = 2 * k", "show": "print(double)"}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with opened(tmp_path, CELLS) as made:
        yield made


def save_before_what_comes(book: Book) -> None:
    book.save()
    os.utime(book.path, (time.time(), time.time()))
    time.sleep(0.02)  # files' times are in ticks: what runs within one isn't told from what ran before


def words(book: Book) -> dict[int | None, set[str]]:
    return {c.index: set(c.badges) for c in notebook_state(book.ws, book.path).cells if c.badges}


def live(book: Book) -> list[tuple[int | None, str]]:
    assert book.session.run is not None
    return [(f.cell, f.kind.value) for f in stale_session(book.ws, book.session.run.id, read(book.path))]


def test_a_cell_edited_and_run_is_not_called_edited_before_the_file_is_saved(book: Book) -> None:
    book.run()
    save_before_what_comes(book)
    book.cells["k"] = "k = 4"
    book.run("k")
    assert words(book) == {1: {"stale"}, 2: {"stale"}}
    assert live(book) == [(1, "input changed"), (2, "input changed")]


def test_what_is_run_again_is_true_at_once(book: Book) -> None:
    book.run()
    book.cells["k"] = "k = 4"
    save_before_what_comes(book)
    assert 0 in words(book)
    book.run("k", "make", "show")
    assert words(book) == {}
    assert live(book) == []


def test_after_a_restart_what_has_not_run_is_of_an_earlier_session(tmp_path: Path) -> None:
    with opened(tmp_path, CELLS) as before:
        before.run()
        save_before_what_comes(before)
    with opened(tmp_path, CELLS) as after:
        after.run("k")
        assert words(after) == {1: {"stale"}, 2: {"stale"}}
