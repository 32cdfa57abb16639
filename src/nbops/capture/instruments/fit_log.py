"""What is known of every fit of a scope, whether its model is kept or not: a loop that fits a thousand models leaves
the last model and a thousand lines of what was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbops.capture.instruments.model_log import Evaluation, Facts, Known
from nbops.core.canonical import canonical

_MOST_FITS = 10_000

FitLog = list[tuple[Known, int, Facts]]
"""(estimator, the number of its fit, what was known of it then)"""


def remember(log: FitLog, known: Known, facts: Facts) -> None:
    """Add the estimator's present state."""
    if len(log) < _MOST_FITS:
        log.append((known, known.state, facts))


def described(log: FitLog, evaluations: Mapping[int, Sequence[Evaluation]]) -> bytes:
    """The fits as canonical JSON; `evaluations` are known by the estimator's id in the log."""
    found = []
    for known, state, facts in log:
        judged = [e for e in evaluations.get(id(known), ()) if e.state == state]
        saved = known.saved.get(state)
        found.append(
            {
                "type": known.type,
                "line": facts.line,
                "params": facts.params,
                "trained_on": facts.trained_on,
                "metrics": {name: value for e in judged for name, value in e.metrics.items()},
                "model": saved.digest if saved is not None else None,
            }
        )
    return canonical(found).encode()
