"""Two model files of the same fit, in two processes: what scikit-learn keeps in an estimator that isn't of the fit.

A search keeps how long its fits took, and a text vectorizer the address of its stop words. Nothing is loaded: a skops
file is an archive of a description in JSON and the arrays that it names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

NOT_OF_THE_FIT = frozenset(
    {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time", "refit_time_", "_stop_words_id"}
)
_SCHEMA = "schema.json"


def same_but_for(one: Path, other: Path) -> tuple[str, ...]:
    """The names of the values that aren't of the fit, if two skops files differ in nothing else. Empty where they do,
    and where either isn't such a file."""
    try:
        (mine, found), (theirs, _) = _read(one), _read(other)
    except (OSError, BadZipFile, KeyError, ValueError):
        return ()
    return tuple(sorted(found)) if mine == theirs else ()


def _read(path: Path) -> tuple[Any, set[str]]:
    """(a file's description with digests for the arrays, without what isn't of the fit; the names of that)."""
    with ZipFile(path) as archive:
        members = {
            name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name != _SCHEMA
        }
        schema = json.loads(archive.read(_SCHEMA))
    found: set[str] = set()
    return _plain(schema, members, found), found


def _plain(node: Any, members: Mapping[str, str], found: set[str]) -> Any:
    if isinstance(node, list):
        return [_plain(item, members, found) for item in node]
    if isinstance(node, str):
        return members.get(node, node)
    if not isinstance(node, dict):
        return node
    left_out = NOT_OF_THE_FIT & node.keys()
    found |= left_out
    # an object's number counts what came before it: other values, other numbers
    return {k: None if k in left_out else _plain(v, members, found) for k, v in node.items() if k != "__id__"}
