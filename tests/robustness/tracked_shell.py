"""A real IPython shell with nbops in it, and acts on it for child processes.

An act is a function of a folder and JSON arguments; :func:`in_child` runs it in a fresh process and gives back what it
returns. `kill_points` runs the same acts.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd  # noqa: F401 - imported once, before children are forked
import skops.io  # noqa: F401
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from sklearn.linear_model import LinearRegression  # noqa: F401
from traitlets.config import Config

MIME = "application/vnd.nbops.record.v1+json"

mpl.use("agg")


class TrackedShell:
    """The shell; its working directory is `root`, whose workspace it tracks into."""

    def __init__(self, root: Path) -> None:
        os.chdir(root)
        if not any((folder / "nbops.toml").exists() for folder in (root, root.parent)):
            (root / "nbops.toml").touch()
        quiet = Config()
        quiet.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=quiet)
        self.shell.display_pub = CapturingDisplayPublisher()
        self.shell.run_line_magic("load_ext", "nbops")

    def run(self, code: str) -> dict[str, Any]:
        """What became of a cell: the name of its error, and the bundles it showed."""
        self.shell.display_pub.outputs.clear()
        result = self.shell.run_cell(code, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        return {
            "error": type(error).__name__ if error else None,
            "value": result.result if isinstance(result.result, (str, int, float, list)) else None,
            "shown": [output["data"] for output in self.shell.display_pub.outputs],
        }

    def say(self, code: str) -> str:
        """The text of the last thing that a cell showed; the cell must have succeeded."""
        done = self.run(code)
        assert done["error"] is None, done
        return done["shown"][-1]["text/plain"] if done["shown"] else ""

    def leave(self) -> None:
        self.shell.run_line_magic("unload_ext", "nbops")


def in_child(target: str, root: Path, arguments: Any = None, *, env: dict[str, str] | None = None) -> Any:
    """Run ``module:function`` of this folder on `root` in a fresh process; return what it returns."""
    answer = root.parent / f"{root.name}-{target.replace(':', '-')}.json"
    done = subprocess.run(
        [sys.executable, __file__, target, str(root), json.dumps(arguments), str(answer)],
        env=environment() | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(answer.read_text())


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("NBOPS_")}


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    act = getattr(importlib.import_module(module), name)
    with Path(sys.argv[4]).open("w") as answer:  # opened before the act may give up its rights
        json.dump(act(Path(sys.argv[2]), json.loads(sys.argv[3])), answer)
