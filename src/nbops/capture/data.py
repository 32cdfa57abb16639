"""What is data, and what it is now.

A type is recognised by the module it comes from: nothing is imported that the user hasn't imported. A fingerprint
is always of the content as it is now; where the time for it is over, that is said, and no older digest is shown.
"""

from __future__ import annotations

import time
from typing import Any

from nbops.core.fingerprint import Fingerprint
from nbops.core.redaction import redact_text
from nbops.core.runs import DataUse

_TYPES = {
    "pandas": {"DataFrame", "Series", "Index"},
    "numpy": {"ndarray"},
    "scipy": {"sparray", "spmatrix", "_spbase"},
    "pyarrow": {"Table", "RecordBatch", "ChunkedArray", "Array"},
    "polars": {"DataFrame", "Series"},
}
OVER_BUDGET = "not fingerprinted: budget"


def is_data(value: Any) -> bool:
    """Is it a table, an array, or a part of one? An array of what a figure is drawn with (``plt.subplots``) is not."""
    mro = type(value).__mro__[:-1]
    return any(base.__name__ in _TYPES.get(base.__module__.partition(".")[0], ()) for base in mro) and not _axes(value)


def _axes(value: Any) -> bool:
    objects = getattr(value, "dtype", None) == "object" and hasattr(value, "flat") and value.size
    return bool(objects) and type(value.flat[0]).__module__.startswith("matplotlib.")


class Fingerprinter:
    """Fingerprints within a budget, each object once.

    Parameters
    ----------
    budget_s : float
        Seconds for all of it.
    used_s : float
        Seconds of the budget that are gone already.
    seen : dict, optional
        {id: fingerprint} of objects that needn't be looked at again.
    """

    def __init__(self, budget_s: float, used_s: float = 0.0, seen: dict[int, Fingerprint] | None = None) -> None:
        self.budget_s = budget_s
        self.used_s = used_s
        self._seen = {} if seen is None else seen

    def use(self, name: str, value: Any) -> DataUse:
        """What `value` is, under the name it goes by."""
        found = self._seen.get(id(value))
        if found is None:
            found = self._seen[id(value)] = self._fingerprint(value)
        return DataUse(name=name, fingerprint=found)

    def _fingerprint(self, value: Any) -> Fingerprint:
        left = self.budget_s - self.used_s
        if left <= 0:
            return Fingerprint(kind=kind_of(value), digest=None, shape=shape_of(value), reason=OVER_BUDGET)
        from nbops.fingerprints.fingerprint import fingerprint

        started = time.perf_counter()
        try:
            return fingerprint(value, budget_s=left)
        except Exception as error:  # noqa: BLE001  (an object of the user's whose parts misbehave)
            reason = redact_text(f"not fingerprinted: {type(error).__name__}: {error}")
            return Fingerprint(kind=kind_of(value), digest=None, shape=shape_of(value), reason=reason[:200])
        finally:
            self.used_s += time.perf_counter() - started


def kind_of(value: Any) -> str:
    """The name of the type, for data that was not fingerprinted."""
    return f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape, where the object says one in plain numbers."""
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        return ()
    try:
        return tuple(int(n) for n in shape)
    except (TypeError, ValueError):
        return ()
