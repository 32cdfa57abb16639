"""Temporary stand-in for nbops.capture.instruments until it lands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scope:
    workspace: Any


@dataclass(frozen=True, kw_only=True)
class Observations:
    metrics: tuple[Any, ...] = ()
    series: tuple[Any, ...] = ()
    models: tuple[Any, ...] = ()
    files: tuple[Any, ...] = ()
    artifacts: tuple[Any, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    uncacheable: tuple[str, ...] = ()
    overhead_s: float = 0.0


class Instruments:
    def install(self) -> None: ...
    def uninstall(self) -> None: ...
    def begin(self, scope: Scope) -> None: ...
    def end(self, namespace: Mapping[str, Any]) -> Observations:
        return Observations()
