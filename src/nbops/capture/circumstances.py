"""What a session's result stands on beside its cells: local modules as they were loaded, every installed package, and
the notebook's (or script's) text as it was saved.

Kept with the session's run, once and again when it has changed, and bounded: nothing here may take longer than a cell.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.capture.reach import is_local
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact
from nbops.notebook.code_secrets import redact_code
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace, relative

_MOST_MODULES = 200
_MOST_BYTES = 5_000_000
_INSTALLED = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:dist|egg)-info")


class Circumstances:
    """One per session. `changed` gives what is new since it was last asked."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stamps: dict[str, tuple[int, int]] = {}
        self._count = 0
        self._loaded: dict[str, str] = {}  # module → file
        self._frozen = False
        self.modules: dict[str, str] = {}
        """{path of a local module's file: digest}, as last seen."""

    def changed(self, notebook: Path | None, *, step: bool = False) -> list[Artifact]:
        """Artifacts of what is there now and was not, or not so, before. Of a pipeline's `step` the engine has kept
        notebook and modules."""
        found = [] if step else self._of_modules()
        if notebook is not None and not step and self._is_new(str(notebook)):
            kept = self._script(notebook) if notebook.suffix == ".py" else self._snapshot(notebook)
            found += [kept] if kept is not None else []
        if not self._frozen:
            self._frozen = True
            text = "".join(f"{name}=={version}\n" for name, version in installed().items())
            found.append(self._keep(text.encode(), "requirements.txt", "environment", "text/plain"))
        return found

    def _of_modules(self) -> list[Artifact]:
        if len(sys.modules) != self._count:
            self._count = len(sys.modules)
            self._loaded = {
                name: file
                for name, module in sys.modules.copy().items()
                if name != "__main__" and is_local(name) and (file := _file(module)) is not None
            }
        found = []
        for file in list(dict.fromkeys(self._loaded.values()))[:_MOST_MODULES]:
            if not self._is_new(file):
                continue
            path = Path(file)
            try:
                content = path.read_bytes()
            except OSError:
                continue
            name, text = relative(self._workspace, path), content.decode("utf-8", "replace")
            if redact_code(text) == text:
                found.append(self._keep(content, name, "module", "text/x-python"))
                self.modules[name] = found[-1].digest
            else:  # code with a hole in it is no code: the digest alone is known
                self.modules[name] = digest_of(path)
        return found

    def _is_new(self, path: str) -> bool:
        try:
            known = os.stat(path)  # noqa: PTH116 - asked for each local module after each cell
        except OSError:
            return False
        stamp = (known.st_size, known.st_mtime_ns)
        if known.st_size > _MOST_BYTES or self._stamps.get(path) == stamp:
            return False
        self._stamps[path] = stamp
        return True

    def _snapshot(self, notebook: Path) -> Artifact | None:
        """The notebook as last saved, without outputs, redacted."""
        try:
            plain = json.loads(notebook.read_bytes())
            for cell in plain["cells"]:
                text = "".join(cell["source"])
                cell["source"] = redact_code(text) if cell["cell_type"] == "code" else redact_text(text)
                cell.pop("attachments", None)
                if "outputs" in cell:
                    cell["outputs"] = []
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # no notebook, or one being written
            return None
        content = json.dumps(plain, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        return self._keep(content, notebook.name, "snapshot", "application/x-ipynb+json")

    def _script(self, script: Path) -> Artifact | None:
        """The text that a script's blocks are from, redacted."""
        try:
            text = script.read_bytes().decode("utf-8", "replace")
        except OSError:
            return None
        return self._keep(redact_code(text).encode("utf-8", "replace"), script.name, "source", "text/x-python")

    def _keep(self, content: bytes, name: str, kind: str, media: str) -> Artifact:
        digest = self._workspace.artifacts.put_bytes(content)
        return Artifact(name=name, kind=kind, digest=digest, size=len(content), media=media)


def installed() -> dict[str, str]:
    """{distribution: version} of everything installed, by the names of the folders that say so: asking each one's
    metadata would take a hundred times as long."""
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208
        except OSError:
            continue
        for entry in entries:
            match = _INSTALLED.fullmatch(entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.setdefault(name, match["version"])
    return dict(sorted(found.items()))


def detail_of(modules: Mapping[str, str]) -> dict[str, Any]:
    """What a run's detail says of them."""
    return {"modules": dict(sorted(modules.items()))} if modules else {}


def _file(module: Any) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None
