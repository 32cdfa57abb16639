"""What is known of the estimators that a process has fitted: facts of the fit, predictions, evaluations.

Estimators are held weakly, so that none lives longer than without us. What they predicted is known again by its
content, not by its identity: a prediction that was changed in place isn't the model's any more, and one that went
into a Series still is.

Inputs are held while they may be needed for evaluation rows or a profile, at most `HOLD_BYTES` in all; larger ones
are never held, so the memory of big data is given back as without us.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nbops.core.runs import Artifact
from nbops.modelfiles.save import SavedModel

HOLD_BYTES = 64_000_000
_MOST_PREDICTIONS = 64
_MOST_KEPT = 256


@dataclass(kw_only=True, eq=False)
class Facts:
    """Of one fit of one estimator."""

    params: dict[str, Any]
    signature: dict[str, Any] | None
    target: str
    trained_on: str | None
    line: int | None
    on: str | None = None  # what the cell's text calls the inputs
    profile: Artifact | None = None
    rows: Artifact | None = None
    gave: Artifact | None = None


@dataclass(kw_only=True, eq=False)
class Evaluation:
    """Metrics of one state of an estimator on the same rows. `rows` is None where they weren't kept."""

    state: int
    data: tuple[str | None, str | None]
    rows: Artifact | None
    reason: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Known:
    """An estimator that was seen. `state` counts its fits; `facts` are of the last one, `past` of those before that
    have been evaluated; `saved` are its model files by state."""

    ref: weakref.ref[Any]
    type: str
    state: int = 0
    facts: Facts | None = None
    past: dict[int, Facts | None] = field(default_factory=dict)
    saved: dict[int, SavedModel] = field(default_factory=dict)

    def facts_of(self, state: int) -> Facts | None:
        return self.facts if state == self.state else self.past.get(state)


@dataclass(kw_only=True, eq=False)
class Prediction:
    """What a state of an estimator predicted for X. `inputs` gives X, or None if it is gone; `array` what was
    predicted, while it lives."""

    known: Known
    key: int  # the estimator's id
    state: int
    x_digest: str | None
    inputs: Callable[[], Any]
    array: Callable[[], Any]


class ModelLog:
    """One per process; it outlives the scopes, as a model is fitted in one cell and judged in another."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._predictions: OrderedDict[tuple[str, int], tuple[Prediction, int]] = OrderedDict()
        self._held = 0
        self._kept: OrderedDict[tuple[str | None, ...], Artifact] = OrderedDict()

    def known(self, estimator: Any) -> Known:
        """What is known of `estimator`. Raises TypeError if it can't be referred to weakly."""
        found = self._known.get(id(estimator))
        if found is not None and found.ref() is estimator:
            return found
        key = id(estimator)
        log = weakref.ref(self)

        def gone(ref: weakref.ref[Any]) -> None:
            mine = log()
            if mine is not None and key in mine._known and mine._known[key].ref is ref:
                del mine._known[key]
                for index in [i for i in mine._predictions if i[1] == key]:
                    mine._forget(index)

        kind = type(estimator)
        known = Known(ref=weakref.ref(estimator, gone), type=f"{kind.__module__}.{kind.__qualname__}")
        self._known[key] = known
        return known

    def predicted(self, keys: list[str], prediction: Prediction, size: int) -> None:
        """Remember a prediction under the digests of its contents; `size` is what holding its inputs takes."""
        for key in keys:
            index = (key, prediction.key)
            self._forget(index)
            self._predictions[index] = (prediction, size)
            self._held += size
            size = 0  # the same inputs, held once
        while self._predictions and (len(self._predictions) > _MOST_PREDICTIONS or self._held > HOLD_BYTES):
            self._forget(next(iter(self._predictions)))

    def predictor(self, values: Any, key: str | None) -> Prediction | None:
        """Whose prediction `values` (with the content `key`) is. Of several with this content, the one that made this
        very array; None if that can't be told."""
        found = [p for (k, _), (p, _) in self._predictions.items() if k == key]
        if len(found) > 1:
            chain = [values]
            while len(chain) < 8 and getattr(chain[-1], "base", None) is not None:
                chain.append(chain[-1].base)
            found = [p for p in found if any(p.array() is one for one in chain)]
        return found[-1] if len(found) == 1 else None

    def kept(self, key: tuple[str | None, ...]) -> Artifact | None:
        """The artifact that was made of data with these digests before: cells are run again and again."""
        return None if None in key else self._kept.get(key)

    def keep(self, key: tuple[str | None, ...], artifact: Artifact) -> None:
        if None not in key:
            self._kept[key] = artifact
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)

    def _forget(self, index: tuple[str, int]) -> None:
        known = self._predictions.pop(index, None)
        if known is not None:
            self._held -= known[1]


def weakly(value: Any) -> Callable[[], Any]:
    """A reference that doesn't keep `value`; to nothing where there can be none."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: None
