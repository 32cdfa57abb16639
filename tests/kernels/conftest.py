"""One zygote for all tests here; the zygotes of this process are gone when they have run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops.core.runs import Run
from nbops.kernels import parents
from nbops.pipeline.execute import run_notebook
from nbops.workspace import open_workspace

if not parents.possible():
    pytest.skip("kernels are forked on Linux only", allow_module_level=True)


@pytest.fixture(scope="session", autouse=True)
def zygotes_end() -> Iterator[None]:
    yield
    parents.stop()


@pytest.fixture(autouse=True)
def room_for_parents() -> None:
    """A process has at most four parents, and those of other tests' environments may be alive: a test may need two."""
    if sum(parent.alive for parent in parents._Process.parents.values()) > parents.MOST - 2:
        parents.stop()


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Run, list[list[Any]]]]:
    """Execute cells in a kernel of their own; return the run and each cell's outputs, without ours."""
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)
    (tmp_path / "nbops.toml").touch()

    def run(*cells: str, **how: Any) -> tuple[Run, list[list[Any]]]:
        notebook = tmp_path / f"n{len(list(tmp_path.iterdir()))}.ipynb"
        body = [
            {"cell_type": "code", "id": f"c{i}", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
            for i, s in enumerate(cells)
        ]
        spec = {"name": "python3", "language": "python", "display_name": "python3"}
        notebook.write_text(
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body})
        )
        done = run_notebook(open_workspace(tmp_path), notebook, **{"warm": True, **how})
        executed = json.loads((tmp_path / done.detail["executed"]).read_text())["cells"]
        return done, [_whole(cell["outputs"]) for cell in executed]

    return run


def _whole(outputs: list[Any]) -> list[Any]:
    """Outputs without ours; a text that came in two parts, as a busy machine sends it, is one."""
    found: list[Any] = []
    for output in outputs:
        if "application/vnd.nbops.record.v1+json" in output.get("data", {}):
            continue
        if output["output_type"] == "stream":
            output = {**output, "text": "".join(output["text"])}
            if found and found[-1].get("name") == output["name"]:
                found[-1]["text"] += output["text"]
                continue
        found.append(output)
    return found
