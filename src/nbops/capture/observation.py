"""What a tracked cell is watched with, and what was seen when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbops.capture.data import Seen
from nbops.core.runs import Artifact, FileUse, Metric, ModelUse
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A tracked cell or block. What is kept goes to the workspace's artifacts, within its settings. `code` is the
    cell's text; empty where it isn't known."""

    workspace: Workspace
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What was seen in one scope. `overhead_s` is our time (seconds) inside the cell's own, the end not counted.

    `models` are in an order in which the last one of a name is the one the cell ends with; an evaluated state of it
    that was fitted again afterwards comes before. `seen` is {id: (object, its fingerprint)} of what was fingerprinted
    at the scope's end."""

    metrics: tuple[Metric, ...] = ()
    series: tuple[Metric, ...] = ()
    models: tuple[ModelUse, ...] = ()
    files: tuple[FileUse, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    uncacheable: tuple[str, ...] = ()
    overhead_s: float = 0.0
    seen: Seen = field(default_factory=dict)
