"""A notebook executed by papermill with every cell tracked: what the tests of verify and doctor look at."""

from __future__ import annotations

import json
from pathlib import Path

from nbops.pipeline.execute import run_notebook
from nbops.workspace import Workspace, open_workspace

CELLS = (
    "%%track\nimport pandas as pd\nimport nbops\ndf = pd.read_csv('in.csv')\nthreshold = 3",
    "%%track small\nnbops.log_metric('rows', float(len(df)))\nfor step in range(3):\n"
    "    nbops.log_metric('loss', 1 / (step + 1), step=step)\nnbops.log_metric('nothing', float('nan'))\n"
    "nbops.log_artifact(b'two rows', 'note.txt')\ndf.to_csv('out.csv', index=False)",
    "df['z'] = 1\ndf.to_csv('out.csv', index=False)",
    "nbops.log_params({f'parameter {i}': 'x' * 190 for i in range(400)})",
)


def notebook(path: Path, *sources: str) -> Path:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(sources)
    ]
    spec = {"name": "python3", "language": "python", "display_name": "python3"}
    text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells})
    path.write_text(text)
    return path


def recorded(root: Path) -> Path:
    """Execute the notebook in `root`; where the executed one is."""
    (root / "nbops.toml").touch()
    (root / "in.csv").write_text("x,y\n1,2\n3,4\n")
    run_notebook(workspace(root), notebook(root / "plain.ipynb", *CELLS), output=root / "executed.ipynb")
    return root / "executed.ipynb"


def workspace(root: Path) -> Workspace:
    return open_workspace(root, environ={}, identity="tester")
