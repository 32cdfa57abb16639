"""``nbops data diff A B``: how two data versions differ, from their fingerprints; no content is read."""

from __future__ import annotations

from nbops.catalog.versions import Catalogue
from nbops.core.data_versions import ColumnChange, DataDifference
from nbops.core.fingerprint import Column, Fingerprint
from nbops.workspace import Workspace


def difference(ws: Workspace, a: str, b: str) -> DataDifference:
    """How version `b` differs from version `a`.

    Parameters
    ----------
    a, b : str
        ``NAME@N``, ``NAME`` (its newest), or a digest.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    catalogue = Catalogue(ws)
    was, now = catalogue.find(a), catalogue.find(b)
    if was.digest == now.digest:
        return DataDifference(a=was, b=now, same=True, explained="identical")
    before, after = catalogue.fingerprint(was), catalogue.fingerprint(now)
    mine, theirs = {c.name: c for c in before.columns}, {c.name: c for c in after.columns}
    if not _known(before, after):
        both = bool(mine and theirs)
        missing = ""
        if both or before.kind == after.kind:  # not so for a file and a table
            missing = "; the records hold no digests of single columns, so which values changed isn't known"
        mine, theirs = (mine, theirs) if both else ({}, {})
        bare = [Fingerprint(kind=f.kind, digest=f.digest, shape=f.shape) for f in (before, after)]
        explained = bare[0].explain(bare[1]) + missing
    else:
        explained = before.explain(after)
    return DataDifference(
        a=was,
        b=now,
        same=False,
        explained=explained,
        added=tuple(c for n, c in theirs.items() if n not in mine),
        removed=tuple(c for n, c in mine.items() if n not in theirs),
        changed=tuple(change for n, c in mine.items() if n in theirs and (change := _change(c, theirs[n]))),
    )


def _known(*fingerprints: Fingerprint) -> bool:
    """Do the fingerprints have their columns' digests, as far as their kind has columns?"""
    has_columns = [f for f in fingerprints if f.columns]
    return len(has_columns) in (0, len(fingerprints)) and all(c.digest for f in has_columns for c in f.columns)


def _change(was: Column, now: Column) -> ColumnChange | None:
    known = bool(was.digest and now.digest)
    values = was.digest != now.digest if known else None
    if was.dtype == now.dtype and not values:
        return None
    return ColumnChange(name=was.name, was=was.dtype, now=now.dtype, values=values)
