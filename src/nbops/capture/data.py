"""What is data, and what it is now.

A type is recognised by the module it comes from: nothing is imported that the user hasn't imported. A fingerprint
is always of the content as it is now; where the time for it is over, that is said, and no older digest is shown.
"""

from __future__ import annotations

import time
from typing import Any

from nbops.core.fingerprint import Fingerprint
from nbops.core.redaction import redact_text

_TYPES = {
    "pandas": {"DataFrame", "Series", "Index"},
    "numpy": {"ndarray"},
    "scipy": {"sparray", "spmatrix", "_spbase"},
    "pyarrow": {"Table", "RecordBatch", "ChunkedArray", "Array"},
    "polars": {"DataFrame", "Series"},
}
Seen = dict[int, tuple[Any, Fingerprint]]
OVER_BUDGET = "not fingerprinted: budget"


def is_data(value: Any) -> bool:
    """Is it a table, an array, or a part of one? An array of what a figure is drawn with (``plt.subplots``) is not."""
    mro = type(value).__mro__[:-1]
    return any(base.__name__ in _TYPES.get(base.__module__.partition(".")[0], ()) for base in mro) and not _axes(value)


def _axes(value: Any) -> bool:
    """A frame isn't asked for its attributes: they may be its columns."""
    array = type(value).__name__ == "ndarray" and value.dtype.hasobject and value.size
    return bool(array) and type(value.flat[0]).__module__.startswith("matplotlib.")


class Fingerprinter:
    """Fingerprints within a budget.

    Parameters
    ----------
    budget_s : float
        Seconds for all of it; `left_s` is what is left of them.
    seen : dict, optional
        {id: (object, its fingerprint)} of what needn't be looked at again, as nothing changes it meanwhile. What is
        fingerprinted is added. Without it, each object is looked at each time.
    """

    def __init__(self, budget_s: float, seen: Seen | None = None) -> None:
        self.left_s = budget_s
        self.seen = seen

    def of(self, value: Any) -> Fingerprint:
        """What `value` is now, or why that isn't known."""
        if self.seen is not None and id(value) in self.seen:
            return self.seen[id(value)][1]
        found = self._taken(value)
        if self.seen is not None and found.digest is not None:
            self.seen[id(value)] = value, found
        return found

    def _taken(self, value: Any) -> Fingerprint:
        if self.left_s <= 0:
            return Fingerprint(kind=kind_of(value), digest=None, shape=shape_of(value), reason=OVER_BUDGET)
        from nbops.fingerprints.fingerprint import fingerprint

        started = time.perf_counter()
        try:
            return fingerprint(value, budget_s=self.left_s)
        except Exception as error:  # noqa: BLE001  (an object of the user's whose parts misbehave)
            reason = redact_text(f"not fingerprinted: {type(error).__name__}: {error}")
            return Fingerprint(kind=kind_of(value), digest=None, shape=shape_of(value), reason=reason[:200])
        finally:
            self.left_s -= time.perf_counter() - started


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
