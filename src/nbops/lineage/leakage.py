"""Leakage, from what was seen: which rows a model was fitted on (a sample of hashes, taken at the fit), and the rows it
was judged on, which are kept.

A finding is `certain` where content proves it. What only looks like leakage is said too, and is not certain; where
neither can be told there is a finding that says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nbops.core.errors import NbopsError
from nbops.core.runs import ModelUse
from nbops.fingerprints.work import NotHashableHonestly
from nbops.lineage.graph import around
from nbops.lineage.history import Execution, History, history
from nbops.lineage.kernel_edges import cell_id
from nbops.lineage.targets import Target
from nbops.store import lineage as uses
from nbops.store import records
from nbops.workspace import Workspace

if TYPE_CHECKING:
    from nbops.fingerprints.rows import RowSample

MANY = 20
"""Models judged on the same rows from which on the best of them is better by selection."""


SLIGHT = 0.01
"""The share of judged rows below which those that repeat by coincidence can't move a metric that anyone looks at."""

LEARN_NOTHING = frozenset(
    {"FunctionTransformer", "Normalizer", "Binarizer", "PolynomialFeatures", "HashingVectorizer", "FeatureHasher"}
    | {"AdditiveChi2Sampler", "PatchExtractor"}
)
"""Transformers of scikit-learn that take nothing from the rows they are fitted on but how many columns there are."""


class LeakKind(StrEnum):
    SHARED = "shared rows"
    NONE = "no shared row"
    BEFORE_SPLIT = "fitted before the split"
    SELECTION = "one test set, many selections"
    UNKNOWN = "not checkable"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`certain` is whether content proves it; `cells` are those that did it, as people see them, and `ids` tells these
    apart: the front end's id, where it gave none the digest of the cell's text. `slight` is what coincidence explains
    and too few rows to matter: true of most data whose rows repeat, and no reason to warn."""

    kind: LeakKind
    model: str
    certain: bool
    cells: tuple[str, ...]
    why: str
    ids: tuple[str, ...] = ()
    slight: bool = False

    @property
    def leak(self) -> bool:
        """It is, or may be, leakage."""
        return self.kind not in (LeakKind.NONE, LeakKind.UNKNOWN)

    @property
    def doubt(self) -> str:
        """Of a leak in one word whether it is one; of others nothing."""
        return "" if not self.leak else "certain" if self.certain else "possible"


def check(ws: Workspace, run_id: str) -> tuple[Finding, ...]:
    """Every model that was judged in the kernel of a run, checked for leakage.

    Raises
    ------
    UnknownNameError, AmbiguousError
        If there is no such run.
    """
    past = history(ws, run_id)
    judged: dict[object, ModelUse] = {}
    for use in (m for e in past.executions for m in e.record.models):
        if use.evaluation or (use.metrics and (use.digest or use.signature)):  # of some the rows are not kept
            key = (_key(use), use.evaluation)
            if use.rows or key not in judged or not judged[key].rows:  # loaded again, nothing is known of its training
                judged[key] = use
    samples = {digest: _judged(ws, digest) for digest in {use.evaluation or "" for use in judged.values()}}
    found = [f for use in judged.values() for f in _of(ws, past, use, samples[use.evaluation or ""])]
    newest = {use.evaluation: use for use in judged.values() if use.evaluation}  # of a set of rows it is said once
    return (*found, *(finding for use in newest.values() for finding in _selections(ws, past, use)))


def check_model(ws: Workspace, use: ModelUse) -> tuple[Finding, ...]:
    """One model that was judged, checked for leakage, wherever it was made."""
    made = uses.artifact_uses(ws.store, use.digest) if use.digest else []
    if not made:
        return (_unknown(use, "it isn't recorded where the model was made"),)
    past = history(ws, made[-1][0])
    return (*_of(ws, past, use, _judged(ws, use.evaluation)), *_selections(ws, past, use))


def _key(use: ModelUse) -> object:
    """What tells a model from others: its file; of one that could not be kept its name, and what it was fitted on."""
    return use.digest or (use.name, use.trained_on, use.rows)


def _of(ws: Workspace, past: History, use: ModelUse, judged: RowSample | None) -> Iterator[Finding]:
    if judged is None:
        yield _unknown(use, "the rows it was judged on were not kept")
        return
    trained = _sample(ws, use.rows)
    yield _rows(past, use, trained, judged)
    yield from _before_split(ws, past, use, trained, judged)


def _judged(ws: Workspace, evaluation: str | None) -> RowSample | None:
    """The kept rows that models were judged on: the inputs, then the target."""
    import pandas as pd

    from nbops.fingerprints.rows import sample_rows

    if not evaluation:
        return None
    try:
        table = pd.read_parquet(ws.artifacts.verified(evaluation))
        return sample_rows(table, target=True) if table.shape[1] > 1 and len(table) else None
    except (NbopsError, NotHashableHonestly, ValueError, OSError):
        return None


def _sample(ws: Workspace, digest: str | None) -> RowSample | None:
    from nbops.fingerprints.rows import RowSample

    try:
        return RowSample.from_bytes(ws.artifacts.read_bytes(digest)) if digest else None
    except (NbopsError, ValueError, OSError):
        return None


def _rows(past: History, use: ModelUse, trained: RowSample | None, judged: RowSample) -> Finding:
    """Is an evaluation row among the training rows?"""
    from nbops.fingerprints.rows import shared

    if trained is None:
        return _unknown(
            use, "which rows it was trained on isn't recorded: no table, or no time left for it in the cell"
        )
    found = shared(trained, judged)
    if not found.looked:
        return _unknown(use, "too few rows can be compared: nearly all of them have the same inputs")
    several = "" if found.looked == judged.rows else f" {judged.rows:,} rows it was judged on, a sample of"
    whole, inputs = found.whole, found.inputs
    of = (
        f"of the{several} {found.looked:,}{'' if several else ' rows it was judged on'}, {whole.rows:,}"
        f" ({whole.rows / found.looked:.1%}) are among the {trained.rows:,} that it was trained on"
    )
    kind, certain, slight, doubt = LeakKind.SHARED, False, False, ""
    if whole.beyond_chance:
        certain = True
    elif inputs.beyond_chance:
        doubt = f"; {inputs.rows:,} have inputs of rows that it was trained on, with the same or another target"
    elif whole.rows:
        slight = whole.rows < SLIGHT * found.looked
        doubt = f"; rows that repeat by coincidence may explain that ({whole.expected:.1f} expected)"
    else:
        kind, certain = LeakKind.NONE, True
    made = [e for e in past.executions if any(_key(m) == _key(use) for m in e.record.models)]
    return _finding(kind, use, made, of + doubt, certain=certain, slight=slight)


def _before_split(
    ws: Workspace, past: History, use: ModelUse, trained: RowSample | None, judged: RowSample
) -> Iterator[Finding]:
    """A transformer that was fitted on the judged rows too. Proved where the judged inputs are among the rows that its
    ``fit_transform`` gave; suspected where the model stands on it and it was fitted on as many rows as training and
    evaluation have together."""
    from nbops.fingerprints.rows import shared

    upstream: set[str] | None = None
    shapes = {
        u.fingerprint.digest: u.fingerprint.shape
        for e in past.executions
        for u in (*e.record.reads, *e.record.writes)
        if u.fingerprint.digest is not None
    }
    for execution in past.executions:
        for other in execution.record.models:
            if other.signature is not None or other.type.rpartition(".")[2] in LEARN_NOTHING:
                continue
            said = f"{other.name!r} ({other.type.rpartition('.')[2]})"
            advice = "split first, then fit it on the training rows (in a pipeline)"
            gave = _sample(ws, other.gave)
            found = shared(gave, judged) if gave is not None else None
            if gave is not None and found is not None and found.inputs.beyond_chance:
                why = (
                    f"{said} was fitted on {gave.rows:,} rows, and {found.inputs.rows / found.looked:.1%} of the rows"
                    f" that {use.name!r} was judged on are among what it made of them: {advice}"
                )
                yield _split(use, execution, why, certain=True)
                continue
            rows = shapes.get(other.trained_on or "", ())[:1]
            if use.digest is None or trained is None or rows != (trained.rows + judged.rows,):
                continue
            if upstream is None:
                target = Target(kind="model", name=use.digest, kernel=past.kernel.id)
                upstream = {node.id for node in around(ws, target, down=False).nodes}
            if cell_id(execution) in upstream:
                why = (
                    f"{said} was fitted on {rows[0]:,} rows, as many as {use.name!r} was trained ({trained.rows:,}) and"
                    f" judged ({judged.rows:,}) on together: most likely the judged rows were among them; {advice}"
                )
                yield _split(use, execution, why, certain=False)


def _split(use: ModelUse, execution: Execution, why: str, *, certain: bool) -> Finding:
    return _finding(LeakKind.BEFORE_SPLIT, use, [execution], why, certain=certain)


def _selections(ws: Workspace, past: History, use: ModelUse) -> Iterator[Finding]:
    """How many models were judged on these rows, wherever?"""
    found: set[str] = set()
    made: list[Execution] = []
    elsewhere: list[str] = []
    for run, seq in uses.artifact_uses(ws.store, use.evaluation or ""):
        record = records.get(ws.store, run, seq)
        models = {m.digest for m in record.models if m.evaluation == use.evaluation and m.digest} if record else set()
        if models - found:
            mine = next((e for e in past.executions if e.key == (run, seq)), None)
            made += [mine] if mine else []
            elsewhere += [] if mine else [f"run {run[:8]}"]
        found |= models
    if len(found) >= MANY:
        also = f" (also in {', '.join(dict.fromkeys(elsewhere[:5]))})" if elsewhere else ""
        why = (
            f"{len(found)} models were judged on the rows that {use.name!r} was judged on{also}: the best of them looks"
            " better than it is; keep rows for the last judgement that none was chosen by"
        )
        yield _finding(LeakKind.SELECTION, use, made[:10], why, certain=False)


def _finding(
    kind: LeakKind, use: ModelUse, made: list[Execution], why: str, *, certain: bool, slight: bool = False
) -> Finding:
    return Finding(
        kind=kind,
        model=use.name,
        certain=certain,
        cells=tuple(f"{e.said} of {e.run.notebook or e.run.name}" for e in made),
        ids=tuple(e.cell for e in made),
        why=why,
        slight=slight,
    )


def _unknown(use: ModelUse, why: str) -> Finding:
    return Finding(kind=LeakKind.UNKNOWN, model=use.name, certain=False, cells=(), why=why)
