"""`Run`: one thing that was done. `CellRecord`: one execution of one tracked cell, under a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from nbops.core.fingerprint import Fingerprint

RECORD_FORMAT = 1
"""The version of a record's payload. Bump it when a reader of the old one would misread the new one;
readers of the older ones stay, with a test each."""


class RunKind(StrEnum):
    SESSION = "session"  # a kernel's life: what unnamed tracked cells belong to
    BLOCK = "block"  # one execution of a cell marked %%track NAME, or of `with nbops.track("NAME")`
    STEP = "step"  # one notebook executed by papermill
    PIPELINE = "pipeline"  # several steps
    SWEEP = "sweep"  # one notebook for many points of its parameters
    SCORE = "score"  # a deployment applied to data
    CHECK = "check"  # a look at data or a deployment: drift, contract, performance


class RunStatus(StrEnum):
    """The seven words of jupyter-scheduler, and three of ours. LOST is only ever shown, never written by a reader."""

    CREATED = "CREATED"
    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"
    CACHED = "CACHED"
    LOST = "LOST"

    @property
    def ended(self) -> bool:
        return self not in (self.CREATED, self.QUEUED, self.IN_PROGRESS, self.STOPPING)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that will close a run. If it is gone and the run is open, the run is LOST."""

    host: str
    pid: int
    started: str  # the process's start time as the system tells it: a pid alone comes again
    boot: str = ""  # the machine's boot id, where the system has one


@dataclass(frozen=True, kw_only=True)
class Run:
    """`code` and `environment` are what was captured of them (see :mod:`nbops.capture`);
    `detail` is what its kind adds: a step's cache key and outputs, a scoring's row counts."""

    id: str
    kind: RunKind
    name: str
    experiment: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None = None
    parent: str | None = None
    notebook: str | None = None  # path relative to the workspace's root where it lies below it
    owner: Owner | None = None
    error: str | None = None  # "ErrorName: message", redacted
    tags: tuple[str, ...] = ()
    code: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DataUse:
    """A named piece of data that a cell read or wrote."""

    name: str
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True)
class FileUse:
    """A file that a cell read or wrote. `path` is relative to the workspace root where it lies below it;
    a URL carries no credentials. `digest` is that of the file's fingerprint, None if it was not hashed. `not_kept`
    says why its content is only fingerprinted; None if it is kept, or about to be."""

    path: str
    mode: str  # "read" or "write"
    digest: str | None
    size: int | None = None
    reason: str | None = None
    not_kept: str | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number, and what it was computed on. `data` is the digest of the y_true it was computed against,
    `model` the digest of the model that predicted, where these were seen. `source` is the function
    called ("sklearn.metrics.mean_absolute_error") or "log_metric"; `on` is what the cell's text calls that data."""

    name: str
    value: float
    step: int | None = None
    source: str = "log_metric"
    model: str | None = None
    data: str | None = None
    line: int | None = None
    on: str | None = None


SEARCH_TABLE = "cv_results.json"  # the artifact that has the scores of a search's candidates, without times


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Content kept in the artifact store under its digest (``a1:blake3:<hex>``)."""

    name: str
    # model, fits, figure, evaluation, profile, rows, notebook, source, module, query, environment, file, detail
    kind: str
    digest: str
    size: int
    media: str = "application/octet-stream"
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    """A fitted estimator. `name` is the variable it was bound to at the cell's end (or the logged name);
    `digest` names its artifact, None if it could not be kept, `reason` then says why.

    `profile`, `evaluation`, `rows` and `gave` are digests of artifacts: the training profile of the inputs and
    target; the kept evaluation rows (a Parquet file: the inputs, then the target as its last column); samples of the
    rows that it was fitted on, and that its ``fit_transform`` gave (:mod:`nbops.fingerprints.rows`)."""

    name: str
    type: str
    digest: str | None
    reason: str | None = None
    format: str | None = None  # "skops" or "pickle"
    params: Mapping[str, Any] = field(default_factory=dict)
    signature: Mapping[str, Any] | None = None
    trained_on: str | None = None  # digest of the fingerprint of X at fit
    on: str | None = None  # what the cell's text calls X
    profile: str | None = None
    evaluation: str | None = None
    rows: str | None = None
    gave: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # computed on the evaluation rows
    logged: bool = False  # named by nbops.log_model: then only logged models are candidates


class CellStatus(StrEnum):
    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """What one execution of one cell read, did and made."""

    run: str
    seq: int  # 0, 1, … within the run
    cell_id: str | None
    source: str  # digest of the cell's source text as executed
    execution_count: int | None
    status: CellStatus
    error: str | None = None
    seconds: float = 0.0  # the cell's own
    overhead_s: float = 0.0  # ours
    peak_memory_mb: float | None = None
    reads: tuple[DataUse, ...] = ()
    writes: tuple[DataUse, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    models: tuple[ModelUse, ...] = ()
    files: tuple[FileUse, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be recorded, in plain words
    uncacheable: tuple[str, ...] = ()  # "url", "database", "clock", "random": why a step isn't cached
    started_at: datetime | None = None
    format: int = RECORD_FORMAT
