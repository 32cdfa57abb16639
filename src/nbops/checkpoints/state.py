"""In the kernel: its state between two cells, kept and put back. The runner asks, in silent requests: no cell is
counted, and no name is bound in the notebook's namespace.

Kept are the namespace, the random states of ``random`` and NumPy, folder, ``sys.path``, changes of the environment,
the options of pandas, NumPy, matplotlib, scikit-learn, the filters of ``warnings``, and which modules were imported.
Not kept: what else a module holds (an attribute that was patched into it), ``Out`` and ``_``.
"""

from __future__ import annotations

import importlib
import os
import pickle
import random
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cloudpickle

from nbops.checkpoints import folder as folders
from nbops.checkpoints.baseline import Baseline
from nbops.checkpoints.folder import Boundary
from nbops.checkpoints.pickling import TooLargeError, dump, load
from nbops.core.redaction import redact

BANDWIDTH = 100e6  # bytes a second, before anything was measured
_OURS = ("NBOPS_", "JPY_")


class _Kernel:
    bandwidth = BANDWIDTH
    values: dict[str, Any] = {}  # noqa: RUF012
    extras: dict[str, Any] = {}  # noqa: RUF012


def consider(
    shell: Any, *, folder: str, cell: int, sources: Iterable[str], at_risk_s: float, most_mb: float, by_all_means: bool
) -> dict[str, Any]:
    """Keep the state before cell `cell`, if what would be lost without costs more. Returns what was done: {"taken",
    "why", "seconds", "size", "unsaved"}."""
    began = time.perf_counter()
    values = _values(shell)
    size = sum(_size(value) for value in values.values())
    if size > most_mb * 1e6:
        return {"taken": False, "why": f"the state is {size / 1e6:.0f} MB, more than checkpoint_mb = {most_mb:g}"}
    cost = size / _Kernel.bandwidth
    if not by_all_means and cost > at_risk_s:
        return {"taken": False, "why": f"it would take {cost:.1f} s, and {at_risk_s:.1f} s are at risk"}
    place = folders.make(Path(folder))
    try:
        stream, buffers, unsaved = dump(values, shell.user_ns, most=int(most_mb * 1e6))
        raw = [buffer.raw() for buffer in buffers]
        total = len(stream) + sum(r.nbytes for r in raw)
        if total > most_mb * 1e6:
            return {"taken": False, "why": f"the state is {total / 1e6:.0f} MB, more than checkpoint_mb = {most_mb:g}"}
        kept = tuple((folders.keep(place, r), not r.readonly) for r in raw)
        boundary = Boundary(
            cell=cell,
            execution_count=shell.execution_count,
            sources=tuple(sources),
            saved=tuple(name for name in values if name not in unsaved),
            unsaved=unsaved,
            stream=folders.keep(place, stream),
            extras=folders.keep(place, cloudpickle.dumps(_extras(), protocol=5)),
            buffers=kept,
            size=total,
            seconds=round(time.perf_counter() - began, 3),
            python=sys.version.split()[0],
            versions=_versions(),
        )
        folders.write(place, boundary)
    except TooLargeError:
        return {"taken": False, "why": f"the state is more than checkpoint_mb = {most_mb:g}"}
    except Exception as problem:  # noqa: BLE001  (objects of the user's, a full disk: it costs the state alone)
        return {"taken": False, "why": f"{type(problem).__name__}: {problem}"}
    _Kernel.bandwidth = max(1e6, total / max(boundary.seconds, 1e-3)) if total > 1e6 else _Kernel.bandwidth
    return {"taken": True, "why": "", "seconds": boundary.seconds, "size": total, "unsaved": dict(unsaved)}


def restore(shell: Any, *, folder: str, cell: int) -> dict[str, Any]:
    """Put the state before cell `cell` into this fresh kernel."""
    place = Path(folder)
    boundary = next((b for b in folders.boundaries(place) if b.cell == cell), None)
    if boundary is None:
        return {"restored": False, "why": f"there is no state before cell {cell + 1} in {folder}"}
    if boundary.python != sys.version.split()[0]:
        return {"restored": False, "why": f"Python {boundary.python} became {sys.version.split()[0]}"}
    try:
        buffers = [
            found if writable else memoryview(found).toreadonly()
            for found, writable in ((folders.content(place, digest), w) for digest, w in boundary.buffers)
        ]
        _Kernel.extras = pickle.loads(folders.content(place, boundary.extras))
        _put_back(_Kernel.extras)  # the path first: the stream names modules that are found on it
        now = _versions()
        other = next((n for n, was in boundary.versions.items() if now.get(n, was) != was), None)
        if other is not None:
            return {"restored": False, "why": f"{other} {boundary.versions[other]} became {now[other]}"}
        _Kernel.values = load(folders.content(place, boundary.stream), buffers, shell.user_ns)
    except Exception as problem:  # noqa: BLE001  (objects of the user's)
        return {"restored": False, "why": f"{type(problem).__name__}: {problem}"}
    settle(shell)
    shell.execution_count = boundary.execution_count
    return {"restored": True, "why": "", "names": len(_Kernel.values)}


def settle(shell: Any, *, but: Iterable[str] = ()) -> None:
    """Bind what was kept once more, and set what was set: after cells that had to run again, for the names in `but`."""
    shell.user_ns.update({name: value for name, value in _Kernel.values.items() if name not in but})
    _put_back(_Kernel.extras)


def place_count(shell: Any, count: int) -> None:
    """The number the next cell gets."""
    shell.execution_count = count


def _values(shell: Any) -> dict[str, Any]:
    """What the notebook has bound: not what IPython put there."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in list(shell.user_ns.items())
        if not (name in hidden and hidden[name] is value)
        and name not in ("In", "Out", "get_ipython", "exit", "quit", "open", "_", "__", "___", "_i", "_ii", "_iii")
        and not (name.startswith("_") and name[1:].lstrip("i").isdigit())
        and not (name.startswith("__") and name.endswith("__"))
        and name not in ("_ih", "_oh", "_dh")
    }


def _size(value: Any) -> int:
    """Bytes, roughly; of containers, a thousand items are looked at."""
    for attribute in ("nbytes", "memory_usage"):
        try:
            found = getattr(value, attribute, None)
            if attribute == "memory_usage" and callable(found) and hasattr(found(), "sum"):
                return int(found(deep=False).sum())
            if isinstance(found, int):
                return found
        except Exception:  # noqa: BLE001
            continue
    if isinstance(value, (list, tuple, set, frozenset, dict)) and value:
        items = list(value.values() if isinstance(value, dict) else value)[:1000]
        return int(len(value) * (8 + sum(_flat(item) for item in items) / len(items)))
    return sys.getsizeof(value, 64)


def _flat(value: Any) -> int:
    nbytes = getattr(value, "nbytes", None)
    return nbytes if isinstance(nbytes, int) else sys.getsizeof(value, 64)


def _extras() -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    before = {k: v for k, v in Baseline.environment.items() if not k.startswith(_OURS)}
    changed = {k: v for k, v in environment.items() if before.get(k) != v and redact({k: v}) == {k: v}}
    found: dict[str, Any] = {
        "cwd": str(Path.cwd()),
        "path": list(sys.path),
        "environment": (changed, [k for k in before if k not in environment]),
        "modules": [n for n in sys.modules if n not in Baseline.modules and not n.startswith(("nbops.", "__"))],
        "random": random.getstate(),
        "filters": list(warnings.filters),
    }
    if numpy := sys.modules.get("numpy"):
        found["numpy"] = numpy.random.get_state(), numpy.geterr(), numpy.get_printoptions()
    if "pandas" in sys.modules:
        found["pandas"] = _pandas_options()
    if matplotlib := sys.modules.get("matplotlib"):
        found["matplotlib"] = {k: v for k, v in dict.items(matplotlib.rcParams) if not k.startswith("backend")}
    if sklearn := sys.modules.get("sklearn"):
        found["sklearn"] = sklearn.get_config()
    return found


def _versions() -> dict[str, str]:
    """Of the packages that are imported, as they say it themselves."""
    found = {name: getattr(module, "__dict__", {}).get("__version__") for name, module in sys.modules.copy().items()}
    return {n: v for n, v in found.items() if isinstance(v, str) and "." not in n and n not in sys.stdlib_module_names}


def _pandas_options() -> dict[str, Any]:
    import pandas
    from pandas._config import config as private

    config: Any = private

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = [(k, o) for k, o in config._registered_options.items() if k not in config._deprecated_options]
        return {k: value for k, o in known if (value := pandas.get_option(k)) != o.defval}


def _put_back(extras: dict[str, Any]) -> None:
    changed, gone = extras["environment"]
    os.environ.update(changed)
    for name in gone:
        os.environ.pop(name, None)
    sys.path[:] = extras["path"]
    os.chdir(extras["cwd"])
    for name in extras["modules"]:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001  (a part of a package that can't be imported by itself)
                continue
    warnings.filters[:] = extras["filters"]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]
    if "numpy" in extras:
        import numpy

        state, errors, options = extras["numpy"]
        numpy.random.set_state(state)
        numpy.seterr(**errors)
        numpy.set_printoptions(**{k: v for k, v in options.items() if k != "override_repr" or v is not None})
    if "pandas" in extras:
        import pandas

        for key, value in extras["pandas"].items():
            pandas.set_option(key, value)
    if "matplotlib" in extras:
        import matplotlib

        matplotlib.rcParams.update(extras["matplotlib"])
    if "sklearn" in extras:
        import sklearn

        sklearn.set_config(**extras["sklearn"])
    random.setstate(extras["random"])
