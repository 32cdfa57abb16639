"""What content is kept, what is only fingerprinted and why, and that it is kept as it was when the cell used it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tracked_cells import Tracked, tracked

from nbops.capture import keeping
from nbops.capture.cells import CellStart
from nbops.catalog.content import KEPT, get
from nbops.catalog.deletion import delete
from nbops.catalog.garbage import collect
from nbops.catalog.versions import Catalogue
from nbops.core.errors import UnknownNameError
from nbops.core.runs import RunKind
from nbops.pipeline.execute import run_notebook
from nbops.store import data_contents, records, runs
from nbops.workspace import Workspace, open_workspace


@contextmanager
def project(folder: Path, toml: str = "", **cells: str) -> Iterator[Tracked]:
    (folder / "nbops.toml").write_text(toml)
    with tracked(folder, cells) as book:
        yield book


def reading(*names: str) -> str:
    return "from pathlib import Path\n" + "\n".join(f"Path({name!r}).read_bytes()" for name in names)


def not_kept(ws: Workspace) -> dict[str, str | None]:
    """{path: why it isn't kept} of all records."""
    found = runs.listed(ws.store, kinds=[RunKind.SESSION])
    return {f.path: f.not_kept for run in found for r in records.of_run(ws.store, run.id) for f in r.files}


def kept(ws: Workspace, ref: str, target: Path) -> bytes | None:
    """A version's content from the store; None if only its fingerprint is."""
    target.unlink(missing_ok=True)
    try:
        _, how = get(ws, ref, target)
    except UnknownNameError:
        return None
    assert how.startswith(KEPT), how
    return target.read_bytes()


def test_files_that_were_read_and_written_can_be_had_back_when_they_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE_S", 60.0)  # however slow the machine is
    small, large = b"a,b\n1,2\n", np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "small.csv").write_bytes(small)
    (tmp_path / "large.bin").write_bytes(large)
    text = reading("small.csv", "large.bin") + "\nPath('made.txt').write_text('made')"
    with project(tmp_path, cell=text) as book:
        book.run()
        at_once = data_contents.artifacts(book.ws.store)
        assert len(at_once) >= 2  # the small ones, with the record
    ws = open_workspace(tmp_path, environ={})
    assert not_kept(ws) == {"small.csv": None, "large.bin": None, "made.txt": None}
    for name, content in (("small.csv", small), ("large.bin", large), ("made.txt", b"made")):
        assert Catalogue(ws).detail(Catalogue(ws).find(name)).content == "kept"
        (tmp_path / name).unlink()
        assert kept(ws, f"{name}@1", tmp_path / "back") == content


def test_nothing_runs_on_when_all_is_copied(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(3_000_000))
    before = set(threading.enumerate())
    with project(tmp_path, cell=reading("large.bin")) as book:
        book.run()
        until = time.monotonic() + 30
        while set(threading.enumerate()) - before and time.monotonic() < until:
            time.sleep(0.01)
        assert set(threading.enumerate()) <= before
        assert len(data_contents.artifacts(book.ws.store)) == 1
        book.run()  # the same content: nothing is begun again
        assert set(threading.enumerate()) <= before


def test_what_changes_before_it_is_copied_is_not_kept_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"1" * 3_000_000)
    with project(tmp_path, cell=reading("large.bin")) as book:
        keeper = book.session._keeper
        start, keeper.start = keeper.start, lambda later: None  # type: ignore[method-assign]
        waiting = []
        keeper.start = waiting.extend  # type: ignore[method-assign]
        book.run()
        (tmp_path / "large.bin").write_bytes(b"2" * 3_000_000)
        keeper.start = start  # type: ignore[method-assign]
        keeper.start(waiting)
    ws = open_workspace(tmp_path, environ={})
    (tmp_path / "large.bin").unlink()
    assert kept(ws, "large.bin@1", tmp_path / "back") is None
    assert not list(ws.artifacts.leftovers())
    assert Catalogue(ws).detail(Catalogue(ws).find("large.bin")).content.startswith("not kept: it changed")


@pytest.mark.parametrize(
    ("toml", "name", "size", "why"),
    [
        ("keep_under_mb = 0.01", "a.csv", 20_000, "larger than keep_under_mb (0.01)"),
        ("keep_under_mb = 0.01", "a.csv", 9_000, None),
        ("keep_under_mb = 0.01\nkeep = ['data/*.csv']", "data/a.csv", 20_000, None),
        ("keep_under_mb = 0.01\nkeep = ['data/*.csv']", "other/a.csv", 20_000, "larger than"),
        ("keep_under_mb = 0.01\nkeep = ['*.csv']", "data/a.csv", 20_000, None),
        ("never_keep = ['private/*']", "private/a.csv", 10, "never_keep"),
        ("keep = ['*']\nnever_keep = ['a.*']", "deep/a.csv", 10, "never_keep"),
        ("quota_mb = 0.01", "a.csv", 20_000, "quota (quota_mb is 0.01)"),
        ("quota_per_run_mb = 0.01", "a.csv", 20_000, "quota (quota_per_run_mb is 0.01)"),
        ("keep = ['*']", ".env", 10, "a secret"),
        ("keep = ['*']", "keys/id_rsa", 10, "a secret"),
        ("keep = ['*']", "api_token.txt", 10, "a secret"),
    ],
)
def test_the_policy(tmp_path: Path, toml: str, name: str, size: int, why: str | None) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    content = np.random.default_rng(1).bytes(size)
    (tmp_path / name).write_bytes(content)
    with project(tmp_path, f"[store]\n{toml}\n", cell=reading(name)) as book:
        book.run()
    ws = open_workspace(tmp_path, environ={})
    said = not_kept(ws)[name]
    (tmp_path / name).unlink()
    if why is None:
        assert said is None and kept(ws, name, tmp_path / "back") == content
    else:
        assert said is not None and said.startswith("not kept: ") and why in said
        assert kept(ws, name, tmp_path / "back") is None
        assert Catalogue(ws).detail(Catalogue(ws).find(name)).content == said


def test_a_quota_counts_what_was_added_and_nothing_fails_over_it(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.bin").write_bytes(np.random.default_rng(i).bytes(400_000))
    toml = "[store]\nquota_per_run_mb = 1\nquota_mb = 1.3\n"
    with project(tmp_path, toml, all=reading("0.bin", "1.bin", "2.bin"), again=reading("0.bin", "2.bin")) as book:
        book.run()
        book.run("again")
    ws = open_workspace(tmp_path, environ={})
    assert [n for n, why in not_kept(ws).items() if why] == ["2.bin"]
    with project(tmp_path, toml, more=reading("2.bin", "3.bin")) as book:  # another run, with a quota of its own
        book.run()
    assert {n: why and why[:28] for n, why in not_kept(ws).items()} == {
        "0.bin": None,
        "1.bin": None,
        "2.bin": "not kept: quota (quota_per_r",  # in the first run; kept in the second
        "3.bin": "not kept: quota (quota_mb is",
    }
    assert data_contents.stored_bytes(ws.store) == 1_200_000
    assert Catalogue(ws).detail(Catalogue(ws).find("2.bin")).content == "kept"


def test_settings_that_hold_a_credential_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "conn.json").write_text('{"url": "postgresql://me:hunter2pass@db/x"}')
    (tmp_path / "plain.json").write_text('{"depth": 3}')
    with project(tmp_path, cell=reading("conn.json", "plain.json")) as book:
        book.run()
        assert not_kept(book.ws) == {
            "conn.json": "not kept: it holds what looks like a credential",
            "plain.json": None,
        }
    assert not any(b"hunter2pass" in f.read_bytes() for f in (tmp_path / ".nbops").rglob("*") if f.is_file())


FRAMES = """
import numpy as np, pandas as pd, pyarrow as pa
named = pd.DataFrame({"a": [1, 2], "t": ["x", None]}, index=pd.Index([5, 7], name="key"))
array = np.arange(12.0).reshape(3, 4)
column = pd.Series([1.5, 2.5])
table = pa.table({"a": [1, 2, 3]})
odd = pd.DataFrame({"o": [object(), 1]})
other = pd.DataFrame({"a": [9]})
"""


def test_tables_and_arrays_in_memory_are_kept_where_they_are_named(tmp_path: Path) -> None:
    names = ("named", "array", "column", "table")
    with project(tmp_path, f"[store]\nkeep = {[*names, 'odd']!r}\n", make=FRAMES, use="named = named * 2") as book:
        book.run()
        ws, was = book.ws, dict(book.namespace)
        detail = Catalogue(ws).detail(Catalogue(ws).find("other"))
        assert detail.content == "not kept by itself: [store] keep names the tables and arrays that are"
        assert kept(ws, "other", tmp_path / "other.parquet") is None
        assert [v.number for v in Catalogue(ws).listed("named")] == [1, 2]
        for number, factor in ((1, 1), (2, 2)):
            assert kept(ws, f"named@{number}", tmp_path / "f.parquet")
            back = pd.read_parquet(tmp_path / "f.parquet")
            assert back.index.name == "key" and list(back["a"]) == [factor, 2 * factor]
        assert kept(ws, "array", tmp_path / "a.npy")
        assert (np.load(tmp_path / "a.npy") == was["array"]).all()
        assert kept(ws, "column", tmp_path / "c.parquet") and kept(ws, "table", tmp_path / "t.parquet")
        run = runs.listed(ws.store, kinds=[RunKind.SESSION])[0]
        notes = [note for r in records.of_run(ws.store, run.id) for note in r.notes]
        assert not any("is not kept" in note for note in notes if "odd" not in note)


def test_gc_removes_content_with_the_last_that_speaks_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with project(tmp_path, "[store]\nundelete_days = 0\n", cell=reading("a.csv")) as book:
        book.run()
        book.run()
    with project(tmp_path, "[store]\nundelete_days = 0\n", cell=reading("a.csv")) as book:
        book.run()
    ws = open_workspace(tmp_path, environ={})
    (artifact,) = data_contents.artifacts(ws.store).values()
    first, second = (run.id for run in runs.listed(ws.store, kinds=[RunKind.SESSION]))
    aged(ws)
    assert collect(ws, remove=True).artifacts == ()
    delete(ws, [first])
    collect(ws, remove=True)
    assert ws.artifacts.has(artifact)
    delete(ws, [second])
    collect(ws, remove=True)
    assert not ws.artifacts.has(artifact) and data_contents.artifacts(ws.store) == {}
    with project(tmp_path, "", cell=reading("a.csv")) as book:  # and is kept again when it is used again
        book.run()
        assert data_contents.artifacts(book.ws.store) and book.ws.artifacts.has(artifact)


def aged(ws: Workspace) -> None:
    import os

    then = time.time() - 7200
    for file in ws.artifacts.root.rglob("*"):
        os.utime(file, (then, then))


def test_a_step_whose_kernel_ends_at_once_keeps_what_it_read(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    large = np.random.default_rng(3).bytes(20_000_000)
    (tmp_path / "large.bin").write_bytes(large)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    book = {"nbformat": 4, "nbformat_minor": 5, "cells": [cell | {"source": reading("large.bin") + ";"}]}
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "python3"}}
    (tmp_path / "step.ipynb").write_text(json.dumps(book | {"metadata": kernel}))
    ws = open_workspace(tmp_path, environ={})
    run_notebook(ws, tmp_path / "step.ipynb")
    (tmp_path / "large.bin").unlink()
    assert kept(ws, "large.bin", tmp_path / "back") == large
    ws.store.close()


def test_what_goes_wrong_is_said_and_the_record_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with project(
        tmp_path, "[store]\nkeep = ['t']\n", cell=reading("a.csv") + "\nimport numpy as np\nt = np.ones(3)"
    ) as book:
        root = book.ws.artifacts.root
        root.mkdir(parents=True)
        (root / "tmp").write_text("a file where a folder should be")  # nothing can be written
        start = CellStart(source="", code=book.cells["cell"], name=None)
        cell = book.session.begin(start, book.namespace)
        assert cell is not None
        exec(book.cells["cell"], book.namespace)
        done = book.session.end(cell)
        assert done.record is not None, done.problem
        (use,) = done.record.files
        assert use.digest is not None and (use.not_kept or "").startswith("not kept: ")
        assert any(note.startswith("t is not kept: ") for note in done.record.notes)
        (root / "tmp").unlink()
