"""Notebooks that do their worst, as steps of one pipeline: each is said for what it is, and harms no other."""

from __future__ import annotations

import json
import re

import pytest

from nbops.core.errors import ExecutionError, NotebookError, ParameterError
from nbops.core.runs import RunKind
from nbops.pipeline.output_limit import LIMIT, OutputLimit
from nbops.pipeline.run import run_pipeline
from nbops.store import runs

BAD = {
    "asks": ("input('name? ')", "StdinNotImplementedError: raw_input was called"),
    "exits": ("import os\nos._exit(3)", "its kernel died"),
    "eats": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\nx = bytearray(8 << 30)",
        "MemoryError",
    ),
    "endless": ("while True:\n    pass", r"not done after 3 s \(its timeout_s\)"),
    "wanders": ("import os\nos.chdir('/')", None),
    "prints": (
        "import os\nopen('here', 'w').write(os.getcwd())\nfor _ in range(23):\n    print('x' * 1_000_000)\n1 / 0",
        "ZeroDivisionError",
    ),
}


def test_each_fails_for_its_own_reason_and_the_next_one_runs(project, texts):
    lines = []
    for name, (cell, _) in BAD.items():
        project.notebook(f"{name}.ipynb", cell)
        lines.append(f'[pipelines.main.steps.{name}]\nnotebook = "{name}.ipynb"')
        if name == "endless":
            lines.append("timeout_s = 3")
    project.toml("\n".join(lines))
    with pytest.raises(ExecutionError) as caught:
        run_pipeline(project.ws())
    (run,) = runs.listed(project.ws().store, kinds=[RunKind.PIPELINE])
    steps = run.detail["steps"]
    assert {s: how["status"] for s, how in steps.items()} == {
        name: "FAILED" if why else "COMPLETED" for name, (_, why) in BAD.items()
    }
    for name, (_, why) in BAD.items():
        if why:
            assert re.search(why, steps[name]["why"]), steps[name]
            assert f"step {name!r}" in str(caught.value)
    assert (project.root / "here").read_text() == str(project.root), "nobody's folder was changed for it"
    (prints,) = [r for r in runs.children(project.ws().store, run.id) if r.name == "prints"]
    executed = project.root / prints.detail["executed"]
    said = texts(executed)
    assert said.startswith("xxx")
    assert said.endswith("the rest is not kept\n")
    assert LIMIT - 300 <= len(said) <= LIMIT + 200
    assert "ZeroDivisionError" in json.dumps(json.loads(executed.read_text())["cells"][0]["outputs"][-1])


def test_the_limit_counts_one_cell_and_begins_anew_when_it_clears() -> None:
    def stream(text: str) -> dict:
        return {"msg_type": "stream", "header": {"msg_type": "stream"}, "content": {"name": "stdout", "text": text}}

    limit = OutputLimit(10)
    assert limit.takes([], stream("12345"))
    last = stream("67890abc")
    assert limit.takes(["an output"], last)
    assert last["content"]["text"].startswith("67890\n… nbops: this cell put out more than 10 characters")
    assert not limit.takes(["an output"], stream("more"))
    error = {
        "msg_type": "error",
        "header": {"msg_type": "error"},
        "content": {"ename": "E", "evalue": "", "traceback": []},
    }
    assert limit.takes(["an output"], error), "how it ended is always kept"
    assert limit.takes([], stream("a new cell"))
    picture = {
        "msg_type": "display_data",
        "header": {"msg_type": "display_data"},
        "content": {"data": {"image/png": "x" * 99}},
    }
    assert OutputLimit(10).takes([], picture)
    assert picture["msg_type"] == "stream"


def test_before_anything_runs(project):
    toml = '[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n[pipelines.main.steps.b]\nnotebook = "b.ipynb"\n'
    project.toml(toml)
    project.notebook("a.ipynb", "open('ran', 'w')")
    with pytest.raises(NotebookError, match=r"step 'b': there is no notebook 'b.ipynb'"):
        run_pipeline(project.ws())
    project.notebook("b.ipynb", "# parameters\nx = = 1")
    with pytest.raises(ParameterError, match=r"the parameters cell of .*b\.ipynb.* isn't valid Python: line 2"):
        run_pipeline(project.ws())
    project.notebook("b.ipynb", "1").write_text('{"cells": ')
    with pytest.raises(NotebookError, match="not JSON at line 1"):
        run_pipeline(project.ws())
    assert not (project.root / "ran").exists()
    assert not project.ws().store.exists()
