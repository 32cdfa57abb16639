"""Which run is meant by an ID, and whether one metric of it: the same for doing it again and for comparing."""

from __future__ import annotations

import re
from pathlib import Path

from nbops.core.errors import NotebookError, UnknownNameError
from nbops.core.runs import Run, RunKind
from nbops.notebook import embedded, files
from nbops.registry import resolve
from nbops.reproduction.cells import recorded
from nbops.store import runs
from nbops.workspace import Workspace, relative

_METRIC = re.compile(r"(?:runs:/+)?(?P<run>[^/:@]+)/(?:metrics/)?(?P<metric>[^/]+)")


def named(ws: Workspace, source: str) -> tuple[Run, str | None]:
    """The run, and the metric if one is named.

    Parameters
    ----------
    source : str
        A run's id or its beginning; ``RUN/METRIC`` or ``runs:/ID/metrics/METRIC``; ``models:/NAME/VERSION``,
        ``models:/NAME@ALIAS`` or ``runs:/ID/MODEL``; a notebook's path: an executed one stands for the run that its
        records are of, another for its latest completed run.

    Raises
    ------
    UnknownNameError, AmbiguousError, NotebookError
    UsageError
        If it looks like a model's URI and is none.
    """
    if source.endswith(".ipynb"):
        return _of_notebook(ws, Path(source)), None
    metric = _METRIC.fullmatch(source)
    if metric is not None and (not source.startswith("runs:/") or "/metrics/" in source):
        run = runs.get(ws.store, metric["run"])
        known = {m.name for r in recorded(ws.store, run) for m in r.metrics}
        if metric["metric"] not in known:
            raise UnknownNameError(f"metric of the run {run.id}", metric["metric"], known)
        return run, metric["metric"]
    if source.startswith(("models:/", "runs:/")):
        uri = resolve.parse(source)
        run_id = resolve.model_of_run(ws.store, uri)[0].id if uri.run else resolve.version(ws.store, uri).run
        return runs.get(ws.store, run_id), None
    return runs.get(ws.store, source), None


def carried(path: Path) -> str | None:
    """The id of the run whose records a notebook carries."""
    found = embedded.embedded(files.read(path))
    return embedded.record_from(found[0].payload).run if found else None


def _of_notebook(ws: Workspace, path: Path) -> Run:
    run_id = carried(path)
    if run_id is not None:
        return runs.get(ws.store, run_id)
    listed = runs.listed(ws.store, kinds=[RunKind.STEP, RunKind.SESSION], notebook=relative(ws, path), limit=100)
    latest = next((run for run in listed if run.status == "COMPLETED"), None)
    if latest is None:
        raise NotebookError(
            f"the notebook {str(path)!r} carries no records, and no completed run of it is known here;"
            f" execute it with 'nbops run {path}'"
        )
    return latest
