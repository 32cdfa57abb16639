"""What notebooks and scripts call: ``nbops.track``, ``log_param``, ``log_metric`` …

In a tracked cell the values go to its record. In an untracked cell, or in a script, they are collected and become a
record of the session's run when the cell (the script) ends. Without IPython a session is opened by the first call and
closed at the interpreter's exit.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.capture.cells import CellStart, OpenCell, number
from nbops.capture.current import current_session, script_text
from nbops.core.errors import InputDataError, NbopsError, StoreError, UsageError
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact, Metric

if TYPE_CHECKING:
    from nbops.capture.session import Session

_MEDIA = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


@contextmanager
def track(name: str, tags: Iterable[str] = ()) -> Iterator[None]:
    """Record what a block of code reads, logs and makes, as a run of its own (as ``%%track NAME`` does a cell).

    Parameters
    ----------
    name : str
        The run's name.
    tags : iterable of str

    Examples
    --------
    >>> with nbops.track("train", tags=["nightly"]):
    ...     nbops.log_metric("mae", 41.2)
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"track() needs a name, got {name!r}")
    session = _session()
    if session is None:
        yield
        return
    frame = sys._getframe(2)  # the caller's; 1 is contextlib's
    start = CellStart(source=script_text(frame.f_code.co_filename), name=name, tags=tuple(tags))
    cell = session.begin(start, frame.f_globals)
    del frame
    if cell is None:
        if session.here and (outer := session.cell) is not None:
            said = f"the block {redact_text(name)!r} ran within this one and is part of it: no run of its own"
            outer.notes.append(said)
            if not outer.start.code:  # a script has no card to say it in
                print(f"nbops: {said}", file=sys.stderr)  # noqa: T201
        yield
        return
    error: BaseException | None = None
    try:
        yield
    except BaseException as problem:
        error = problem
        raise
    finally:
        outcome = session.end(cell, error)
        if outcome.problem:
            print(f"nbops: {outcome.problem}", file=sys.stderr)  # noqa: T201  (a script has no card to say it in)


def log_param(name: str, value: Any) -> None:
    """Record a parameter. A later value of the same name replaces an earlier one; secrets are redacted."""
    log_params({name: value})


def log_params(params: Mapping[str, Any]) -> None:
    """Record several parameters."""
    cell = _cell()
    for name in params:
        _named("a parameter", name)
    if cell is not None:
        cell.params.update(params)


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Record a number.

    Parameters
    ----------
    name : str
    value : float
        Any real number, numpy's too; NaN is kept as such.
    step : int, optional
        Its place in a series (an epoch, an iteration). Every step is kept; the card shows the last.

    Raises
    ------
    UsageError
        If `value` is not a number, or `step` no whole one.
    """
    cell = _cell()
    _named("a metric", name)
    metric = Metric(name=name, value=number(name, value), step=None if step is None else _step(name, step))
    if cell is not None:
        cell.metrics.append(metric)
        _tell(metric)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Record several numbers."""
    for name, value in metrics.items():
        log_metric(name, value, step)


def log_artifact(path_or_bytes: str | os.PathLike[str] | bytes, name: str | None = None) -> None:
    """Keep a file, or bytes, with the run.

    Parameters
    ----------
    path_or_bytes : path or bytes
    name : str, optional
        By default the file's own; needed for bytes.

    Raises
    ------
    InputDataError
        If there is no such file.
    UsageError
        If bytes come without a name.
    """
    session, cell = _session(), _cell()
    if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
        if not name:
            raise UsageError("log_artifact(bytes) needs a name: log_artifact(data, name='plot.png')")
        content = bytes(path_or_bytes)
        if session is None or cell is None:
            return
        keep, size = partial(session.workspace.artifacts.put_bytes, content), len(content)
    else:
        path = Path(path_or_bytes)
        if not path.is_file():
            raise InputDataError(f"log_artifact: there is no file {str(path)!r} (from {Path.cwd()})")
        name = name or path.name
        if session is None or cell is None:
            return
        keep, size = partial(session.workspace.artifacts.put_file, path), path.stat().st_size
    try:
        digest = keep()
    except (StoreError, OSError) as error:  # a failure to keep it is ours to say, not the user's to catch
        cell.notes.append(redact_text(f"the artifact {name!r} is not kept: {error}"))
        return
    media = _MEDIA.get(Path(name).suffix.lower(), "application/octet-stream")
    cell.artifacts.append(Artifact(name=redact_text(name), kind="file", digest=digest, size=size, media=media))


def log_model(estimator: Any, name: str) -> None:
    """Keep a fitted estimator under a name. Where models are logged, only these are candidates for promotion.

    Raises
    ------
    UsageError
        If it is a plain value, which can't have been fitted.
    """
    _named("a model", name)
    try:
        weakref.ref(estimator)
    except TypeError:
        said = redact_text(f"{estimator!r:.100}")
        raise UsageError(
            f"log_model takes a fitted estimator, got {said} of type {type(estimator).__name__};"
            " log numbers with log_metric, files with log_artifact"
        ) from None
    session, cell = _session(), _cell()
    if session is not None and cell is not None:
        session.keep_model(cell, estimator, name)


def set_tag(tag: str) -> None:
    """Tag the run."""
    cell = _cell()
    if not isinstance(tag, str) or not tag:
        raise UsageError(f"a tag is a non-empty string, got {tag!r}")
    if cell is not None:
        cell.tags.append(redact_text(tag))


def _session() -> Session | None:
    """The session; None, and a sentence on stderr, where none can be opened: what logs must not fail for that."""
    try:
        return current_session()
    except NbopsError as error:
        print(f"nbops: not recorded: {redact_text(str(error))}", file=sys.stderr)  # noqa: T201
        return None


def _cell() -> OpenCell | None:
    """Where to log to; None where nothing is recorded (disabled, off, a forked child)."""
    session = _session()
    if session is None or session.off or not session.here:
        return None
    return session.cell or session.outside()


def _tell(metric: Metric) -> None:
    session = _session()
    for listener in list(session.listeners) if session is not None else ():
        try:
            listener(metric)
        except Exception:  # noqa: BLE001  a chart that can't be drawn must not end a training
            session.listeners.remove(listener)  # type: ignore[union-attr]


def _step(name: str, step: Any) -> int:
    try:
        return int(step)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"the step of the metric {name!r} must be a whole number, got {step!r:.100}") from None


def _named(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{what} needs a name: a non-empty string, got {name!r}")
