"""A small project in a temporary folder: notebooks written cell by cell, an nbops.toml, its workspace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nbops.core.runs import Run
from nbops.pipeline.progress import StepEvent
from nbops.pipeline.run import run_pipeline
from nbops.workspace import Workspace, open_workspace


@dataclass(frozen=True)
class Project:
    root: Path

    def notebook(self, name: str, *cells: str, kernel: str = "python3", language: str = "python") -> Path:
        """A cell beginning with ``# parameters`` gets that tag; one beginning with ``# raises`` may raise."""
        tags = {"# parameters": ["parameters"], "# raises": ["raises-exception"]}
        body = [
            {
                "cell_type": "code",
                "id": f"cell{i}",
                "source": source,
                "metadata": {"tags": tags.get(source.splitlines()[0], []) if source else []},
                "outputs": [],
                "execution_count": None,
            }
            for i, source in enumerate(cells)
        ]
        spec = {"name": kernel, "language": language, "display_name": kernel}
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": body})
        )
        return path

    def toml(self, text: str) -> None:
        (self.root / "nbops.toml").write_text(text)

    def ws(self) -> Workspace:
        return open_workspace(self.root)

    def run(self, **how: Any) -> tuple[Run, dict[str, StepEvent]]:
        """Run the pipeline; return its run, and the last news of each step."""
        last: dict[str, StepEvent] = {}
        done = run_pipeline(self.ws(), progress=lambda e: last.__setitem__(e.step, e), **how)
        return done, last


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return _empty(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def one_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One for all tests of a file."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield _empty(tmp_path_factory.mktemp("project"), monkeypatch)


def _empty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        monkeypatch.delenv(f"NBOPS_{name}", raising=False)
    (folder / "nbops.toml").write_text("")
    return Project(folder)


@pytest.fixture
def texts() -> Callable[[Path], str]:
    """All stream output of an executed notebook."""

    def read(path: Path) -> str:
        cells = json.loads(path.read_text())["cells"]
        outputs = [o for c in cells for o in c.get("outputs", ()) if o["output_type"] == "stream"]
        return "".join(line for o in outputs for line in o["text"])

    return read
