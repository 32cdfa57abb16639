"""What an unfinished attempt stood on and is other now: then what is kept of its state is of no use.

Asked are its parameters, its local modules and the files it read. Its cells are compared by the states themselves
(:mod:`nbops.checkpoints.plan`); Python and packages in the kernel, where they are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbops.core.runs import Run
from nbops.fingerprints.fingerprint import fingerprint
from nbops.pipeline.step_run import keepable
from nbops.store import records
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace


def changed_since(ws: Workspace, run: Run, had: Mapping[str, Any], params: Mapping[str, Any] | None) -> str:
    """What is other than when `run` went through its cells, in words; empty if nothing is.

    Parameters
    ----------
    had : mapping
        Its parameters.
    params : mapping, optional
        Those of the attempt after it; None: the same.
    """
    if params is not None and (said := _other_parameter(had, params)):
        return said
    for path, digest in (run.detail.get("modules") or {}).items():
        file = ws.root / path
        if not file.is_file() or digest_of(file) != digest:
            return f"the local module {path} changed"
    for path, print_ in _last_known(ws, run).items():
        file = ws.root / path
        if not file.is_file():
            return f"{path}, which it read, is gone"
        if fingerprint(file).digest != print_:
            return f"{path}, which it read, has changed"
    return ""


def _other_parameter(had: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    was, now = keepable(had, secret=False), keepable(params, secret=False)
    shown_was, shown_now = keepable(had), keepable(params)
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            became = f"{shown_was.get(name, 'default')!r} became {shown_now.get(name, 'default')!r}"
            return f"the parameter {name}: {became}"
    return ""


def _last_known(ws: Workspace, run: Run) -> dict[str, str]:
    """Of each file that its cells read, the content they left it with: what they wrote themselves is no change."""
    read: set[str] = set()
    known: dict[str, str | None] = {}
    for record in records.of_run(ws.store, run.id):
        for use in record.files:
            known[use.path] = use.digest
            if use.mode == "read":
                read.add(use.path)
    return {path: digest for path, digest in known.items() if path in read and digest is not None}
