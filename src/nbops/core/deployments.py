"""`Deployment` and what it leaves behind: scorings, label batches, reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A model by alias or pinned version, applied to data that comes in parts."""

    name: str
    model: str
    alias: str | None
    version: int | None = None  # pinned; then alias is None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """One input scored by one version: the manifest of an output folder. `run` is the run of kind SCORE.

    `period` names the part of the data ("2011-07"); reports are by period, in the order of `scored_at`."""

    run: str
    deployment: str
    model: str
    version: int
    period: str
    input: str  # digest of the input's content
    output: str  # folder
    predictions: str  # digest of the predictions file
    rows: int
    rejected: int
    profile: str | None  # digest of the profile of inputs and predictions
    scored_at: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LabelBatch:
    """Labels that arrived together: a Parquet artifact of prediction_id, label."""

    id: str
    deployment: str
    digest: str
    rows: int
    matched: int
    added_at: datetime


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Realised error of one period's predictions by one version, from the labels known at `at`."""

    deployment: str
    period: str
    version: int
    run: str
    rows: int  # predictions with a label
    scored: int  # predictions in all
    metrics: Mapping[str, float]
    at: datetime


class Severity(StrEnum):
    OK = "ok"
    WARN = "warn"
    ALERT = "alert"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """One column compared: `values` are the measures by name (psi, kl, js, ks, wasserstein, chi2_p, …);
    `why` says in plain words what moved."""

    column: str
    severity: Severity
    values: Mapping[str, float]
    why: str


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    id: str
    deployment: str
    period: str
    run: str  # the scoring that was looked at
    version: int
    rows: int
    severity: Severity
    columns: tuple[ColumnDrift, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One column's values, by the same bins at training and in a period; shares add up to 1. `labels` name the bins.
    It tells values of the data: it is shown, never kept in a notebook."""

    column: str
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    values: Mapping[str, float]  # the drift measures
    why: str


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something a person should know. `about` names its evidence (a drift report, a performance)."""

    id: str
    deployment: str
    kind: str  # drift, degradation, rejected rows, failure
    severity: Severity
    period: str | None
    message: str
    at: datetime
    about: Mapping[str, Any] = field(default_factory=dict)
