"""``nbops runs delete`` and ``restore``: runs out of every reader's sight, and back again until their time is over.

A run that something needs is not deleted: what was promoted, deployed, scored or decided must stay explainable. The
numbers of the data versions that a deleted run knew of stay what they were, and are given to nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from nbops.catalog.versions import Catalogue
from nbops.core import clock
from nbops.core.deletion import DeletedRun, Deletion
from nbops.core.errors import AmbiguousError, RefusedError, UnknownNameError
from nbops.core.runs import Run
from nbops.store import data_names, deleted_runs, models, runs
from nbops.store import lineage as uses
from nbops.store.database import Reader, Transaction
from nbops.store.deleted_runs import Reference, Taken
from nbops.workspace import Workspace

_MOST_SAID = 5  # references named in a refusal
_WORDS = {
    "model_versions": "the model version {name}/{number}",
    "promotions": "the history of the model {model} ({action}, alias {alias})",
    "scorings": "the scoring of the deployment {deployment}, period {period}",
    "label_batches": "labels of the deployment {deployment}",
    "performances": "the performance of the deployment {deployment}, period {period}",
    "drift_reports": "the drift report of the deployment {deployment}, period {period}",
    "alerts": "an alert of the deployment {deployment}",
    "deployments": "the deployment {name}",
    "decisions": "the decision {id} of the deployment {deployment}",
    "jobs": "the job {id}",
    "runs": "the {kind} run {id} ({name})",
}


def delete(ws: Workspace, names: Iterable[str], *, dry_run: bool = False) -> Deletion:
    """Delete runs, and those under them. All or nothing.

    Parameters
    ----------
    names : iterable of str
        Ids, or unambiguous beginnings of them.
    dry_run : bool
        Only say what would be deleted.

    Raises
    ------
    UnknownNameError, AmbiguousError
    RefusedError
        If one of them is still running, or something refers to it.
    """
    asked = [runs.get(ws.store, name).id for name in names]
    if dry_run:
        family = _deletable(ws, ws.store, asked)
        now = clock.to_text(ws.clock.now())
        return Deletion(runs=tuple(_told(ws, _taken(run, top, now, ws)) for run, top in family), dry_run=True)
    with ws.store.transaction() as tx:
        family = _deletable(ws, tx, asked)
        _fix_numbers(ws, tx, [run.id for run, _ in family])
        for run, top in family:
            deleted_runs.take_out(tx, run.id, asked=top, by=ws.identity)
        done = tuple(_told(ws, _taken(run, top, tx.at, ws)) for run, top in family)
    return Deletion(runs=done)


def restore(ws: Workspace, names: Iterable[str]) -> Deletion:
    """Bring deleted runs back, with those that their deletion took along. All or nothing.

    Raises
    ------
    UnknownNameError, AmbiguousError
    RefusedError
        If it was deleted with a run above it, or the run it belongs to is deleted too.
    """
    with ws.store.transaction() as tx:
        known = {run.id: run for run in deleted_runs.listed(tx)}
        back: dict[str, Taken] = {}
        for name in names:
            run = _deleted(known.values(), name)
            if run.asked != run.id:
                raise RefusedError(
                    f"run {run.id} was deleted with run {run.asked}:"
                    f" 'nbops runs restore {run.asked[:8]}' brings back both"
                )
            back |= {other.id: other for other in known.values() if other.asked == run.id}
        for run_id in back:
            deleted_runs.put_back(tx, run_id)
        for run_id in back:
            parent = runs.as_stored(tx, run_id).parent
            if parent in known and parent not in back:
                raise RefusedError(
                    f"run {run_id} belongs to run {parent}, which is deleted too: restore that first, with"
                    f" 'nbops runs restore {known[parent].asked[:8]}'"
                )
        done = tuple(_told(ws, run) for run in back.values())
    return Deletion(runs=done)


def deleted(ws: Workspace) -> list[DeletedRun]:
    """What can be restored, the last deleted first."""
    return [_told(ws, run) for run in deleted_runs.listed(ws.store) if not run.removed]


def over(ws: Workspace) -> list[DeletedRun]:
    """Deleted runs whose time is over."""
    now = ws.clock.now()
    return [run for run in deleted(ws) if run.until <= now]


def _deletable(ws: Workspace, reader: Reader, asked: Sequence[str]) -> list[tuple[Run, str]]:
    """(run, the one whose deletion takes it along) of everything that would go."""
    family: dict[str, tuple[Run, str]] = {}
    for top in asked:
        for run in runs.family(reader, top):
            family.setdefault(run.id, (run, top))
    for run, _ in family.values():
        between_steps = run.owner is None and "key" in run.detail  # of a pipeline: nobody is at it, perhaps never again
        if not runs.shown(run).status.ended and not between_steps:
            raise RefusedError(
                f"run {run.id} ({run.name}) is still {run.status.lower()}: stop it first, nothing was deleted"
            )
    said = list(dict.fromkeys(_said(reader, found) for found in deleted_runs.references(reader, family)))
    said += _tagged(ws, set(family))
    if said:
        more = f" and {len(said) - _MOST_SAID} more" if len(said) > _MOST_SAID else ""
        raise RefusedError(
            f"nothing was deleted, as it is needed: {'; '.join(said[:_MOST_SAID])}{more}. What was promoted, scored or"
            " decided must stay explainable; a run that another names goes with that one"
        )
    return list(family.values())


def _said(reader: Reader, found: Reference) -> str:
    words = _WORDS.get(found.table, f"a row of {found.table}").format(**found.row)
    if found.table == "model_versions":
        model, number = found.row["name"], found.row["number"]
        held = [f"@{alias}" for alias, version in models.aliases(reader, model).items() if version == number]
        words += f" ({', '.join(held)})" if held else ""
    return f"{words} refers to run {found.run}"


def _tagged(ws: Workspace, going: set[str]) -> Iterator[str]:
    """Tagged data versions that no other run knows of."""
    tagged = {(name, digest): tag for name, tags in data_names.tags(ws.store).items() for tag, digest in tags.items()}
    if tagged:
        used = uses.every_use(ws.store)
        left = {(use.name, use.digest) for use in used if use.run not in going}
        for use in used:
            tag = tagged.pop((use.name, use.digest or ""), None) if use.run in going else None
            if tag is not None and (use.name, use.digest) not in left:
                yield f"the data version {use.name}@{tag} is known from run {use.run} only"


def _fix_numbers(ws: Workspace, tx: Transaction, going: Iterable[str]) -> None:
    """The versions of every name that these runs used keep their numbers."""
    ids = set(going)
    names = {use.name for use in uses.every_use(tx) if use.run in ids}
    found = [v for v in Catalogue(ws).listed() if v.name in names] if names else []
    data_names.fix_numbers(tx, [(v.name, v.digest, v.number) for v in found])


def _deleted(known: Iterable[Taken], name: str) -> Taken:
    found = [run for run in known if run.id.startswith(name) and name]
    if not found:
        raise UnknownNameError("deleted run", name, hint="'nbops runs list --deleted' lists them")
    if len(found) > 1:
        raise AmbiguousError(
            f"{name!r} begins several deleted runs: {', '.join(r.id for r in found[:6])}; give more digits"
        )
    if found[0].removed:
        raise UnknownNameError("deleted run", name, hint="its time was over, and 'nbops data gc' removed it for good")
    return found[0]


def _taken(run: Run, asked: str, at: str, ws: Workspace) -> Taken:
    return Taken(
        id=run.id,
        asked=asked,
        kind=run.kind,
        name=run.name,
        notebook=run.notebook,
        started_at=clock.to_text(run.started_at),
        deleted_at=at,
        deleted_by=ws.identity,
        removed=False,
    )


def _told(ws: Workspace, run: Taken) -> DeletedRun:
    at = clock.from_text(run.deleted_at)
    return DeletedRun(
        id=run.id,
        asked=run.asked,
        kind=run.kind,
        name=run.name,
        notebook=run.notebook,
        started_at=clock.from_text(run.started_at),
        deleted_at=at,
        deleted_by=run.deleted_by,
        until=at + timedelta(days=ws.settings.store.undelete_days),
    )
