"""A copy of one executed notebook's workspace for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recorded_notebook import recorded


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    patch = pytest.MonkeyPatch()
    for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
        patch.delenv(f"NBOPS_{name}", raising=False)
    recorded(folder)
    patch.undo()
    return folder


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "copy")
    return tmp_path / "copy"
