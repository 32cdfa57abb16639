"""What a search over parameters found (GridSearchCV, RandomizedSearchCV, the halving ones): one record for all of its
fits, with the best parameters, the best score, and the table of results as an artifact."""

from __future__ import annotations

from typing import Any

from nbops.capture.instruments.json_params import plain
from nbops.capture.instruments.model_log import Facts, Known
from nbops.capture.instruments.watch import Watch
from nbops.core.canonical import canonical
from nbops.core.redaction import redact
from nbops.core.runs import SEARCH_TABLE, Metric

_MOST_NUMBERS = 200_000


def searched(watch: Watch, search: Any, facts: Facts, known: Known, y: Any, on: str | None) -> None:
    """`search` was fitted on targets `y`, which the cell's text calls `on`: its best parameters go into what
    is recorded of it."""
    best = getattr(search, "best_params_", None)
    if best is not None:
        facts.params["best_params_"] = {str(k): redact(plain(v), str(k)) for k, v in best.items()}
    score = getattr(search, "best_score_", None)
    if score is not None:
        kind = type(search)
        source = f"{kind.__module__}.{kind.__qualname__}"
        data = watch.fingerprint(y).digest if y is not None else None
        watch.models.next_metric_is_of(known)
        watch.metrics.append(
            Metric(name="best_score_", value=float(score), source=source, data=data, line=facts.line, on=on)
        )
    results = search.cv_results_
    table = {
        str(name): [_cell(name, value) for value in values]
        for name, values in results.items()
        if "_time" not in name  # they differ from run to run, and say nothing of the candidates
    }
    if sum(map(len, table.values())) > _MOST_NUMBERS:
        watch.note("a search's table of results is not kept, it is too long")
        return
    watch.keep(
        canonical(table).encode(),
        name=SEARCH_TABLE,
        kind="detail",
        media="application/json",
        about={"line": facts.line, "candidates": len(next(iter(table.values()), ()))},
    )


def _cell(name: str, value: Any) -> Any:
    plainly = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    if type(plainly) in (bool, int, float):
        return plainly  # canonical JSON has a form for NaN
    text = str(name).removeprefix("param_")
    return redact(plain(None if type(value).__name__ == "MaskedConstant" else plainly), text)
