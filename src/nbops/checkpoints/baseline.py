"""How the kernel was when it started. Apart, because it is asked of every kernel: it imports nothing."""

from __future__ import annotations

import os
import sys


class Baseline:
    environment: dict[str, str] = {}  # noqa: RUF012
    modules: frozenset[str] = frozenset()


def begin() -> bool:
    """The kernel is as it was started: what changes from now on is the notebook's doing."""
    Baseline.environment = dict(os.environ)
    Baseline.modules = frozenset(sys.modules)
    return True
