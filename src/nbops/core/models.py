"""`Signature`, `ModelVersion`, `GateResult`, `Promotion`, `Approval`: a model on its way into production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """One input column: `type` is one of number, integer, boolean, string, datetime, category."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model takes and gives. `inputs` are in the order the model was fitted with."""

    inputs: tuple[Field, ...]
    output: Field
    task: str  # regression or classification
    classes: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """Immutable once registered; numbers ascend and are never used again."""

    name: str
    number: int
    run: str
    artifact: str  # digest of the model file
    format: str  # skops or pickle
    type: str  # the estimator's class
    signature: Signature
    profile: str | None  # digest of the training profile
    evaluation: str | None  # digest of the kept evaluation rows
    metrics: Mapping[str, float]
    libraries: Mapping[str, str]  # versions at training
    judged: str | None = None  # digest of the model the gates judged, if this one is its refit on all rows
    allowed_types: tuple[str, ...] = ()  # beyond the reviewed list, by choice
    allowed_by: str | None = None
    allowed_why: str | None = None
    created_at: datetime
    created_by: str


class Outcome(StrEnum):
    """`PENDING`: a person has yet to say."""

    PASSED = "passed"
    PENDING = "pending"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """`asked` and `seen` are sentences for people; `why` says it in one line."""

    gate: str
    outcome: Outcome
    asked: str
    seen: str
    why: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


class Action(StrEnum):
    PROMOTED = "promoted"
    PENDING = "pending"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"

    @property
    def moves(self) -> bool:
        """Did the alias move by it?"""
        return self in (Action.PROMOTED, Action.ROLLED_BACK)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One line of the append-only history of a model's aliases. A refusal, or a candidate that waits for approval,
    changes nothing but is here too (`to_version` is then None and `run` names the candidate's run)."""

    id: str
    model: str
    alias: str
    deployment: str | None
    action: Action
    from_version: int | None
    to_version: int | None
    run: str | None
    results: tuple[GateResult, ...]
    by: str
    at: datetime
    cause: str | None = None  # the decision that asked for it, or None for a person


class ApprovalState(StrEnum):
    """`REFUSED`: approved, but judged again then a gate said no."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A candidate that has passed its gates and waits for a second person, or did. `asked` is its line in the history,
    by whoever asked; `promotion` is the id of the line that settled it. What is needed to judge it again is kept:
    `source` is a run's id, `candidate` and `artifact` the model's name and file, `bounds` those of the call."""

    asked: Promotion
    source: str
    candidate: str
    artifact: str
    bounds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    allow_types: tuple[str, ...] = ()
    types_why: str | None = None
    state: ApprovalState = ApprovalState.PENDING
    decided_by: str | None = None
    decided_at: datetime | None = None
    why: str | None = None
    promotion: str | None = None

    @property
    def id(self) -> str:
        return self.asked.id
