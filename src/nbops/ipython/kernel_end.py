"""The end of a kernel, heard of while the process still lives.

A kernel that is asked to shut down ends its children first. Those that won't go for a signal (the workers that
``n_jobs=2`` started are among them) hold it up until Jupyter kills it, and Python's exit handlers never run. So the
session is closed as soon as the shell is told; the kernel's main thread has nothing else to do then.
"""

from __future__ import annotations

from typing import Any

from nbops.capture.current import close_session
from nbops.ipython.hooks import CellHooks

_TOLD = "exit_now"  # the shell's trait that a shutdown request and ``exit()`` set


class KernelEnd:
    """Listens to a shell. One without a kernel (a terminal) ends as Python does, and needs nobody to listen."""

    def __init__(self, shell: Any, hooks: CellHooks) -> None:
        self.shell, self.hooks = shell, hooks
        self.shell.observe(self._told, _TOLD)

    def stop(self) -> None:
        self.shell.unobserve(self._told, _TOLD)

    def _told(self, change: Any) -> None:
        """In whichever thread the request came; the store's connection is the main thread's."""
        loop = getattr(getattr(self.shell, "kernel", None), "io_loop", None)
        if change["new"] and loop is not None:
            loop.add_callback(self._close)

    def _close(self) -> None:
        if self.shell.exit_now and not self.hooks.running:  # a cell that awaits something is still to be recorded
            close_session()
