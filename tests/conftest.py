"""Fixtures every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from needs import missing
from postgres_server import postgres_server as postgres_server  # a fixture

# A shell that starts the tests in the background lets them, and all that they start, ignore interrupts: then a test of
# Ctrl-C waits for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow: that is no finding about the code.
settings.register_profile("nbops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nbops")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets."""
    folder = Path(os.environ.get("NBOPS_DATA_DIR") or "../shared/data")
    if not (folder / "bike_hour.csv").exists():
        missing(f"the real data (NBOPS_DATA_DIR={folder})")
    return folder.resolve()
