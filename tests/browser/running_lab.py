"""A real JupyterLab in a folder of its own, and a real Chromium: started, waited for, ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_process import started

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, the folder it serves, its environment, its process."""

    url: str
    token: str
    root: Path
    environ: dict[str, str]
    pid: int


@contextmanager
def running_lab(base: Path) -> Iterator[Lab]:
    """JupyterLab (and Notebook 7) serving ``base/root``; nothing of the user's own configuration is read or written."""
    root = base / "root"
    root.mkdir()
    (root / "nbops.toml").touch()
    settings = base / "settings"
    toast = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    toast.parent.mkdir(parents=True)
    toast.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    words = ["--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"]
    words += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    own = {"JUPYTERLAB_SETTINGS_DIR": str(settings), "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces")}
    server = started("jupyterlab", base, root, *words, environ=own)
    try:
        yield Lab(url=server.url, token=server.token, root=root, environ=server.environ, pid=server.process.pid)
    finally:
        server.end()


@contextmanager
def running_browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()
