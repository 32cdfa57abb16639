"""``nbops verify``: what is as recorded, what differs, what can't be told, after whatever may happen to a notebook."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from recorded_notebook import workspace

from nbops.core.canonical import digest_text, dump_encoded
from nbops.core.errors import NotebookError, UnknownNameError
from nbops.notebook.embedded import LEFT_OUT_NOTE, MIME
from nbops.verification.verify import DIFFERS, NOT_CHECKABLE, SAME, Verification, verify


def look(root: Path) -> Verification:
    return verify(workspace(root), root / "executed.ipynb")


def change(root: Path, what: Callable[[Any], None]) -> None:
    path = root / "executed.ipynb"
    data = json.loads(path.read_text())
    what(data)
    path.write_text(json.dumps(data))


def payload(data: Any, cell: int) -> Any:
    (found,) = (o["data"][MIME] for o in data["cells"][cell]["outputs"] if MIME in o.get("data", {}))
    return found


def different(result: Verification) -> list[tuple[int, str]]:
    return [(f.cell, f.what) for f in result.findings if f.result == DIFFERS]


def the(result: Verification, cell: int, what: str) -> tuple[str, str]:
    (found,) = ((f.result, f.why) for f in result.findings if (f.cell, f.what) == (cell, what))
    return found


def test_an_executed_notebook_is_as_recorded(root: Path) -> None:
    result = look(root)
    assert result.records == 4 and not result.differs
    for cell in range(4):
        assert the(result, cell, "payload")[0] == the(result, cell, "source")[0] == SAME
        assert the(result, cell, "store")[0] == SAME, "also of a shortened record, and one with a NaN"
    assert the(result, 0, "file in.csv")[0] == SAME
    assert the(result, 2, "file out.csv")[0] == SAME
    assert the(result, 1, "file out.csv") == (NOT_CHECKABLE, "cell 3 used another content of it later")
    assert the(result, 0, "data df")[0] == NOT_CHECKABLE
    assert the(result, 1, "artifact note.txt")[0] == SAME
    assert result.count(SAME) + result.count(NOT_CHECKABLE) == len(result.findings)


def test_what_was_shortened_is_verified_too(root: Path) -> None:
    data = json.loads((root / "executed.ipynb").read_text())
    record = payload(data, 3)["record"]
    assert any(note.startswith(LEFT_OUT_NOTE) for note in record["notes"])
    assert the(look(root), 3, "artifact record.json")[0] == SAME


def test_it_holds_after_other_writers(root: Path) -> None:
    path = root / "executed.ipynb"
    nbformat.write(nbformat.read(path, as_version=4), path)
    assert not look(root).differs

    def as_a_browser_does(data: Any) -> None:  # JSON.stringify: 1.0 becomes 1, keys keep their order, no white space
        data["cells"] = json.loads(
            json.dumps(data["cells"]), parse_float=lambda s: int(float(s)) if float(s) == int(float(s)) else float(s)
        )
        data["metadata"]["signature"] = "x"

    change(root, as_a_browser_does)
    assert not look(root).differs


def test_an_edited_cell(root: Path) -> None:
    change(root, lambda data: data["cells"][0].update(source="%%track\nthreshold = 4"))
    result = look(root)
    assert different(result) == [(0, "source")]
    assert "edited after it ran" in the(result, 0, "source")[1]


def test_outputs_under_another_cell(root: Path) -> None:
    def swap(data: Any) -> None:
        one, other = data["cells"][0], data["cells"][2]
        one["outputs"], other["outputs"] = other["outputs"], one["outputs"]

    change(root, swap)
    assert different(look(root)) == [(0, "source"), (2, "source")]


def test_an_altered_payload(root: Path) -> None:
    change(root, lambda data: payload(data, 1)["record"]["metrics"][0].update(value="f:99.0"))
    assert different(look(root)) == [(1, "payload")]


def test_an_altered_payload_with_a_digest_made_to_fit(root: Path) -> None:
    def forge(data: Any, cell: int) -> None:
        found = payload(data, cell)
        found["record"]["seconds"] = 0.125
        found["digest"] = digest_text(dump_encoded(found["record"]))

    for cell in (1, 3):  # 3: a shortened one, which can't hide behind that
        change(root, lambda data, cell=cell: forge(data, cell))  # type: ignore[misc]
    assert different(look(root)) == [(1, "store"), (3, "store")]


@pytest.mark.parametrize(
    "broken", [{}, {"record": None, "digest": "x"}, {"digest": "j1:sha256:00"}, {"record": {"metrics": 1}, "digest": 5}]
)
def test_a_shortened_payload(root: Path, broken: Any) -> None:
    def cut(data: Any) -> None:
        found = payload(data, 1)
        found.clear()
        found.update(copy.deepcopy(broken))

    change(root, cut)
    assert different(look(root)) == [(1, "payload")]


def test_a_record_of_a_newer_nbops_is_not_checkable(root: Path) -> None:
    def newer(data: Any) -> None:
        found = payload(data, 1)
        found["record"]["format"] = 99
        found["digest"] = digest_text(dump_encoded(found["record"]))

    change(root, newer)
    result = look(root)
    assert not result.differs
    (why,) = (f.why for f in result.findings if f.cell == 1)
    assert "upgrade nbops" in why


def test_files_that_are_gone_or_changed(root: Path) -> None:
    (root / "in.csv").unlink()
    assert the(look(root), 0, "file in.csv") == (NOT_CHECKABLE, "it is gone")
    (root / "in.csv").write_text("x,y\n1,2\n3,5\n")
    result = look(root)
    assert different(result) == [(0, "file in.csv")]
    (root / "in.csv").write_text("x,y\n1,2\n3,4\n")
    assert not look(root).differs


def test_artifacts_that_are_damaged_or_gone(root: Path) -> None:
    data = json.loads((root / "executed.ipynb").read_text())
    (kept,) = (a["digest"] for a in payload(data, 1)["record"]["artifacts"])
    path = workspace(root).artifacts.path(kept)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    assert different(look(root)) == [(1, "artifact note.txt")]
    path.unlink()
    result = look(root)
    assert not result.differs
    assert the(result, 1, "artifact note.txt")[0] == NOT_CHECKABLE


def test_another_store_knows_nothing(root: Path) -> None:
    workspace(root).store.path.unlink()
    result = look(root)
    assert not result.differs
    assert {the(result, cell, "store")[0] for cell in range(4)} == {NOT_CHECKABLE}
    assert "doctor --rebuild" in the(result, 0, "store")[1]


def test_no_notebook_and_none_with_records(root: Path) -> None:
    with pytest.raises(NotebookError, match=r"there is no notebook .*executed"):
        verify(workspace(root), root / "execute.ipynb")
    with pytest.raises(UnknownNameError, match=r"no record in the notebook .*plain.*copy, which has them: .*executed"):
        verify(workspace(root), root / "plain.ipynb")
