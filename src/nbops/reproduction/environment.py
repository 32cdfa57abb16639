"""The packages a run had, and an environment that has them.

What is built lies over the installed one: a venv that holds only what has another version, and sees everything else
where it is. So it takes seconds where a full one takes minutes, our own package is in it as it is, and it has every
recorded version by construction. It stays in the store's folder under the digest of what is in it, and is used again.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nbops.core.canonical import digest
from nbops.core.errors import ExecutionError
from nbops.core.redaction import redact_text
from nbops.core.reproduction import EnvironmentChange
from nbops.core.runs import Run
from nbops.workspace import Workspace

FOLDER = "environments"
KERNEL = "nbops-reproduce"
_OURS = "nbops"
_PROBE_S = 300.0
_INSTALL_S = 1800.0
# Imports what a run had imported, and says its versions the way they were taken then.
_PROBE = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except Exception:
        pass
from nbops.capture.environment import packages
print("\\n" + json.dumps(packages()))
"""


@dataclass(frozen=True, kw_only=True)
class Built:
    """An environment in `folder`: what it has other than the installed one. `folder` is None if that is nothing."""

    folder: Path | None
    versions: Mapping[str, str]

    @contextmanager
    def kernel(self) -> Iterator[str | None]:
        """The name of its kernel, findable while this lasts; None for the installed environment's own."""
        if self.folder is None:
            yield None
            return
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join([str(self.folder / "share" / "jupyter"), *filter(None, [before])])
        try:
            yield KERNEL
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def changes(then: Run | None, now: Run | None) -> tuple[EnvironmentChange, ...]:
    """Python, the processors, and the packages that both have imported, where they differ."""
    if then is None or now is None:
        return ()
    mine, theirs = _versions(then), _versions(now)
    return tuple(
        EnvironmentChange(name=name, then=version, now=theirs[name])
        for name, version in mine.items()
        if name in theirs and theirs[name] != version
    )


def not_installed(then: Run | None, imported: Collection[str]) -> tuple[EnvironmentChange, ...]:
    """Packages that a run had and its notebook imports, and that can't be imported here."""
    packages = then.environment.get("packages", {}) if then else {}
    gone = [name for name in packages if name in imported and not _found(name)]
    return tuple(EnvironmentChange(name=name, then=packages[name], now="not installed") for name in gone)


def build(ws: Workspace, then: Run | None, *, local: Collection[str] = (), imported: Collection[str] = ()) -> Built:
    """An environment with the versions that a run had, from the cache or made now.

    Parameters
    ----------
    local : collection of str
        Packages that are the workspace's own: what a registry has under their names is something else.
    imported : collection of str
        Packages that the notebook's text imports. Of the others only those are asked for that are installed here:
        what was imported may be a part of another package, and is nothing to ask a registry for by its bare name.

    Raises
    ------
    ExecutionError
        If it isn't known which these were, or something can't be installed; the sentence says what.
    """
    if then is None or not then.environment.get("packages"):
        raise ExecutionError("the environment can't be built: which packages it ran with isn't known")
    was, here = str(then.environment.get("python", "")), platform.python_version()
    if was and was.split(".")[:2] != here.split(".")[:2]:
        raise ExecutionError(
            f"the environment can't be built: it ran on Python {was}, this is {here};"
            f" install nbops for Python {'.'.join(was.split('.')[:2])} and do it again with that"
        )
    from importlib.metadata import packages_distributions

    asked = {*packages_distributions(), *imported} - {_OURS, *local}
    return overlay(ws, {name: version for name, version in then.environment["packages"].items() if name in asked})


def overlay(ws: Workspace, wanted: Mapping[str, str]) -> Built:
    """The installed environment with these versions of these packages (by the names they are imported by)."""
    now = _probed(list(wanted))
    other = {name: version for name, version in wanted.items() if now.get(name) != version}
    if not other:
        return Built(folder=None, versions={})
    locked = {_distribution(name): version for name, version in sorted(other.items())}
    key = digest(json.dumps([sys.version, sys.prefix, locked])).rpartition(":")[2][:24]
    folder = ws.home / FOLDER / key
    if not folder.is_dir():
        beside = folder.with_name(f".{key}.{secrets.token_hex(4)}.tmp")
        try:
            _make(beside, locked)
            _kernel_spec(beside, folder)
            beside.rename(folder)
        except OSError as error:
            if not folder.is_dir():  # else another process was faster
                raise ExecutionError(f"the environment can't be built in {folder}: {error}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return Built(folder=folder, versions=locked)


def _make(folder: Path, locked: Mapping[str, str]) -> None:
    uv = shutil.which("uv")
    folder.parent.mkdir(parents=True, exist_ok=True)
    venv.create(folder, with_pip=uv is None, symlinks=os.name != "nt")
    python = _python(folder)
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    asked = [f"{name}=={version}" for name, version in locked.items()]
    # without what they depend on: the rest of the recorded versions is what they ran with, and is there already
    done = _run([*install, "--no-deps", *asked], _INSTALL_S)
    if done.returncode:
        said = redact_text(_last(done.stderr) or _last(done.stdout) or f"exit code {done.returncode}")
        raise ExecutionError(
            f"the environment can't be built: {', '.join(asked)} could not be installed"
            f" ({'uv' if uv else 'pip'}: {said})"
        )
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    packages = next(folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")
    (packages / "zz_nbops_installed.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _kernel_spec(made: Path, final: Path) -> None:
    spec = {
        "argv": [str(_python(final)), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "nbops reproduce",
        "language": "python",
    }
    place = made / "share" / "jupyter" / "kernels" / KERNEL
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def _probed(names: list[str]) -> dict[str, str]:
    done = _run([sys.executable, "-c", _PROBE, json.dumps(names)], _PROBE_S)
    try:
        found: dict[str, str] = json.loads(_last(done.stdout))
    except ValueError:
        raise ExecutionError(
            f"the environment can't be built: the installed versions can't be asked for ({_last(done.stderr)})"
        ) from None
    return found


def _run(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExecutionError(f"the environment can't be built: {error}") from error


def _distribution(name: str) -> str:
    """What a package is installed as: ``scikit-learn`` for ``sklearn``."""
    from importlib.metadata import packages_distributions

    return packages_distributions().get(name, [name])[0]


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _versions(run: Run) -> dict[str, str]:
    known = run.environment
    said = {"Python": known.get("python"), "processors": (known.get("machine") or {}).get("processors")}
    return {k: str(v) for k, v in said.items() if v} | dict(known.get("packages", {}))


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
