"""Local modules, installed packages, the notebook: what a session keeps beside its cells."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops.capture.cells import CellStart
from nbops.capture.circumstances import installed
from nbops.capture.identity import by_cells
from nbops.capture.session import Session
from nbops.core.runs import Run
from nbops.store import records, runs
from nbops.workspace import open_workspace


def notebook(path: Path, *sources: str, **metadata: Any) -> Path:
    cells = [
        {
            "cell_type": "code",
            "id": f"{path.stem}-{i}",
            "source": source,
            "outputs": [{"text": "shown"}],
            "metadata": {},
        }
        for i, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / ".nbops").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("rides_prepare", "rides_deeper"):
        sys.modules.pop(name, None)


def run(session: Session, source: str, namespace: dict[str, Any], **start: Any) -> str:
    cell = session.begin(CellStart(source=source, code=source, **start), namespace)
    assert cell is not None
    exec(source, namespace)
    done = session.end(cell)
    assert done.run is not None, done.problem
    return done.run.id


def kept(session: Session, kind: str) -> list[tuple[str, str]]:
    assert session.run is not None
    found = records.artifacts(session.workspace.store, session.run.id, kind)
    return [
        (a.name, session.workspace.artifacts.read_bytes(a.digest).decode())
        for a in found
        if "/" not in a.name  # the tests themselves are local modules too, of another folder
    ]


def ours(run: Run) -> dict[str, str]:
    return {name: digest for name, digest in run.detail["modules"].items() if "/" not in name}


def test_local_modules_are_kept_when_loaded_and_when_they_change(folder: Path) -> None:
    (folder / "rides_deeper.py").write_text("FACTOR = 2\n")
    module = folder / "rides_prepare.py"
    module.write_text("from rides_deeper import FACTOR\ndef f(x): return FACTOR * x\n")
    session = Session(open_workspace(folder, environ={}))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    run(session, "import pandas, rides_prepare\nrides_prepare.f(2)", namespace)
    assert sorted(name for name, _ in kept(session, "module")) == ["rides_deeper.py", "rides_prepare.py"]
    block = run(session, "rides_prepare.f(3)", namespace, name="named")
    assert len(kept(session, "module")) == 2
    module.write_text("from rides_deeper import FACTOR\ndef f(x): return FACTOR * x + 1\n")
    os.utime(module, (1, 1))
    run(session, "rides_prepare.f(3)", namespace)
    assert ("rides_prepare.py", module.read_text()) in kept(session, "module")
    assert session.run is not None
    stored = ours(runs.as_stored(session.workspace.store, session.run.id))
    before = ours(runs.as_stored(session.workspace.store, block))
    assert set(stored) == set(before) == {"rides_deeper.py", "rides_prepare.py"}
    assert stored["rides_deeper.py"] == before["rides_deeper.py"]
    assert stored["rides_prepare.py"] != before["rides_prepare.py"]
    session.close()
    session.workspace.store.close()


def test_of_a_module_with_a_secret_the_digest_alone_is_kept(folder: Path) -> None:
    (folder / "rides_prepare.py").write_text("password = 'hunter2Zq'\n")
    session = Session(open_workspace(folder, environ={}))
    run(session, "import rides_prepare", {"__name__": "__main__"})
    assert session.run is not None
    assert kept(session, "module") == []
    assert list(ours(session.run)) == ["rides_prepare.py"]
    session.close()
    session.workspace.store.close()


def test_everything_installed_is_kept_once(folder: Path) -> None:
    session = Session(open_workspace(folder, environ={}))
    run(session, "a = 1", {})
    run(session, "b = 1", {})
    ((name, text),) = kept(session, "environment")
    assert name == "requirements.txt"
    assert f"numpy=={importlib.metadata.version('numpy')}\n" in text
    said = {
        d.metadata["Name"].replace("_", "-").replace(".", "-").lower(): d.version
        for d in importlib.metadata.distributions()
    }
    assert installed() == {name: said[name] for name in sorted(said)}
    session.close()
    session.workspace.store.close()


def test_the_notebook_as_saved_is_kept_without_outputs_and_secrets(folder: Path) -> None:
    path = notebook(folder / "rides.ipynb", "import math", "password = 'hunter2Zq'")
    session = Session(open_workspace(folder, environ={}), notebook=path)
    run(session, "import math", {})
    ((name, text),) = kept(session, "snapshot")
    assert (name, [c["source"] for c in json.loads(text)["cells"]]) == (
        "rides.ipynb",
        ["import math", "password = '[redacted]'"],
    )
    assert "shown" not in text
    run(session, "import math", {})
    assert len(kept(session, "snapshot")) == 1
    notebook(path, "import math", "x = 2 ** 10")
    run(session, "import math", {})
    assert len(kept(session, "snapshot")) == 2
    session.close()
    session.workspace.store.close()


def test_a_renamed_notebook_is_found_again_by_its_cells(folder: Path) -> None:
    path = notebook(folder / "rides.ipynb", "import math", "y = 1")
    session = Session(open_workspace(folder, environ={}), notebook=path)
    run(session, "import math", {}, cell_id="rides-0")
    path.rename(folder / "bikes.ipynb")
    notebook(folder / "other.ipynb", "import math", "y = 1")
    identifier = run(session, "y = 1", {}, cell_id="rides-1")
    stored = runs.as_stored(session.workspace.store, identifier)
    assert (stored.notebook, stored.name) == ("bikes.ipynb", "bikes")
    session.close()
    session.workspace.store.close()


def test_which_notebook_has_these_cells(tmp_path: Path) -> None:
    one = notebook(tmp_path / "one.ipynb", "import numpy as np", "model = np.arange(3).sum()")
    assert by_cells(tmp_path, None, ["import numpy as np"]) is None  # too little to tell
    assert by_cells(tmp_path, None, ["import numpy as np", " model = np.arange(3).sum()\n"]) == one
    assert by_cells(tmp_path, "one-1", ["edited since"]) == one
    (tmp_path / "broken.ipynb").write_text("{")
    notebook(tmp_path / "out.ipynb", "import numpy as np", "model = np.arange(3).sum()", papermill={})
    assert by_cells(tmp_path, None, ["import numpy as np", "model = np.arange(3).sum()"]) == one
    notebook(tmp_path / "copy.ipynb", "import numpy as np", "model = np.arange(3).sum()")
    assert by_cells(tmp_path, None, ["import numpy as np", "model = np.arange(3).sum()"]) is None
    assert by_cells(tmp_path, None, ["model = np.arange(4).sum() # another"]) is None
