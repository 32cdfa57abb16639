"""One JupyterLab and one Chromium for all tests of this folder. They end with the folder's last test: Playwright keeps
this thread's event loop, and tests elsewhere need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.running_lab import CHROMIUM, Lab, running_browser, running_lab
from needs import missing


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    _needs_chromium()
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")  # Playwright keeps this thread's event loop running: no longer than needed
def browser() -> Iterator[Any]:
    _needs_chromium()
    with running_browser() as running:
        yield running


def _needs_chromium() -> None:
    if not Path(CHROMIUM).exists():
        missing("Chromium")
