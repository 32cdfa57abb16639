"""What the child processes of the kill-point tests do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fitted_runs
import skops.io  # noqa: F401 - imported once, before children are forked

from nbops.core.errors import RefusedError
from nbops.promotion.promote import promote
from nbops.promotion.rollback import rollback

TOML = '[deployments.bikes]\nmodel = "rides"\nmetric = "mae"\n'


def promote_it(root: Path, arguments: Any) -> None:
    promote(fitted_runs.workspace(root, TOML), arguments["run"], name="bikes")


def roll_back(root: Path, arguments: Any) -> None:
    rollback(fitted_runs.workspace(root, TOML), "bikes")


def promote_refused(root: Path, arguments: Any) -> None:
    try:
        promote_it(root, arguments)
    except RefusedError:
        return
    raise AssertionError("it was accepted")
