"""What the code of a step is: its notebook, the local modules it runs, and what its text says it depends on besides.

To know it, every cell and module is parsed, which for 500 steps takes seconds. Bytes that are the same say the same:
what a run has kept of it stands as long as its files have their bytes and no module has come or gone beside them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.core.canonical import digest
from nbops.core.runs import Run
from nbops.notebook import code, files
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace, relative

WORDS = {
    "url": "a URL",
    "database": "a database",
    "clock": "the time of day",
    "random": "unseeded random numbers",
}


@dataclass(frozen=True, kw_only=True)
class CodeText:
    """`code` and `modules` are digests of what the files say, by path, `raw` those of their bytes; `listing` is a
    digest of the names in the folders that modules are looked for in. `outside` says what the text depends on besides
    its files, empty if nothing."""

    code: Mapping[str, str]
    modules: Mapping[str, str]
    outside: str
    raw: Mapping[str, str]
    listing: str

    def kept(self) -> dict[str, Any]:
        """What a run keeps beside the parts of its key."""
        return {"raw": dict(self.raw), "listing": self.listing, "outside": self.outside}


def code_text(ws: Workspace, read: files.Notebook, known: CodeText | None) -> CodeText:
    """The code of a notebook that was just read; `known` is what was known of it earlier."""
    if known is not None and _the_same(ws, read.path, known):
        return known
    modules = code.local_modules(read, read.path.absolute().parent, ws.root)
    notebook = relative(ws, read.path)
    return CodeText(
        code={notebook: code.notebook_code_digest(read)},
        modules={relative(ws, path): _said(path) for path in modules},
        outside=_outside(ws, read, modules),
        raw={relative(ws, path): digest_of(path) for path in (read.path, *modules)},
        listing=_listing(ws, read.path, modules),
    )


def of_run(run: Run) -> CodeText | None:
    """What a completed run has kept of its code."""
    cache = run.detail.get("cache") or {}
    text, parts = cache.get("text"), cache.get("parts", {})
    if text is None:
        return None
    return CodeText(
        code=parts["code"],
        modules=parts["modules"],
        outside=text["outside"],
        raw=text["raw"],
        listing=text["listing"],
    )


def _the_same(ws: Workspace, notebook: Path, known: CodeText) -> bool:
    if relative(ws, notebook) not in known.raw:
        return False
    for path, raw in known.raw.items():
        file = ws.root / path
        if not file.is_file() or digest_of(file) != raw:
            return False
    return _listing(ws, notebook, [ws.root / path for path in known.modules]) == known.listing


def _listing(ws: Workspace, notebook: Path, modules: Iterable[Path]) -> str:
    """Names of modules and folders in every folder that an import might have been looked for in."""
    folders = {notebook.absolute().parent, ws.root, ws.root / "src", *(path.parent for path in modules)}
    return digest({relative(ws, folder): _names(folder) for folder in sorted(folders)})


_NAMES: dict[Path, tuple[int, list[str]]] = {}
SETTLED_S = 1.0
"""A folder's time of change tells that nothing came or went since, once it is older than the clock's step."""


def _names(folder: Path) -> list[str]:
    try:
        changed = folder.stat().st_mtime_ns
        if _NAMES.get(folder, (0, []))[0] == changed:
            return _NAMES[folder][1]
        with os.scandir(folder) as entries:
            found = sorted(
                e.name
                for e in entries
                if e.name.endswith(".py") or (e.name[:1] not in "._" and "." not in e.name and e.is_dir())
            )
    except OSError:
        return []
    if time.time() - changed / 1e9 > SETTLED_S:
        _NAMES[folder] = changed, found
    return found


def _outside(ws: Workspace, read: files.Notebook, modules: Iterable[Path]) -> str:
    for hint in code.reads_outside(read):
        return f"cell {hint.cell + 1} uses {WORDS.get(hint.reason, hint.reason)} ({hint.what})"
    for path in modules:
        if path.suffix == ".py":
            for hint in code.reads_outside(path.read_text(encoding="utf-8", errors="replace")):
                where = f"{relative(ws, path)}, line {hint.line},"
                return f"{where} uses {WORDS.get(hint.reason, hint.reason)} ({hint.what})"
    return ""


def _said(path: Path) -> str:
    """What a file of code says: a comment changes nothing in a Python file."""
    if path.suffix == ".py":
        return code.code_digest(path.read_text(encoding="utf-8", errors="replace"))
    if path.suffix == ".ipynb":
        return code.notebook_code_digest(files.read(path))
    return digest_of(path)
