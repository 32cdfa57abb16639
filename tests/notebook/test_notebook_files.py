"""Reading and writing .ipynb: what nbformat accepts and writes, and a sentence for everything else."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.errors import NotebookError, StoreFullError
from nbops.notebook import files

CODE = {
    "cell_type": "code",
    "execution_count": 3,
    "id": "c1",
    "metadata": {"tags": ["parameters", "x"]},
    "outputs": [],
    "source": ["a = 1\n", "b = 2"],
}


def notebook(*cells: dict, minor: int = 5) -> dict:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": minor}


def test_code_cells_count_all_cells_and_join_lines(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    text = {"cell_type": "markdown", "metadata": {}, "source": "# hi", "id": "m"}
    path.write_text(json.dumps(notebook(text, CODE)))
    (cell,) = files.read(path).code_cells()
    assert (cell.index, cell.id, cell.source, cell.tags, cell.execution_count) == (
        1, "c1", "a = 1\nb = 2", ("parameters", "x"), 3,
    )  # fmt: skip
    assert files.read(path).tagged("x") == cell
    assert files.read(path).tagged("y") is None


@pytest.mark.parametrize("minor", range(6))
def test_every_minor_of_format_4_is_read_with_or_without_ids(tmp_path: Path, minor: int) -> None:
    cell = {k: v for k, v in CODE.items() if k != "id"} | {"source": "x = 1"}
    path = tmp_path / "n.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(notebook(cell, minor=minor)).encode())
    (read,) = files.read(path).code_cells()
    assert read.id is None
    assert read.source == "x = 1"


def test_a_notebook_is_read_whole_while_jupyter_saves_it(tmp_path: Path) -> None:
    """Jupyter's own writer, in another process and without a pause between two saves."""
    path = tmp_path / "n.ipynb"
    text = json.dumps(notebook(*[CODE | {"id": f"c{i}", "source": f"x = {i}  # {'-' * 2000}"} for i in range(300)]))
    path.write_text(text)
    saves = (
        "import sys\n"
        "from jupyter_server.services.contents.fileio import atomic_writing\n"
        "text = open(sys.argv[1]).read()\n"
        "print('saving', flush=True)\n"
        "while True:\n"
        "    with atomic_writing(sys.argv[1]) as file:\n"
        "        file.write(text)\n"
    )
    with subprocess.Popen([sys.executable, "-c", saves, str(path)], stdout=subprocess.PIPE) as jupyter:
        try:
            assert jupyter.stdout is not None
            jupyter.stdout.readline()
            for _ in range(200):
                assert len(files.read(path).code_cells()) == 300
        finally:
            jupyter.kill()


def test_a_save_that_was_cut_off_is_an_error_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LONGEST_SAVE", 0.1)
    (tmp_path / "n.ipynb").write_text('{"cells": [')
    (tmp_path / ".~n.ipynb").write_text("the copy that was made before")
    with pytest.raises(NotebookError, match="not JSON at line 1"):
        files.read(tmp_path / "n.ipynb")


def test_language_and_kernel(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    data = notebook() | {"metadata": {"kernelspec": {"name": "ir"}, "language_info": {"name": "R"}}}
    path.write_text(json.dumps(data))
    assert (files.read(path).kernel, files.read(path).language) == ("ir", "r")
    path.write_text(json.dumps(notebook()))
    assert (files.read(path).kernel, files.read(path).language) == (None, None)


BROKEN = {
    "empty": (b"  \n", "is empty"),
    "not json": (b'{"cells": [', "not JSON at line 1"),
    "python": (b"print(1)", "not JSON at line 1, column 1"),
    "binary": (b"\x89PNG\r\n\x1a\n\xff", "not UTF-8"),
    "conflict": (b'{\n<<<<<<< HEAD\n "a": 1\n=======\n "a": 2\n>>>>>>> other\n}', "merge conflicts"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "a list": (b"[1]", "no 'nbformat'"),
    "other json": (b'{"a": 1}', "give the path of an .ipynb"),
    "format 3": (b'{"nbformat": 3, "worksheets": []}', "nbconvert --to notebook"),
    "format 5": (b'{"nbformat": 5, "cells": []}', "has format 5"),
    "format x": (b'{"nbformat": "4", "cells": []}', "has format '4'"),
    "no cells": (b'{"nbformat": 4}', "no list of cells"),
    "cell no object": (b'{"nbformat": 4, "cells": [1]}', "cell 1 is no object"),
    "cell type": (b'{"nbformat": 4, "cells": [{"cell_type": "cod"}]}', "the type 'cod'"),
    "source": (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "cell 1 has a source"),
    "outputs": (b'{"nbformat": 4, "cells": [{"cell_type": "code", "outputs": {"a": 1}}]}', "outputs that are no list"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_notebook_is_one_sentence(tmp_path: Path, case: str) -> None:
    raw, said = BROKEN[case]
    path = tmp_path / "broken.ipynb"
    path.write_bytes(raw)
    with pytest.raises(NotebookError) as caught:
        files.read(path)
    assert said in str(caught.value)
    assert "broken.ipynb" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_and_folder_name_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="check the path"):
        files.read(tmp_path / "train.ipynb")
    files.write(tmp_path / "train.ipynb", notebook())
    with pytest.raises(NotebookError, match=r"did you mean '.*train\.ipynb'"):
        files.read(tmp_path / "trian.ipynb")
    with pytest.raises(NotebookError, match=r"is a folder.*train\.ipynb"):
        files.read(tmp_path)
    with pytest.raises(NotebookError, match="can't be read"):
        files.read(tmp_path / "train.ipynb" / "x.ipynb")


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
OUTPUTS = st.lists(
    st.one_of(
        st.builds(lambda t: nbformat.v4.new_output("stream", name="stdout", text=t), TEXT),
        st.builds(
            lambda t, u: nbformat.v4.new_output(
                "display_data", data={"text/plain": t, "image/svg+xml": u, "application/json": {"a": u, "b": [t]}}
            ),
            TEXT,
            TEXT,
        ),
    ),
    max_size=3,
)
CELLS = st.lists(
    st.one_of(
        st.builds(lambda s: nbformat.v4.new_markdown_cell(s, attachments={"a.txt": {"text/plain": s}}), TEXT),
        st.builds(lambda s, o: nbformat.v4.new_code_cell(s, outputs=o), TEXT, OUTPUTS),
    ),
    max_size=4,
)


@given(CELLS)
def test_the_text_written_is_the_one_nbformat_writes(cells: list) -> None:
    made = nbformat.v4.new_notebook(cells=cells)
    plain = json.loads(json.dumps(made))
    assert files.as_bytes(plain).decode() == nbformat.writes(made) + "\n"


@given(CELLS)
def test_read_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, cells: list) -> None:
    path = tmp_path_factory.mktemp("n") / "n.ipynb"
    files.write(path, json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells))))
    first = path.read_bytes()
    files.write(path, files.read(path).data)
    assert path.read_bytes() == first
    assert [c.source for c in files.read(path).code_cells()] == [c.source for c in cells if c.cell_type == "code"]


def test_a_lone_surrogate_survives(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    files.write(path, notebook(CODE | {"source": "'\ud800 é'"}))
    assert files.read(path).code_cells()[0].source == "'\ud800 é'"


def test_write_keeps_permissions_follows_links_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target, link = tmp_path / "real.ipynb", tmp_path / "link.ipynb"
    files.write(target, notebook())
    target.chmod(0o640)
    link.symlink_to(target)
    files.write(link, notebook(CODE))
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert len(files.read(target).code_cells()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.ipynb", "real.ipynb"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    files.write(path, notebook(CODE))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        files.write(path, notebook(CODE | {"metadata": {"x": object()}}))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n.ipynb"]
    with pytest.raises(NotebookError, match="can't be written"):
        files.write(tmp_path / "no" / "n.ipynb", notebook())


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    files.write(path, notebook())
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with pytest.raises(StoreFullError, match="no room to write"):
            files.write(path, notebook(CODE | {"source": "x" * 100_000}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n.ipynb"]


def test_reading_imports_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    files.write(path, notebook(CODE))
    script = (
        "import sys\n"
        "from nbops.notebook import code, embedded, files, names, parameters\n"
        f"n = files.read({str(path)!r}); parameters.schema(n); code.notebook_code_digest(n); names.names('x = 1 % 2')\n"
        "print([m for m in ('IPython', 'nbformat', 'papermill', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
