"""Fixtures every test may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def few_open_files() -> Iterator[None]:
    """Stores that tests let go are closed when garbage is collected, which a process of many tests seldom does by
    itself: select() in jupyter_client's sockets takes no descriptor from 1,024 on."""
    yield
    if len(list(Path("/proc/self/fd").iterdir())) > 300:
        gc.collect()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets."""
    folder = Path(os.environ.get("NBOPS_DATA_DIR") or "../shared/data")
    if not (folder / "bike_hour.csv").exists():
        missing(f"the real data (NBOPS_DATA_DIR={folder})")
    return folder.resolve()
