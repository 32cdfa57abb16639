"""Which model is meant, and which rows it is judged on.

A candidate that was fitted again on all rows after it was judged has no rows that it hasn't seen. The gates then
judge the model it is the refit of: the newest one of the same source, the same type and the same parameters that
has evaluation rows. The candidate is registered, with the digest of the model that was judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbops.core.canonical import canonical
from nbops.core.errors import AmbiguousError, NotebookError, UnknownNameError, UsageError
from nbops.core.runs import ModelUse, Run, RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import Workspace, relative


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """`judged` is the model whose evaluation rows count: `model` itself, or the one it is the refit of;
    None where no rows were kept."""

    run: Run
    model: ModelUse
    judged: ModelUse | None

    @property
    def refit_of(self) -> str | None:
        """The digest of the model that was judged, if it isn't the candidate's own."""
        if self.judged is None or self.judged.digest == self.model.digest:
            return None
        return self.judged.digest


def find(ws: Workspace, source: str, *, candidate: str | None = None) -> Candidate:
    """The candidate of a source.

    Parameters
    ----------
    source : str
        A run's id or its beginning (a pipeline's run stands for all its steps), or the path of a notebook, which
        stands for its latest completed run that made a model.
    candidate : str, optional
        The model's name in the run, where there are several.

    Raises
    ------
    UnknownNameError, NotebookError
        If there is no such run or notebook, or no such model in it.
    AmbiguousError
        If several models answer; the message lists them.
    UsageError
        If the run failed, or the model's file was not kept.
    """
    family = _notebook(ws, source) if source.endswith(".ipynb") else _run(ws, source)
    found = _models(ws, family)
    if not found:
        raise UsageError(
            f"{source!r} made no model: no estimator was fitted in a tracked cell of"
            f" {_named(family)}; run the notebook with tracking on"
        )
    run, model = _choose(found, source, candidate)
    if model.digest is None:
        raise UsageError(
            f"the model {model.name!r} of run {run.id} was not kept: {model.reason or 'no reason was recorded'}"
        )
    return Candidate(run=run, model=model, judged=_judged(ws, family, run, model))


def _run(ws: Workspace, source: str) -> list[Run]:
    run = runs.get(ws.store, source)
    if run.status is RunStatus.FAILED:
        raise UsageError(
            f"the run {run.id} ({run.name}) failed: {run.error or 'no error was recorded'};"
            " promote a run that completed"
        )
    family = runs.family(ws.store, run.id)
    # A step that was cached made its model in the run that stands for it.
    return [
        runs.as_stored(ws.store, step.detail["cached_from"]) if step.status is RunStatus.CACHED else step
        for step in family
    ]


def _notebook(ws: Workspace, source: str) -> list[Run]:
    path = relative(ws, Path(source))
    listed = runs.listed(ws.store, notebook=path, limit=1000)
    if not listed:
        listed = runs.listed(ws.store, notebook=source, limit=1000)  # named as recorded, from another folder
    for run in listed:
        if run.status is RunStatus.COMPLETED and _models(ws, [run]):
            return [run]
    if not listed:
        there = "" if Path(source).exists() else ", and there is no such file here"
        raise NotebookError(f"no run of the notebook {path!r} is recorded{there}; run it with tracking on")
    open_session = next(
        (r for r in listed if r.kind is RunKind.SESSION and not r.status.ended and _models(ws, [r])), None
    )
    hint = f"; its session {open_session.id} is still open: promote that id" if open_session else ""
    raise UsageError(
        f"none of the {len(listed)} recorded runs of the notebook {path!r} both completed and made a model{hint}"
    )


def _models(ws: Workspace, family: list[Run]) -> list[tuple[Run, ModelUse]]:
    """The models at the end of each run; of one name, the last; of one file, the first name."""
    latest: dict[str, tuple[Run, ModelUse]] = {}
    for run in family:
        for use in records.models(ws.store, run.id):
            latest[use.name] = (run, use)
    if any(use.logged for _, use in latest.values()):
        latest = {name: pair for name, pair in latest.items() if pair[1].logged}
    # A scaler fitted by itself predicts nothing: it has no signature, and is no candidate beside a model that has.
    if any(use.signature for _, use in latest.values()):
        latest = {name: pair for name, pair in latest.items() if pair[1].signature}
    return list(latest.values())


def _choose(found: list[tuple[Run, ModelUse]], source: str, candidate: str | None) -> tuple[Run, ModelUse]:
    names = [use.name for _, use in found]
    if candidate is not None:
        for run, use in found:
            if use.name == candidate:
                return run, use
        raise UnknownNameError(f"model of {source!r}", candidate, names)
    distinct = {use.digest or use.name: (run, use) for run, use in reversed(found)}
    if len(distinct) > 1:
        listed = "; ".join(f"--candidate {use.name} ({use.type.rpartition('.')[2]})" for _, use in found)
        raise AmbiguousError(f"{source!r} made {len(distinct)} models; say which: {listed}")
    return next(iter(distinct.values()))


def _judged(ws: Workspace, family: list[Run], own: Run, model: ModelUse) -> ModelUse | None:
    if model.evaluation is not None:
        return model
    alike = [
        use
        for run in sorted(family, key=lambda run: run.id == own.id)  # its own run last: there the newest counts
        for record in records.of_run(ws.store, run.id)
        for use in record.models
        if use.evaluation is not None
        and use.digest is not None
        and use.type == model.type
        and canonical(use.params) == canonical(model.params)
    ]
    return alike[-1] if alike else None


def _named(family: list[Run]) -> str:
    return f"run {family[0].id}" + (f" and its {len(family) - 1} parts" if len(family) > 1 else "")
