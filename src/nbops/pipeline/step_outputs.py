"""What a step has made: its declared outputs, looked for, digested and kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbops.core.errors import ExecutionError
from nbops.settings import Step
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace


def kept_outputs(ws: Workspace, step: str, spec: Step, handed_on: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Each declared output: ``{"kind": "file" or "handover", "digest", "size", "kept"}``. The content of a file is
    kept if it is smaller than ``store.keep_under_mb``.

    Raises
    ------
    ExecutionError
        If the notebook came to its end without making one of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in spec.outputs:
        file = ws.root / name
        if name in handed_on:
            size = ws.artifacts.path(handed_on[name]).stat().st_size
            found[name] = {"kind": "handover", "digest": handed_on[name], "size": size, "kept": True}
        elif file.is_file():
            size = file.stat().st_size
            keep = size < ws.settings.store.keep_under_mb * 1e6
            digest = ws.artifacts.put_file(file) if keep else digest_of(file)
            found[name] = {"kind": "file", "digest": digest, "size": size, "kept": keep}
        else:
            raise ExecutionError(
                f"step {step!r} came to its end but made no output {name!r}: there is no such file in {ws.root}, and"
                f" nbops.output({name!r}, …) was not called; correct the notebook or nbops.toml"
            )
    return found
