"""Projects in temporary folders: the bikes' training notebook on real data, notebooks written cell by cell."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bike_months import months_of

from nbops.core.canonical import digest
from nbops.core.ids import new_id
from nbops.core.runs import CellRecord, CellStatus, Run, RunKind, RunStatus
from nbops.pipeline.execute import run_notebook
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

EXAMPLE = Path(__file__).parents[2] / "example_notebooks" / "bikes" / "train.ipynb"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _no_workspace_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "STORE", "ARTIFACTS", "RUN_ID", "NOTEBOOK", "INPUTS", "DISABLED"):
            patch.delenv(f"NBOPS_{name}", raising=False)
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        yield


@dataclass(frozen=True)
class Bikes:
    """The bikes' training notebook, run once on two months."""

    root: Path
    run: Run

    def ws(self) -> Workspace:
        return open_workspace(self.root)

    def copy(self, root: Path, *, store: bool = True) -> Bikes:
        """The project, to be spoilt."""
        shutil.copytree(self.root, root, ignore=None if store else shutil.ignore_patterns(".nbops"))
        return Bikes(root, self.run)


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Bikes:
    root = tmp_path_factory.mktemp("bikes") / "project"
    (root / "data").mkdir(parents=True)
    (root / "nbops.toml").write_text("[store]\nkeep_under_mb = 0.0\n")  # inputs are fingerprinted, not kept
    shutil.copy(EXAMPLE, root / "train.ipynb")
    months_of(data_dir, "2011-03", "2011-04").to_parquet(root / "data" / "training.parquet")
    ws = open_workspace(root)
    run = run_notebook(ws, root / "train.ipynb", params={"max_iter": 20})
    ws.store.close()
    return Bikes(root, run)


@dataclass(frozen=True)
class Project:
    root: Path

    def notebook(self, name: str, *cells: str) -> Path:
        """A cell beginning with ``# parameters`` gets that tag."""
        body = [
            {
                "cell_type": "code",
                "id": f"cell{i}",
                "source": source,
                "metadata": {"tags": ["parameters"]} if source.startswith("# parameters") else {},
                "outputs": [],
                "execution_count": None,
            }
            for i, source in enumerate(cells)
        ]
        spec = {"name": "python3", "language": "python", "display_name": "python3"}
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

    def session(self, *cells: tuple[str, dict[str, Any]], **about: Any) -> Run:
        """A session in the store as capture would have left it: each cell's text, and what its record holds."""
        ws = self.ws()
        run = Run(
            id=new_id(),
            kind=RunKind.SESSION,
            name="explore",
            experiment="explore.ipynb",
            status=RunStatus.COMPLETED,
            started_at=BEGAN,
            ended_at=BEGAN,
            notebook="explore.ipynb",
        )
        run = dataclasses.replace(run, **about)
        with ws.store.transaction() as tx:
            runs.save(tx, run)
            for seq, (source, holds) in enumerate(cells):
                text = holds.pop("kept", source)
                record = CellRecord(
                    run=run.id,
                    seq=seq,
                    cell_id=f"c{seq}",
                    source=digest(source),
                    execution_count=seq + 1,
                    status=CellStatus.OK,
                    started_at=BEGAN,
                )
                records.add(tx, dataclasses.replace(record, **holds), cell_text=text)
        ws.store.close()
        return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "nbops.toml").write_text("")
    return Project(tmp_path)
