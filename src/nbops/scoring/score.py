"""A deployment applied to data: the same input and version are the same run, whole or not at all.

The order of effects, so that a process killed anywhere leaves nothing half-visible and the same command completes
it:

1. a run of kind SCORE, in progress;
2. predictions, quarantine and profile as artifacts, which nobody finds yet;
3. the output folder, written beside its place;
4. one transaction: the scoring, the run's end, an alert if many rows were rejected. The store takes one scoring
   per (deployment, model, version, input): of two processes the second gives the first one's back;
5. the folder is renamed to its place.

Killed before 4, the run is shown as LOST and the command scores anew; after 4, it finds the scoring and makes the
folder from the artifacts.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from nbops.core.canonical import digest
from nbops.core.deployments import Deployment, Scoring
from nbops.core.errors import InputDataError, SettingsError, StoreError
from nbops.core.ids import new_id
from nbops.core.models import ModelVersion
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact, Run, RunKind, RunStatus
from nbops.datafiles import read as datafiles
from nbops.monitor import alerts
from nbops.monitor.drift import PREDICTION_REFERENCE
from nbops.monitor.predictions import OWN_COLUMNS, id_prefix, profile_name
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import Profiler
from nbops.registry.serving import serving
from nbops.scoring import output_folder
from nbops.scoring.prediction import predict
from nbops.scoring.quarantine import FILE as QUARANTINE
from nbops.scoring.screening import contract_of
from nbops.scoring.stream import Streamed, Task, stream
from nbops.store import deployments, records, runs
from nbops.store.artifacts import digest_of
from nbops.store.liveness import this_process
from nbops.workspace import Workspace, relative


def score(
    ws: Workspace,
    deployment_name: str,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    period: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Scoring:
    """Score files with the version a deployment serves.

    Parameters
    ----------
    ws : Workspace
    deployment_name : str
    inputs : sequence of path or str
        CSV, TSV or Parquet files, or globs. Together they are one input, in the order of their paths.
    output : path
        The folder in which the scoring's own folder appears.
    period : str, optional
        What part of the data this is ("2011-07"); by default the file's name without its ending.
    progress : callable, optional
        Called with the number of rows read so far.

    Returns
    -------
    Scoring
        The one made before, if this version has scored this input already; its folder is made again if it is
        gone.

    Raises
    ------
    UnknownNameError
        For an unknown deployment, or one whose alias stands for no version.
    InputDataError
        If an input can't be read, lacks a column, has a column of another type, has no rows, or changes while
        it is read. A file and a column are named.
    CorruptArtifactError, UntrustedModelError
        If the model file is damaged or not to be trusted.
    ExecutionError
        If the model fails.
    StoreFullError, StoreReadOnlyError, StoreLockedError
        If the result can't be kept.
    """
    deployment = deployments.get(ws.store, deployment_name)
    version = serving(ws, deployment)
    files = datafiles.find_files(inputs)
    before = [_state(file) for file in files]
    content = input_digest(files)
    known = deployments.find_scoring(ws.store, deployment.name, version.name, version.number, content)
    if known is not None:
        return _shown_again(ws, known, Path(output))
    keys = ws.settings.deployment(deployment.name).key
    for key in keys:
        if key in OWN_COLUMNS:
            raise SettingsError(f"[deployments.{deployment.name}] key: {key!r} is a column nbops writes; rename it")
    scored_at, began = ws.clock.now(), time.perf_counter()
    period = period or _period(files)
    run = _begin(ws, deployment, version, files, content, period, scored_at)
    try:
        model, reference = _model(ws, deployment, version)
        profile = Profile.from_bytes(ws.artifacts.read_bytes(version.profile)) if version.profile else None
        task = Task(
            files=files,
            model=model,
            version=version,
            contract=contract_of(version, profile),
            keys=keys,
            prefix=id_prefix(deployment=deployment.name, model=version.name, version=version.number, input=content),
            run=run.id,
            scored_at=scored_at,
            withholds=ws.settings.capture.withholds,
        )
        streamed = stream(task, ws.artifacts, progress)
        for file, state in zip(files, before, strict=True):
            if _state(file) != state:
                raise InputDataError(f"{file}: the file changed while it was read; score it when it is finished")
        folder = Path(output) / output_folder.folder_name(
            deployment=deployment.name,
            model=version.name,
            version=version.number,
            input=content,
            period=period,
        )
        scoring = Scoring(
            run=run.id,
            deployment=deployment.name,
            model=version.name,
            version=version.number,
            period=period,
            input=content,
            output=relative(ws, folder),
            predictions=streamed.predictions,
            rows=streamed.rows,
            rejected=streamed.rejected,
            profile=streamed.profile,
            scored_at=scored_at,
            seconds=time.perf_counter() - began,
        )
        run = dataclasses.replace(run, detail={**run.detail, **_detail(streamed, reference)})
        return _publish(ws, run, scoring, streamed, folder)
    except BaseException as error:
        _failed(ws, run, error)
        raise


def input_digest(files: Sequence[Path]) -> str:
    """The identity of an input: the content of its files, in order; their names don't matter.

    Raises
    ------
    InputDataError
        If one can't be read.
    """
    try:
        return digest({"files": [digest_of(file) for file in files]})
    except OSError as error:
        raise InputDataError(f"{error.filename}: can't be read ({error.strerror}); check its permissions") from error


def _begin(
    ws: Workspace,
    deployment: Deployment,
    version: ModelVersion,
    files: Sequence[Path],
    content: str,
    period: str,
    at: datetime,
) -> Run:
    run = Run(
        id=new_id(),
        kind=RunKind.SCORE,
        name=f"score {deployment.name} {period}",
        experiment=deployment.name,
        status=RunStatus.IN_PROGRESS,
        started_at=at,
        owner=this_process(),
        detail={
            "deployment": deployment.name,
            "model": version.name,
            "version": version.number,
            "period": period,
            "input": content,
            "files": [relative(ws, file) for file in files],
        },
    )
    with ws.store.transaction() as tx:
        runs.save(tx, run)
    return run


def _model(ws: Workspace, deployment: Deployment, version: ModelVersion) -> tuple[Any, str | None]:
    """The model, and the profile of what it predicts on its evaluation rows (made once a version)."""
    from nbops.registry.loading import load_version

    model = load_version(ws, version)
    for earlier in deployments.scorings(ws.store, deployment.name):
        if (earlier.model, earlier.version) == (version.name, version.number):
            return model, runs.as_stored(ws.store, earlier.run).detail.get(PREDICTION_REFERENCE)
    if version.evaluation is None:
        return model, None
    import pyarrow as pa
    import pyarrow.parquet as pq

    inputs = tuple(field.name for field in version.signature.inputs)
    profiler = Profiler()
    with pq.ParquetFile(ws.artifacts.verified(version.evaluation)) as file:
        for batch in file.iter_batches(batch_size=datafiles.BATCH_ROWS):
            values = predict(model, batch.to_pandas().iloc[:, : len(inputs)]).values
            profiler.add(pa.record_batch({profile_name(inputs): values}))
    return model, ws.artifacts.put_bytes(profiler.profile().to_bytes())


def _detail(streamed: Streamed, reference: str | None) -> dict[str, Any]:
    return {
        "rows": streamed.rows,
        "rejected": streamed.rejected,
        "predictions": streamed.predictions,
        "quarantine": streamed.quarantine,
        "profile": streamed.profile,
        PREDICTION_REFERENCE: reference,
    }


def _publish(ws: Workspace, run: Run, scoring: Scoring, streamed: Streamed, folder: Path) -> Scoring:
    """Steps 3 to 5."""
    partial = output_folder.prepare(ws.artifacts, scoring, _files(run), folder)
    try:
        with ws.store.transaction() as tx:
            winner = deployments.find_scoring(tx, scoring.deployment, scoring.model, scoring.version, scoring.input)
            ended = ws.clock.now()
            if winner is None:
                runs.save(tx, dataclasses.replace(run, status=RunStatus.COMPLETED, ended_at=ended))
                for artifact in _artifacts(streamed):
                    records.add_artifact(tx, run.id, 0, artifact)
                deployments.add_scoring(tx, scoring)
                alerts.rejected(tx, scoring)
            else:
                detail = {**run.detail, "scoring": winner.run}
                runs.save(tx, dataclasses.replace(run, status=RunStatus.CACHED, ended_at=ended, detail=detail))
    except BaseException:
        output_folder.discard(partial)
        raise
    if winner is not None:
        output_folder.discard(partial)
        return _shown_again(ws, winner, folder.parent)
    output_folder.reveal(partial, folder, scoring)
    return scoring


def _artifacts(streamed: Streamed) -> list[Artifact]:
    parquet, text = "application/vnd.apache.parquet", "text/csv"
    found = [
        Artifact(
            name=output_folder.PREDICTIONS,
            kind="file",
            digest=streamed.predictions,
            size=streamed.predictions_size,
            media=parquet,
        ),
        Artifact(name="profile", kind="profile", digest=streamed.profile, size=0, media="application/octet-stream"),
    ]
    if streamed.quarantine is not None:
        found.append(
            Artifact(
                name=QUARANTINE, kind="file", digest=streamed.quarantine, size=streamed.quarantine_size, media=text
            )
        )
    return found


def _files(run: Run) -> dict[str, str]:
    """The files of the output folder, by name."""
    named = {output_folder.PREDICTIONS: run.detail["predictions"], QUARANTINE: run.detail["quarantine"]}
    return {name: kept for name, kept in named.items() if kept is not None}


def _shown_again(ws: Workspace, scoring: Scoring, output: Path) -> Scoring:
    """A scoring made before; its folder is made again from the artifacts if it isn't in `output`."""
    folder = output / output_folder.folder_name(
        deployment=scoring.deployment,
        model=scoring.model,
        version=scoring.version,
        input=scoring.input,
        period=scoring.period,
    )
    scoring = dataclasses.replace(scoring, output=relative(ws, folder))
    if not output_folder.is_whole(folder, scoring):
        run = runs.as_stored(ws.store, scoring.run)
        partial = output_folder.prepare(ws.artifacts, scoring, _files(run), folder)
        output_folder.reveal(partial, folder, scoring)
    return scoring


def _failed(ws: Workspace, run: Run, error: BaseException) -> None:
    """Say in the run how it ended, unless it had ended (its scoring is in the store) or the store can't be written:
    then the run is shown as LOST, and what went wrong is what the caller is told."""
    status = RunStatus.FAILED if isinstance(error, Exception) else RunStatus.STOPPED
    said = redact_text(f"{type(error).__name__}: {error}")
    with suppress(StoreError), ws.store.transaction() as tx:
        if not runs.as_stored(tx, run.id).status.ended:
            runs.save(tx, dataclasses.replace(run, status=status, ended_at=ws.clock.now(), error=said))


def _period(files: Sequence[Path]) -> str:
    first, last = datafiles.stem(files[0]), datafiles.stem(files[-1])
    return first if len(files) == 1 else f"{first}_to_{last}"


def _state(file: Path) -> tuple[int, int]:
    state = file.stat()
    return state.st_size, state.st_mtime_ns
