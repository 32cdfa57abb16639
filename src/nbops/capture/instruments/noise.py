"""Which opened files are the user's business, and which are the machinery's."""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
from pathlib import Path

_PARTS = {
    ".cache",
    ".git",
    ".ipynb_checkpoints",
    ".ipython",
    ".jupyter",
    ".local",
    ".matplotlib",
    ".nbops",
    ".venv",
    "__pycache__",
    "dist-packages",
    "node_modules",
    "site-packages",
}
_CODE = (".py", ".pyc", ".pyi", ".pyd", ".so", ".dylib", ".dll", ".pth")
_FONTS = re.compile(r"/fontlist-v[\d.]+\.json$")  # matplotlib's cache, wherever MPLCONFIGDIR says
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/run/", "/opt/lib/")


@functools.cache
def _prefixes() -> tuple[str, ...]:
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__)}  # noqa: PTH120
    return (*(p.rstrip(os.sep) + os.sep for p in own), *_SYSTEM)


# Asked here, once: tempfile opens a file to find its folder, under a lock. Asking from within the audit event of
# that very open would wait for the lock forever (the first cell of a kernel does that).
_FOLDER = tempfile.gettempdir()
_TEMPORARY = tuple({_FOLDER.rstrip(os.sep) + os.sep, str(Path(_FOLDER).resolve()).rstrip(os.sep) + os.sep})


_OURS = str(Path(__file__).parents[2]) + os.sep


def is_noise(path: str, root: str, home: str) -> bool:
    """Code, system files, packages, caches, the store itself (`home`). Below the workspace's `root` only what is
    hidden machinery there counts as noise."""
    if path.endswith(_CODE) or path.startswith((home, _OURS)) or path == root + "nbops.toml":
        return True
    if _FONTS.search(path):
        return True
    below = path.startswith(root)
    inner = path[len(root) :] if below else path
    if not below and path.startswith(_prefixes()):
        return True
    return not _PARTS.isdisjoint(Path(inner).parts)


def is_temporary(path: str, root: str) -> bool:
    """In the folder for temporary files, and not in a workspace there."""
    return path.startswith(_TEMPORARY) and not path.startswith(root)
