"""``nbops.output`` and ``nbops.input``: what one notebook hands on to the next, typed and by content.

A value goes into the artifact store in the format of its type and belongs to the run that made it; the next step is
told the digest it may read, so it finds what this pipeline run made, whatever runs beside it. Nothing is pickled:
a value that has no format here is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any

from nbops.core.canonical import canonical, parse
from nbops.core.errors import NbopsError, NotCanonicalError, UnknownNameError, UsageError
from nbops.core.ids import new_id
from nbops.core.redaction import holds_hidden
from nbops.core.runs import Artifact, Run, RunKind, RunStatus
from nbops.modelfiles import load as load_model
from nbops.modelfiles import save as save_model
from nbops.pipeline.step_run import RUN_LEVEL
from nbops.store import records, runs
from nbops.store.database import Reader
from nbops.workspace import Workspace, open_workspace

KIND = "handover"
INPUTS = "NBOPS_INPUTS"


@dataclass(frozen=True, kw_only=True)
class Format:
    """How values of a type are written and read. `takes` must not import the library it asks about."""

    name: str
    media: str
    takes: Callable[[Any], bool]
    write: Callable[[Any, IO[bytes]], None]
    read: Callable[[Path], Any]


def output(name: str, value: Any) -> None:
    """Hand a value on to the steps after this one.

    Parameters
    ----------
    name : str
        What :func:`input` asks for. A later value of the same name replaces the earlier one.
    value : object
        A pandas DataFrame or Series or an Arrow table (kept as Parquet), an ndarray, a fitted scikit-learn
        estimator (kept as skops), or JSON: dict with string keys, list, str, int, float, bool, None. A tuple comes
        back as a list, a number of NumPy's as Python's.

    Raises
    ------
    UsageError
        For a value of another type, or one that its format can't hold.
    """
    ws = open_workspace()
    artifact = _kept(ws, name, value)
    run_id = os.environ.get("NBOPS_RUN_ID")
    with ws.store.transaction() as tx:
        if not run_id:  # outside of a step: a small run of its own, so that it can be found and told apart
            now = ws.clock.now()
            run_id = new_id()
            runs.save(
                tx,
                Run(
                    id=run_id,
                    kind=RunKind.BLOCK,
                    name=f"output {name}",
                    experiment="interactive",
                    status=RunStatus.COMPLETED,
                    started_at=now,
                    ended_at=now,
                ),
            )
        records.add_artifact(tx, run_id, RUN_LEVEL, artifact)


def input(name: str) -> Any:
    """The value that an earlier step handed on.

    In a pipeline, what the steps before this one made in this pipeline run (a list, in order, from a step with
    `foreach`); otherwise the newest of that name in the workspace.

    Raises
    ------
    UnknownNameError
        If nothing of that name was handed on.
    CorruptArtifactError
    """
    ws = open_workspace()
    told = os.environ.get(INPUTS)
    if told is not None:
        digests: dict[str, str | list[str]] = json.loads(told)
        if name not in digests:
            raise UnknownNameError(
                "handed-on value", name, digests, hint="the steps before this one in the pipeline hand on no such name"
            )
        digest = digests[name]
        if isinstance(digest, list):  # one for each value of the step's foreach
            return [_value(ws, _there(records.artifact_by_digest(ws.store, KIND, name, each), name)) for each in digest]
        return _value(ws, _there(records.artifact_by_digest(ws.store, KIND, name, digest), name))
    return _value(ws, _there(records.newest_artifact(ws.store, KIND, name), name))


def handed_on(reader: Reader, run: Run) -> dict[str, str]:
    """What a step run hands on: {name: digest}. A cached run hands on what the run it stands for did."""
    source = str(run.detail.get("cached_from", run.id))
    return {a.name: a.digest for a in records.artifacts(reader, source, KIND)}


def about(ws: Workspace, name: str, digest: str) -> dict[str, Any]:
    """What a condition may ask of a handed-on value: ``size`` in bytes; ``rows`` and ``value``, called if needed."""
    artifact = _there(records.artifact_by_digest(ws.store, KIND, name, digest), name)
    known: dict[str, Any] = {"size": artifact.size, "rows": lambda: _rows(ws, artifact)}
    if artifact.about["format"] == "json":
        known["value"] = lambda: _value(ws, artifact)
    return known


def _rows(ws: Workspace, artifact: Artifact) -> int:
    if artifact.media == _PARQUET:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(ws.artifacts.path(artifact.digest)).num_rows)
    value = _value(ws, artifact)
    return len(value) if hasattr(value, "__len__") else 1


def _there(found: Artifact | None, name: str) -> Artifact:
    if found is None:
        raise UnknownNameError(
            "handed-on value", name, hint=f"no notebook in this workspace has called nbops.output({name!r}, …)"
        )
    return found


def _kept(ws: Workspace, name: str, value: Any) -> Artifact:
    if _is_estimator(value):
        saved = save_model.save(value, ws.artifacts)
        if saved.digest is None:
            raise UsageError(f"nbops.output({name!r}): the {saved.type} can't be handed on: {saved.reason}")
        about: Mapping[str, Any] = {"format": "model", "type": saved.type}
        return Artifact(name=name, kind=KIND, digest=saved.digest, size=saved.size, about=about)
    form = next((f for f in FORMATS.values() if f.takes(value)), None)
    if form is None:
        raise UsageError(
            f"nbops.output({name!r}): a {type(value).__module__}.{type(value).__qualname__} can't be handed on;"
            f" known: {', '.join(FORMATS)}, model. Write it to a file and declare the file as an output instead"
        )
    try:
        with ws.artifacts.writing() as pending:
            form.write(value, pending.file)
            pending.file.flush()
            if _holds_secret(pending.path):
                raise UsageError(
                    f"nbops.output({name!r}): it holds a secret, which is kept nowhere; a step that needs it has a"
                    " parameter nbops.param(secret=True, …) of its own"
                )
    except NotCanonicalError as error:
        raise UsageError(f"nbops.output({name!r}): {error}") from None
    except NbopsError:
        raise
    except (ValueError, TypeError, NotImplementedError) as error:  # pyarrow's errors are ValueErrors and TypeErrors
        raise UsageError(f"nbops.output({name!r}): {form.name} can't hold this value: {error}") from error
    about = {"format": form.name, "type": f"{type(value).__module__}.{type(value).__qualname__}"}
    return Artifact(name=name, kind=KIND, digest=pending.digest, size=pending.size, media=form.media, about=about)


def _holds_secret(path: Path) -> bool:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content, memoryview(content) as view:
        return holds_hidden(view)


def _value(ws: Workspace, artifact: Artifact) -> Any:
    path = ws.artifacts.verified(artifact.digest)
    form = artifact.about["format"]
    return load_model.load(path, "skops") if form == "model" else FORMATS[form].read(path)


def _is_estimator(value: Any) -> bool:
    return callable(getattr(value, "get_params", None)) and callable(getattr(value, "fit", None))


def _of(value: Any, module: str, *names: str) -> bool:
    """Is the value of a class of that library, asked without importing it?"""
    return any(c.__module__.partition(".")[0] == module and c.__name__ in names for c in type(value).__mro__)


def _write_frame(value: Any, file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(value), file)


def _read_frame(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pandas()


def _write_series(value: Any, file: IO[bytes]) -> None:
    _write_frame(value.to_frame(name="value" if value.name is None else value.name), file)


def _read_series(path: Path) -> Any:
    return _read_frame(path).iloc[:, 0]


def _read_unnamed(path: Path) -> Any:
    return _read_series(path).rename(None)


def _write_table(value: Any, file: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    pq.write_table(value, file)


def _read_table(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _write_array(value: Any, file: IO[bytes]) -> None:
    import numpy as np

    np.save(file, value, allow_pickle=False)


def _read_array(path: Path) -> Any:
    import numpy as np

    with path.open("rb") as file:
        return np.load(file, allow_pickle=False)


def _write_json(value: Any, file: IO[bytes]) -> None:
    file.write(canonical(_plain(value)).encode())


def _plain(value: Any) -> Any:
    """With Python's numbers for NumPy's."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.item() if _of(value, "numpy", "generic") else value


def _read_json(path: Path) -> Any:
    return parse(path.read_text(encoding="utf-8"))


_PARQUET = "application/vnd.apache.parquet"
FORMATS = {
    f.name: f
    for f in (
        Format(
            name="frame",
            media=_PARQUET,
            takes=lambda v: _of(v, "pandas", "DataFrame"),
            write=_write_frame,
            read=_read_frame,
        ),
        Format(
            name="series",
            media=_PARQUET,
            takes=lambda v: _of(v, "pandas", "Series") and v.name is not None,
            write=_write_series,
            read=_read_series,
        ),
        Format(
            name="unnamed series",
            media=_PARQUET,
            takes=lambda v: _of(v, "pandas", "Series"),
            write=_write_series,
            read=_read_unnamed,
        ),
        Format(
            name="table",
            media=_PARQUET,
            takes=lambda v: _of(v, "pyarrow", "Table"),
            write=_write_table,
            read=_read_table,
        ),
        Format(
            name="array",
            media="application/x-npy",
            takes=lambda v: _of(v, "numpy", "ndarray"),
            write=_write_array,
            read=_read_array,
        ),
        Format(
            name="json",
            media="application/json",
            takes=lambda v: (
                v is None or isinstance(v, (dict, list, tuple, str, int, float, bool)) or _of(v, "numpy", "generic")
            ),
            write=_write_json,
            read=_read_json,
        ),
    )
}
