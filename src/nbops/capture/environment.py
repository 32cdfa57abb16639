"""Under which circumstances a session runs: the code's commit, Python, the imported packages, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "PYTHONHASHSEED",
    "TZ",
)
"""Environment variables that change results: the order of sums, of sets, of local times."""
_GIT_TIMEOUT_S = 2.0
_STANDARD = frozenset(sys.stdlib_module_names) | {"__main__", "__mp_main__"}


def code_state(folder: Path) -> dict[str, Any]:
    """``{"commit", "dirty", "diff"}`` of the git work tree around a folder; empty where there is none.

    `diff` is ``sha256:<hex>`` of ``git diff HEAD``, None where nothing is changed."""
    places = (folder.resolve() / "x").parents
    if "GIT_DIR" not in os.environ and not any((place / ".git").exists() for place in places):
        return {}  # git itself takes 5 ms to say so
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    diff = _git(folder, "diff", "--no-ext-diff", "--binary", "HEAD")
    state: dict[str, Any] = {"commit": commit.decode("ascii", "replace").strip()}
    if diff is None:  # a repository too large to ask within the time a first cell may take
        return state | {"dirty": None, "diff": None}
    return state | {"dirty": bool(diff), "diff": f"sha256:{hashlib.sha256(diff).hexdigest()}" if diff else None}


def environment() -> dict[str, Any]:
    """Python, machine, and the packages imported so far with their versions."""
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "processors": os.cpu_count() or 0,
        },
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """{top-level package: version} of what is imported and isn't the standard library's.

    A package that says no version of its own is looked up among the installed distributions of its name."""
    found = {}
    for name in sorted({module.partition(".")[0] for module in sys.modules.copy()} - _STANDARD):
        if name.startswith("_"):
            continue
        module = sys.modules.get(name)
        version = getattr(module, "__dict__", {}).get("__version__")  # no getattr: some packages warn in it
        if not isinstance(version, str):
            if getattr(module, "__spec__", None) is None:
                continue
            version = _installed(name)
        if version:
            found[name] = version
    return found


_versions: dict[str, str | None] = {}


def _installed(name: str) -> str | None:
    if name not in _versions:
        from importlib import metadata

        try:
            _versions[name] = metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            _versions[name] = None
    return _versions[name]


def peak_memory_mb() -> float | None:
    """The most memory this process has had resident so far, in MB; None where the system doesn't tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
