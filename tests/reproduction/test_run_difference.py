"""How two runs differ, from their records alone: cells, modules, values, data, environment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbops.core.difference import Difference
from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.runs import DataUse, FileUse, Run, RunKind
from nbops.fingerprints.fingerprint import fingerprint
from nbops.render.difference import difference_text
from nbops.reproduction.difference import _rows, difference


def of(result: Difference, what: str) -> dict[str, str]:
    return {c.name: c.why for c in result.changes if c.what == what}


def frame(digest: str, rows: int) -> DataUse:
    column = Column(name="cnt", dtype="int64", digest=digest)
    return DataUse(
        name="rides",
        fingerprint=Fingerprint(kind="dataframe", digest=f"f1:{digest}", shape=(rows, 1), columns=(column,)),
    )


def test_cells_are_matched_by_content_and_their_text_is_compared(project) -> None:
    a = project.session(("import x", {}), ("y = 1\nz = 2", {}), ("old()", {}))
    b = project.session(("import x", {}), ("y = 1\nz = 3", {}))
    result = difference(project.ws(), a.id, b.id)
    assert of(result, "code") == {"cell [2]": "+1 −1 lines", "cell [3]": "gone"}
    details = {c.name: c.detail.splitlines() for c in result.changes}
    assert details["cell [2]"][-2:] == ["-z = 2", "+z = 3"]
    assert "+z = 3" in difference_text(result)
    back = difference(project.ws(), b.id, a.id)
    assert of(back, "code")["cell [3]"] == "new"
    assert difference(project.ws(), a.id, a.id[:6]).changes == ()
    assert "no difference" in difference_text(difference(project.ws(), a.id, a.id))


def test_a_secret_that_changed_shows_that_it_did_and_nothing_of_it(project) -> None:
    kept = "password = '[redacted]'"
    a = project.session(("password = 'hunter2hunter2'", {"kept": kept}))
    b = project.session(("password = 'hunter3hunter3'", {"kept": kept}))
    result = difference(project.ws(), a.id, b.id)
    assert "differs in what was not kept (redacted)" in of(result, "code")["cell [1]"]
    assert "hunter" not in difference_text(result) + str(result)


def test_local_modules_are_compared_as_they_were_kept(project) -> None:
    artifacts = project.ws().artifacts
    one, two = (artifacts.put_bytes(text.encode()) for text in ("def f():\n    return 1\n", "def f():\n    return 2\n"))
    a = project.session(("import m", {}), detail={"modules": {"m.py": one, "same.py": one, "lost.py": one}})
    other = {"m.py": two, "same.py": one, "lost.py": "a1:blake3:" + "0" * 64, "new.py": two}
    b = project.session(("import m", {}), detail={"modules": other})
    result = difference(project.ws(), a.id, b.id)
    assert of(result, "code") == {"m.py": "+1 −1 lines", "lost.py": "differs", "new.py": "new"}
    assert "-    return 1" in next(c.detail for c in result.changes if c.name == "m.py")


def test_values_data_and_environment(project) -> None:
    nan = float("nan")
    file = FileUse(path="a.csv", mode="read", digest="f1:1", size=10)
    a = project.session(
        ("x = 1", {"params": {"x": 1, "flag": True, "n": nan}, "reads": (frame("1", 100),), "files": (file,)}),
        environment={"python": "3.11.7", "packages": {"pandas": "2.2.3", "here": "1"}},
        code={"commit": "aaa"},
    )
    gone = FileUse(path="a.csv", mode="read", digest=None, reason="not fingerprinted: budget")
    b = project.session(
        ("x = 1", {"params": {"x": 1.0, "flag": 1, "n": nan}, "reads": (frame("2", 120),), "files": (gone,)}),
        environment={"python": "3.12.1", "packages": {"pandas": "3.1.1", "there": "1"}},
        code={"commit": "bbb"},
    )
    result = difference(project.ws(), a.id, b.id)
    assert [c.name for c in result.changes if c.what == "parameter"] == ["flag"]
    data = of(result, "data")
    assert data["rides"].startswith("20 rows more; ")
    assert "values changed in: cnt" in data["rides"]
    assert _rows(frame("1", 3).fingerprint, frame("2", 2).fingerprint) == "1 row fewer; "
    assert data["a.csv"] == "cannot be compared: not fingerprinted: budget"
    assert (
        of(difference(project.ws(), a.id, project.session(("x = 1", {})).id), "data")["rides"] == f"only in {a.id[:8]}"
    )
    assert of(result, "environment").keys() == {"Python", "pandas"}
    assert [(c.a, c.b) for c in result.changes if c.name == "git"] == [("aaa", "bbb")]


def test_runs_of_a_pipeline_are_compared_step_by_step(project) -> None:
    pipelines = []
    for rows, x in ((10, "x = 1"), (12, "x = 2")):
        whole = project.session(kind=RunKind.PIPELINE, name="train", notebook=None)
        for name in ("prepare", "fit"):
            use = frame(f"{rows}{name}", rows if name == "prepare" else 5)
            project.session((x, {"writes": (use,)}), kind=RunKind.STEP, name=name, parent=whole.id)
        pipelines.append(whole.id)
    result = difference(project.ws(), *pipelines)
    assert of(result, "code") == {"prepare: cell [1]": "+1 −1 lines", "fit: cell [1]": "+1 −1 lines"}
    assert of(result, "data")["prepare: rides"].startswith("2 rows more; ")
    assert "rows" not in of(result, "data")["fit: rides"]
    assert difference(project.ws(), pipelines[0], pipelines[0]).changes == ()


def test_where_the_distributions_of_a_kept_file_moved_is_told_column_by_column(project) -> None:
    rng = np.random.default_rng(0)
    path = project.root / "in.csv"
    ws = project.ws()

    def read(shift: float) -> Run:
        table = pd.DataFrame({"moved": rng.normal(size=500) + shift, "same": np.arange(500)})
        table.to_csv(path, index=False)
        ws.artifacts.put_file(path)
        made = fingerprint(path)
        use = FileUse(path="in.csv", mode="read", digest=made.digest, size=path.stat().st_size)
        return project.session(("read()", {"files": (use,)}))

    result = difference(ws, read(0.0).id, read(3.0).id)
    moved = of(result, "distribution")
    assert list(moved) == ["in.csv: moved"]
    assert "median moved" in moved["in.csv: moved"]
    gone = FileUse(path="in.csv", mode="read", digest="f1:blake3:" + "0" * 64, size=9)
    result = difference(ws, read(0.0).id, project.session(("read()", {"files": (gone,)})).id)
    assert of(result, "distribution") == {}
    assert "the distributions of in.csv could not be compared" in result.notes[0]
