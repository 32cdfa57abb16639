"""What is restored and from where; randomness; failures; sessions; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbops.core.errors import ExecutionError, UnknownNameError, UsageError
from nbops.core.reproduction import Reproduction, Verdict
from nbops.core.runs import FileUse, Run, RunKind
from nbops.pipeline.execute import run_notebook
from nbops.pipeline.run import run_pipeline
from nbops.reproduction.original import NotKeptError, _cleaned, original
from nbops.reproduction.reproduce import reproduce
from nbops.store import records, runs
from nbops.workspace import Workspace

TOML = """\
[pipelines.p.steps.make]
notebook = "make.ipynb"
outputs = ["data/a.csv", "limit"]
[pipelines.p.steps.use]
notebook = "nb/use.ipynb"
inputs = ["data/a.csv"]
needs = ["make"]
"""


def verdicts(result: Reproduction) -> dict[tuple[int, str, str], Verdict]:
    return {(c.cell, f.what, f.name): f.verdict for c in result.cells for f in c.findings}


def step(ws: Workspace, pipeline: Run, name: str) -> Run:
    return next(run for run in runs.children(ws.store, pipeline.id) if run.name == name)


def test_input_module_parameter_and_handed_on_value_come_back_as_they_were(project) -> None:
    root = project.root
    (root / "data").mkdir()
    project.toml(TOML)
    project.notebook(
        "make.ipynb",
        "import nbops\nfrom pathlib import Path\nPath('data/a.csv').write_text('x\\n1\\n2\\n')",
        "nbops.output('limit', 5)",
    )
    (root / "nb").mkdir()
    (root / "nb" / "local.py").write_text("def doubled(v):\n    return 2 * v\n")
    project.notebook(
        "nb/use.ipynb",
        f"# parameters\nscale: float = 1.0\nout: str = '{root}/out/b.txt'",
        "import nbops\nfrom pathlib import Path\nfrom local import doubled",
        "values = [doubled(float(x)) * scale for x in Path('../data/a.csv').read_text().split()[1:]]",
        "Path(out).parent.mkdir(exist_ok=True)\nPath(out).write_text(str(values))",
        "nbops.log_metric('total', sum(values) + nbops.input('limit'))",
    )
    ws = project.ws()
    pipeline = run_pipeline(ws, "p", params={"scale": 3.0})
    use = step(ws, pipeline, "use")
    assert use.detail["modules"].keys() == {"nb/local.py"}

    (root / "data" / "a.csv").unlink()
    (root / "nb" / "local.py").write_text("def doubled(v):\n    return -v\n")
    (root / "out" / "b.txt").write_text("precious")
    result = reproduce(ws, use.id)
    assert result.verdict is Verdict.IDENTICAL, result.why
    restored = {r.name: (r.what, r.how, r.exact) for r in result.restored}
    assert restored["data/a.csv"] == ("input", "from the artifact store", True)
    assert restored["nb/local.py"] == ("module", "from the artifact store", True)
    assert restored["limit"] == ("handed-on value", "from the artifact store", True)
    assert [c.line for c in result.cells][2] == "import nbops"  # after the defaults and what papermill put in
    found = verdicts(result)
    assert found[2, "parameter", "scale"] is Verdict.IDENTICAL
    assert found[6, "metric", "total"] is Verdict.IDENTICAL
    assert found[5, "file written", "out/b.txt"] is Verdict.IDENTICAL
    # the notebook names an absolute path of the workspace: the copy wrote its own
    assert (root / "out" / "b.txt").read_text() == "precious"
    assert any("absolute path" in note for note in result.notes)

    with pytest.raises(UsageError, match=f"use: {use.id}"):
        reproduce(ws, pipeline.id)
    again = run_pipeline(ws, "p", params={"scale": 3.0})  # the module changed: it may not come from the cache
    assert step(ws, again, "make").status == "CACHED"
    assert step(ws, again, "use").status == "COMPLETED"
    assert original(ws, step(ws, again, "make").id).run_id == step(ws, pipeline, "make").id


def test_randomness_is_found_where_it_comes_in_and_a_metric_can_be_asked_for_alone(project, tmp_path: Path) -> None:
    notebook = project.notebook(
        "dice.ipynb",
        "import numpy as np\nimport nbops\nseeded = np.random.default_rng(1).normal(size=5)",
        "drawn = np.random.default_rng().normal(size=5)",
        "nbops.log_metric('near', 1 + 1e-12 * drawn.mean())\nnbops.log_metric('far', drawn.mean())",
    )
    ws = project.ws()
    run = run_notebook(ws, notebook)
    result = reproduce(ws, f"{run.id}/near", keep=tmp_path / "kept")
    assert (result.verdict, result.metric) == (Verdict.WITHIN, "near")
    assert result.first is not None
    assert (result.first.cell, result.first.what, result.first.name) == (2, "data written", "drawn")
    assert result.first.column is None  # an array has none
    assert "unseeded random numbers" in result.first.why
    found = verdicts(result)
    assert found[1, "data written", "seeded"] is Verdict.IDENTICAL
    assert found[3, "metric", "near"] is Verdict.WITHIN
    assert found[3, "metric", "far"] is Verdict.DIFFERENT
    assert (tmp_path / "kept" / "dice.ipynb").is_file()
    assert result.kept == str(tmp_path / "kept")
    with pytest.raises(UsageError, match="not an empty folder"):
        reproduce(ws, run.id, keep=tmp_path / "kept")
    with pytest.raises(UnknownNameError, match="did you mean 'near'"):
        reproduce(ws, f"{run.id}/neer")


def test_a_failure_done_again_is_the_same_and_a_new_failure_is_none(project) -> None:
    notebook = project.notebook(
        "fails.ipynb",
        "from pathlib import Path\nimport nbops\nhere = Path('flag').exists()\nnbops.log_metric('a', 1)",
        "if not here:\n    raise LookupError('no flag')\nraise ValueError('as ever')",
        "nbops.log_metric('never', 1)",
    )
    (project.root / "flag").touch()
    ws = project.ws()
    with pytest.raises(ExecutionError, match="as ever"):
        run_notebook(ws, notebook)
    (run,) = runs.listed(ws.store)
    # whether a file is there is asked without opening it, so nobody knew that it was needed
    result = reproduce(ws, run.id)
    assert result.verdict is Verdict.DIFFERENT
    assert result.first is not None
    assert (result.first.cell, result.first.what) == (2, "outcome")
    assert "ValueError: as ever became LookupError: no flag" in result.first.why

    notebook.write_text(notebook.read_text().replace("raise ValueError('as ever')", "pass"))
    done = run_notebook(ws, notebook)
    fresh = reproduce(ws, done.id)
    assert fresh.verdict is Verdict.COULD_NOT
    assert "LookupError: no flag" in fresh.why
    assert str(project.root) not in fresh.why or "nbops-reproduce" not in fresh.why
    assert verdicts(fresh)[1, "metric", "a"] is Verdict.IDENTICAL


def test_a_session_is_done_again_from_its_cells_in_the_order_they_ran(project) -> None:
    run = project.session(
        ("x = 2", {"params": {"x": 2}}),
        ("y = 1 / (x - 2)", {"execution_count": 4, "status": "error", "error": "ZeroDivisionError: division by zero"}),
        ("z = 3", {"params": {"z": 4}, "execution_count": 5}),  # as if it had come out otherwise then
    )
    result = reproduce(project.ws(), run.id)
    assert [c.line for c in result.cells] == ["x = 2", "y = 1 / (x - 2)", "z = 3"]
    assert [c.verdict for c in result.cells] == [Verdict.IDENTICAL, Verdict.NOT_COMPARED, Verdict.DIFFERENT]
    assert result.first is not None
    assert (result.first.cell, result.first.name, result.first.why) == (3, "z", "4 became 3")
    assert "not tracked, so not done again: cells [2], [3]" in result.notes


def test_code_that_asks_for_a_secret_is_done_again_and_one_that_holds_it_is_not(project) -> None:
    ws = project.ws()
    asks = project.notebook(
        "asks.ipynb",
        "import os\ndef client(token=None):\n    return len(token or '')\n"
        "password = os.environ.get('DB_PASSWORD', '')\nn = client(token=os.environ.get('TOKEN'))",
        "import nbops\nnbops.log_metric('n', n + len(password))",
    )
    assert reproduce(ws, run_notebook(ws, asks).id).verdict is Verdict.IDENTICAL
    holds = project.notebook("holds.ipynb", "# parameters\nkey = ''", "a = 1", "b = 2\npassword = key or 'planted88'")
    run = run_notebook(ws, holds)
    result = reproduce(ws, run.id)
    assert result.verdict is Verdict.COULD_NOT
    assert "the code of cell [3] was not kept whole: line 2 had what looks like a secret; let the cell" in result.why
    kept = records.artifacts(ws.store, run.id, "notebook")[-1].digest
    assert b"planted88" not in ws.artifacts.read_bytes(kept)
    content = json.loads(ws.artifacts.read_bytes(kept))
    content["metadata"]["papermill"]["parameters"] = {"key": "[redacted]"}
    with pytest.raises(NotKeptError, match="the parameter 'key' was not kept"):
        _cleaned(content, {})


def test_what_can_not_be_done_is_said_before_anything_is_executed(project) -> None:
    ws = project.ws()
    secret = project.session(("password = 'hunter2hunter2'", {"kept": "password = '[redacted]'"}))
    assert "looks like a secret" in reproduce(ws, secret.id).why
    mixed = ("token = 1", {"kept": "# [redacted]\ntoken = '[redacted]'\nx = [redacted]"})
    assert (
        "cell [2] was not kept whole: lines 2, 3 had what looks like"
        in reproduce(ws, project.session(("x = 1", {}), mixed).id).why
    )
    commented = project.session(("x = 1  # password='abc'", {"kept": "x = 1  # password='[redacted]'"}))
    assert original(ws, commented.id).data["cells"][0]["source"] == "x = 1  # password='[redacted]'"
    out = FileUse(path="/elsewhere/x.csv", mode="write", digest="f1:blake3:00")
    outside = reproduce(ws, project.session(("x = 1", {"files": (out,)})).id)
    assert outside.verdict is Verdict.COULD_NOT
    assert "it writes /elsewhere/x.csv" in outside.why
    module = project.session(("import gone", {}), detail={"modules": {"gone.py": "a1:blake3:" + "0" * 64}})
    assert "the local module gone.py is gone" in reproduce(ws, module.id).why
    handover = reproduce(ws, project.session(("nbops.input('frame')", {})).id)
    assert "the handed-on value 'frame' is not kept" in handover.why
    assert all(not r.cells for r in (outside, handover))
    for run, said in (
        (project.session(kind=RunKind.SCORE), "only runs of notebooks"),
        (project.session(notebook="train.py"), "the script 'train.py'"),
    ):
        with pytest.raises(UsageError, match=said):
            reproduce(ws, run.id)
    with pytest.raises(UsageError, match="rtol"):
        reproduce(ws, secret.id, rtol=2.0)


@pytest.mark.slow
def test_a_search_and_a_cross_validation_are_reproduced_though_they_keep_how_long_they_took(project) -> None:
    notebook = project.notebook(
        "search.ipynb",
        "import numpy as np, pandas as pd\n"
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.model_selection import GridSearchCV, cross_validate\n"
        "X = np.random.default_rng(0).normal(size=(60, 3))\ny = X[:, 0]",
        "search = GridSearchCV(Ridge(), {'alpha': [0.1, 1.0]}, cv=3).fit(X, y)",
        "cv = cross_validate(Ridge(), X, y, cv=3)\ntable = pd.DataFrame(cv)",
    )
    result = reproduce(project.ws(), run_notebook(project.ws(), notebook).id)
    assert result.verdict is Verdict.IDENTICAL
    found = verdicts(result)
    assert found[2, "metric", "best_score_"] is found[3, "metric", "test_score"] is Verdict.IDENTICAL
    assert found[2, "model", "search"] is Verdict.IDENTICAL
    assert found[3, "data written", "table"] is Verdict.NOT_COMPARED
