"""What whoever calls nbops from outside must be told: where the program is, and which store is meant."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from nbops.core.redaction import redact_text

PASSED_ON = ("NBOPS_HOME", "NBOPS_STORE", "NBOPS_ARTIFACTS", "NBOPS_IDENTITY")
"""What says which store is meant: it is written into the files, since the caller's environment has none of it."""


def program() -> str:
    """The console script that belongs to this Python."""
    beside = Path(sys.executable).with_name("nbops")
    return str(beside if beside.exists() else shutil.which("nbops") or "nbops")


def variables(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    return [(name, environ[name]) for name in PASSED_ON if environ.get(name)]


def secrets(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The variables whose values look like secrets."""
    return [name for name, value in variables(environ) if redact_text(value) != value]
