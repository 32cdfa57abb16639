"""``%load_ext nbops`` and back: what is put into the shell, and taken out of it again, piece by piece.

In the kernel of a papermill step (``NBOPS_RUN_ID`` is set) every cell is tracked from the first one on. With
``NBOPS_DISABLED=1`` the magics are there and do nothing, so a notebook that uses them still runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from nbops.capture.current import DISABLED, close_session, open_by
from nbops.ipython.hooks import CellHooks
from nbops.ipython.kernel_end import KernelEnd
from nbops.ipython.magics import NbopsMagics
from nbops.ipython.output_limit import SourceLimit
from nbops.ipython.track_line import blank

_ATTRIBUTE = "_nbops"  # on the shell: a second shell in this process has its own


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was put in, and the magics that were there under our names before."""

    hooks: CellHooks
    magics: NbopsMagics
    limit: SourceLimit | None
    end: KernelEnd
    before: dict[tuple[str, str], Any]


def load(shell: Any) -> None:
    """Put nbops into a shell. Loading it again does nothing."""
    if hasattr(shell, _ATTRIBUTE):
        return
    hooks = CellHooks(shell, auto=bool(os.environ.get("NBOPS_RUN_ID")))
    magics = NbopsMagics(shell, hooks)
    table = shell.magics_manager.magics
    before = {
        (kind, name): table[kind][name] for kind, name in (("line", "nbops"), ("cell", "track")) if name in table[kind]
    }
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(blank)
    if os.environ.get(DISABLED) == "1":
        hooks.off = True
    else:
        shell.events.register("pre_run_cell", hooks.pre_run_cell)
        shell.events.register("post_run_cell", hooks.post_run_cell)
        open_by(hooks.open_session)
    limit = SourceLimit(shell) if hooks.auto else None
    setattr(
        shell, _ATTRIBUTE, Loaded(hooks=hooks, magics=magics, limit=limit, end=KernelEnd(shell, hooks), before=before)
    )


def unload(shell: Any) -> None:
    """Take nbops out again, and close the session's run."""
    loaded: Loaded | None = getattr(shell, _ATTRIBUTE, None)
    if loaded is None:
        return
    delattr(shell, _ATTRIBUTE)
    for event, callback in (
        ("pre_run_cell", loaded.hooks.pre_run_cell),
        ("post_run_cell", loaded.hooks.post_run_cell),
    ):
        if callback in shell.events.callbacks[event]:
            shell.events.unregister(event, callback)
    if blank in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(blank)
    table = shell.magics_manager.magics
    for kind, name in (("line", "nbops"), ("cell", "track")):
        table[kind].pop(name, None)
        if (kind, name) in loaded.before:
            table[kind][name] = loaded.before[kind, name]
    shell.magics_manager.registry.pop(type(loaded.magics).__name__, None)
    loaded.end.stop()
    loaded.hooks.stop()
    if loaded.limit is not None:
        loaded.limit.stop()
    open_by(None)
    close_session()
