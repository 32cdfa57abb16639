"""What a test needs of its machine: without it, it skips and says so loudly; where everything is required, it fails."""

from __future__ import annotations

import os

import pytest


def missing(what: str) -> None:
    """Skip the calling test because of `what`; fail it where NBOPS_REQUIRE_ALL=1 (in CI)."""
    if os.environ.get("NBOPS_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is missing and NBOPS_REQUIRE_ALL=1")
    pytest.skip(f"SKIPPED, NOT CHECKED: {what} is missing")
