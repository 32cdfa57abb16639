"""A notebook in a kernel: papermill's client and its bookkeeping, with our extension on the kernel's command line,
a handshake before the first cell, and saves that are whole and don't cost more than the cells.

Imports papermill and nbclient; import it only when a notebook is about to be executed.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import run_sync
from papermill.engines import NotebookExecutionManager
from papermill.log import logger

from nbops import __version__
from nbops.core.errors import ExecutionError
from nbops.core.redaction import redact_text, without_hidden
from nbops.notebook import files
from nbops.pipeline import checkpointing
from nbops.pipeline.cell_outputs import OutputClient
from nbops.pipeline.conversation import Conversation, Sent
from nbops.pipeline.failures import kernel_death
from nbops.pipeline.kernel_start import how_started, kernel_specs, packages_of, ready, ready_kernel
from nbops.pipeline.output_limit import OutputLimit
from nbops.pipeline.step_run import StepContext

EXTENSION = "--IPKernelApp.extra_extensions=nbops"
SAVE_SHARE = 0.05  # at most this share of the time goes into saving while cells run
OUTPUTS_S = 60  # how long the end of a cell's outputs may take after the word that it is done
SAVE_EVERY_S = 1.0  # … and it is done at most this often

# Asked in an empty silent request, so no cell is counted and no name is bound in the user's namespace.
_QUESTION = (
    "(lambda sys: (sys.executable, getattr(sys.modules.get('nbops'), '__version__', ''),"
    " 'nbops' in get_ipython().extension_manager.loaded))(__import__('sys'))"
)
_HOOKS = ("on_cell_start", "on_cell_execute", "on_cell_complete", "on_cell_executed")


class Execution(NotebookExecutionManager):  # type: ignore[misc]  # papermill is untyped
    """Papermill's manager; tells progress, and saves whole files within a budget (papermill writes the whole
    notebook twice a cell, which is quadratic)."""

    def __init__(self, nb: Any, *, step: StepContext, output_path: str | None = None, **kwargs: Any) -> None:
        taken = {k: kwargs[k] for k in ("progress_bar", "log_output", "autosave_cell_every") if k in kwargs}
        super().__init__(nb, output_path=output_path, **taken)
        self.step = step
        self.sentence: str | None = None
        self.checkpoints: checkpointing.Checkpoints | None = None
        self.kernel: str | None = None  # "forked", or why it had to be started cold
        if step.output is not None:
            nb.metadata.papermill["output_path"] = str(step.output)
        self._cells = [i for i, c in enumerate(nb.cells) if c.cell_type == "code" and c.source.strip()]
        self.note: str | None = None  # how the notebook ended before its last cell, or its kernel with that
        self._told: dict[str, Any] = {}  # of the cell that runs
        self._began = self._free_at = time.monotonic()
        self._open = self._unsaved = False
        self.output_limit = OutputLimit()
        self.stderr: IO[bytes] | None = None
        self.session: Any = None  # of the messages to the kernel

    def last_words(self) -> str:
        """The last line the kernel's process wrote to its standard error."""
        if self.stderr is None or self.stderr.closed:
            return ""
        size = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(0, size - 4096))
        lines = self.stderr.read().decode(errors="replace").strip().splitlines()
        self.stderr.seek(0, os.SEEK_END)
        return redact_text(lines[-1].strip()) if lines else ""

    def notebook_start(self, **kwargs: Any) -> None:
        super().notebook_start(**kwargs)
        self._open = True

    def notebook_complete(self, **kwargs: Any) -> None:
        self._open = False
        self.cleanup_pbar()
        super().notebook_complete(**kwargs)

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        if self.session is not None:
            # As JupyterLab tells it: which cell this is, and its tags. nbclient sends neither.
            self.session.metadata = {"cellId": cell.get("id"), "tags": list(cell.metadata.get("tags", ()))}
        super().cell_start(cell, cell_index, **kwargs)
        if cell_index in self._cells:
            self._told = {"cell": self._cells.index(cell_index) + 1, "cells": len(self._cells)}
            self._tell()

    def _tell(self) -> None:
        self.step.tell("cell", **self._told, seconds=time.monotonic() - self._began)

    def cell_over(self, sent: Sent) -> None:
        """A cell has run, and its outputs have come: as papermill notes it, but for the time at which it ended."""
        about = sent.cell.metadata.papermill
        if self.log_output or self.pbar is not None:
            self.cell_complete(sent.cell, cell_index=sent.place)
        if about["status"] != self.FAILED:
            about["status"] = self.COMPLETED
        ended = sent.done_at or self.now()
        about["end_time"] = ended.isoformat()
        about["duration"] = (ended - datetime.fromisoformat(about["start_time"])).total_seconds()
        self.save()

    def take_over(self, place: int, old: Mapping[str, Any]) -> None:
        """A cell as an earlier attempt executed it."""
        cell = self.nb.cells[place]
        if cell.cell_type == "code":
            cell.outputs = nbformat.from_dict(old["outputs"])
            cell.execution_count = old["execution_count"]
        for key in ("papermill", "execution"):
            if key in old["metadata"]:
                cell.metadata[key] = nbformat.from_dict(old["metadata"][key])

    def autosave_cell(self, **_: Any) -> None:
        """A message has come: what is in it is saved when it is time."""
        self._unsaved = True

    def goes_on(self) -> None:
        """A long cell runs: tell for how long, and save what was too early to be saved."""
        if self._told:
            self._tell()
        if self._unsaved:
            self.save()

    def save(self, *, now: bool = False, **kwargs: Any) -> None:
        began = time.monotonic()
        if self._open and not now and began < self._free_at:
            self._unsaved = True
            return
        self._unsaved = False
        for output in (o for cell in self.nb.cells for o in cell.get("outputs", ())):
            for key, value in output.items():  # a secret that the notebook prints is in no file
                output[key] = without_hidden(value)
        if self.step.output is not None:
            self.step.output.parent.mkdir(parents=True, exist_ok=True)
            files.write(self.step.output, self.nb, durable=self.step.workspace.artifacts.durable)  # as its records are
        else:
            super().save(**kwargs)
        ended = time.monotonic()
        self._free_at = ended + max(SAVE_EVERY_S, (ended - began) / SAVE_SHARE)
        self.last_save_time = self.now()


class _Client(OutputClient):
    """Papermill's client; waits for the kernel instead of looking again and again, shakes hands with it before
    the first cell, and knows how it ended."""

    _exits = False  # the cell has asked the kernel to end: it will in a moment, and is asked nothing more
    _exit_code: int | None = None

    async def async_start_new_kernel_client(self) -> Any:
        """As nbclient's, which waits 0.2 s for silence where one message proves that the kernel is heard."""
        self.nb_man.kernel = how_started(self.km)
        self.kc = self.km.client()
        try:
            self.kc.start_channels(stdin=False, hb=False)
            self.nb["metadata"]["language_info"] = await ready(self.km, self.kc, self.startup_timeout)
        except Exception:
            await self._async_cleanup_kernel()
            raise
        self.kc.allow_stdin = False
        return self.kc

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def _async_check_alive(self) -> None:
        """Asked every second while a cell runs."""
        try:
            await super()._async_check_alive()
        except DeadKernelError:
            self._exit_code = await self.km.provisioner.poll()
            raise
        self.nb_man.goes_on()

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: Any) -> None:
        payload = ((exec_reply or {}).get("content") or {}).get("payload") or ()
        self._exits = any(said.get("source") == "ask_exit" and not said.get("keepkernel") for said in payload)
        await super()._check_raise_for_error(cell, cell_index, exec_reply)

    def execute(self, **kwargs: Any) -> None:
        """As papermill's, which asks the kernel once more at the end: a cell may have ended it by then."""
        self.reset_execution_trackers()
        with self.setup_kernel(**kwargs):
            self.papermill_execute_cells()
            self.set_widgets_metadata()

    check_alive = run_sync(_async_check_alive)
    handle_timeout = run_sync(OutputClient._async_handle_timeout)
    check_for_error = run_sync(_check_raise_for_error)

    def papermill_execute_cells(self) -> None:
        """As papermill's, cell by cell; what lies before the place to resume at isn't executed, and between the cells
        the state may be kept."""
        execution: Execution = self.nb_man
        resume, kept = execution.step.resume, execution.checkpoints
        answer, began = self._ask_all(_QUESTION, checkpointing.BEGIN)
        execution.sentence = self._untracked(answer)
        if execution.sentence and execution.step.require_tracking:
            raise ExecutionError(f"{execution.sentence}; nothing was executed, as tracking is required")
        execution.session = self.kc.session
        self.talk = Conversation(self, execution.cell_over)
        if execution.sentence is not None or began is not True:
            kept = None
            if resume is not None:
                raise ExecutionError(f"a state can't be put into this kernel: {execution.sentence or 'no answer'}")
        if resume is not None and not self._resumed(execution, resume):
            return
        if kept is not None:
            kept.restart_clock()
        for place in range(resume.cell if resume else 0, len(self.nb.cells)):
            if not self._cell(execution, place):
                break
            last = place + 1 == len(self.nb.cells)
            if kept is not None and not last and self._runs(place) and kept.after(place, self._ask):
                self.talk.all_heard()
                execution.save(now=True)  # what is on disk is not older than the state
        self.talk.all_heard()

    def _cell(self, execution: Execution, place: int) -> bool:
        """Execute a cell; is there a kernel to go on with? Its outputs may still be on their way.

        Raises
        ------
        DeadKernelError, CellTimeoutError
        ExecutionError
            If it ended the kernel, and cells are left.
        """
        self._exits = False
        cell = self.nb.cells[place]
        where = f"cell {place + 1} of {len(self.nb.cells)}"
        left = next((later for later in range(place + 1, len(self.nb.cells)) if self._runs(later)), None)
        try:
            execution.cell_start(cell, place)
            self._done(execution, place)
            if self._exits and left is not None:
                raise ExecutionError(
                    f"{where} ended the kernel (exit() or quit()), and cell {left + 1} was still to run; raise"
                    " SystemExit, or call nbops.skip(…), to end a notebook early"
                )
        except CellExecutionError as error:
            execution.cell_exception(cell, cell_index=place, exception=error)
            self.talk.all_heard()
            if left is not None:  # papermill, like us, takes SystemExit(0) as an end that was meant
                execution.note = f"{where} ended the notebook (SystemExit)"
            return False
        except BaseException as error:
            execution.cell_exception(cell, cell_index=place)
            self.talk.let_go()
            if isinstance(error, DeadKernelError):
                raise DeadKernelError(f"its kernel died in {where}: {kernel_death(self._exit_code)}") from None
            raise
        if self._exits:
            execution.note = f"{where} ended the kernel (exit() or quit()) when every cell was done"
        return not self._exits

    def _done(self, execution: Execution, place: int) -> None:
        """Have the kernel do a cell."""
        cell = self.nb.cells[place]
        tags = cell.metadata.get("tags", ())
        more = self.coalesce_streams or any(getattr(self, hook) is not None for hook in _HOOKS)
        if more or not self._runs(place) or self.skip_cells_with_tag in tags:
            try:
                self.execute_cell(cell, place)  # nothing to send, or papermill's user asks for more than we do
            finally:
                execution.cell_complete(cell, cell_index=place)
            return
        allowed = not self.force_raise_errors and (self.allow_errors or "raises-exception" in tags)
        sent = self.talk.send(place, cell, stop_on_error=not allowed)
        if execution.checkpoints is not None:
            execution.checkpoints.outside(place)
        reply = self.talk.replied(sent)
        content = reply.get("content") or {}
        if content.get("status") != "ok" or content.get("payload"):
            self.check_for_error(cell, place, reply)
        if self._exits:
            self.talk.all_heard()

    def _resumed(self, execution: Execution, resume: checkpointing.Resume) -> bool:
        """Bring the kernel to where the cells before are done; false if one of them failed this time."""
        for place, old in enumerate(resume.cells[: resume.cell]):
            execution.take_over(place, old)
        checkpointing.restore(self._ask, resume)
        for place in resume.again:
            checkpointing.count_on(self._ask, int(resume.cells[place].get("execution_count") or 1))
            if not self._cell(execution, place):
                return False
        if resume.again:
            checkpointing.settle(self._ask, resume)
            numbers = [int(c.get("execution_count") or 0) for c in resume.cells[: resume.cell]]
            checkpointing.count_on(self._ask, max(numbers, default=0) + 1)
        return True

    def _runs(self, place: int) -> bool:
        cell = self.nb.cells[place]
        return cell.cell_type == "code" and bool(cell.source.strip())

    def _ask(self, expression: str) -> Any:
        """What an expression is in the kernel, asked silently; None if there is no answer."""
        return self._ask_all(expression)[0]

    def _ask_all(self, *expressions: str) -> list[Any]:
        wanted = {str(number): expression for number, expression in enumerate(expressions)}
        request = self.kc.execute("", silent=True, store_history=False, user_expressions=wanted)
        try:
            reply = self.wait_for_reply(request)
        except DeadKernelError:
            raise DeadKernelError(f"its kernel died between two cells: {kernel_death(self._exit_code)}") from None
        answers = (reply or {}).get("content", {}).get("user_expressions") or {}
        return [checkpointing.answered(answers.get(number, {})) for number in wanted]

    def _untracked(self, answer: Any) -> str | None:
        """Why the kernel isn't tracked, as one sentence; None if all is well. `answer`: to the question."""
        spec = self.km.kernel_spec
        if os.environ.get("NBOPS_DISABLED") == "1":
            return "step ran untracked: NBOPS_DISABLED is set"
        if spec.language.lower() != "python":
            return f"step ran untracked: the kernel {self.kernel_name!r} speaks {spec.language}, nbops tracks Python"
        if EXTENSION not in self.extra_arguments:
            return (
                f"step ran untracked: the kernel {self.kernel_name!r} isn't started as ipykernel"
                f" (its command is {' '.join(spec.argv)!r})"
            )
        try:
            python, version, loaded = answer
        except (ValueError, TypeError):
            return f"step ran untracked: the kernel {self.kernel_name!r} gave no answer when asked for nbops"
        if not version:
            return (
                f"step ran untracked: nbops can't be imported in the environment of the kernel {self.kernel_name!r};"
                f" install nbops {__version__} for {python}"
            )
        if version != __version__:
            return (
                f"step ran with another version of nbops: the kernel {self.kernel_name!r} has {version}, this is"
                f" {__version__}; install nbops {__version__} for {python}"
            )
        if not loaded:
            return (
                f"step ran untracked: nbops could not be loaded in the kernel {self.kernel_name!r} ({python}):"
                f" {self.nb_man.last_words() or 'no reason was given'}"
            )
        return None


def execute(
    execution: Execution,
    kernel_name: str,
    environment: dict[str, str],
    *,
    start_timeout: int = 60,
    execution_timeout: float | None = None,
    **kwargs: Any,
) -> None:
    """Execute the notebook's cells in a new kernel. Why it wasn't tracked, if so, is then `execution.sentence`.

    `environment` is the whole environment of the kernel's process."""
    step = execution.step
    for name in ("progress_bar", "autosave_cell_every", "timeout", "startup_timeout", "input_path"):
        kwargs.pop(name, None)
    if step.folder is not None:
        kwargs["resources"] = {"metadata": {"path": str(step.folder)}}
    limits = [limit for limit in (step.cell_timeout_s, execution_timeout) if limit is not None]
    if step.timeout_s is not None:
        deadline = time.monotonic() + step.timeout_s
        kwargs["timeout_func"] = lambda _cell: min(max(0.01, deadline - time.monotonic()), *limits, math.inf)
    client = _Client(
        execution,
        timeout=min(limits, default=None),
        startup_timeout=start_timeout,
        iopub_timeout=OUTPUTS_S,
        kernel_name=kernel_name,
        log=logger,
        **kwargs,
    )
    client.km = client.create_kernel_manager()
    client.km.kernel_spec_manager = kernel_specs()
    spec = client.km.kernel_spec
    if spec.language.lower() == "python" and any("ipykernel" in part for part in spec.argv):
        client.extra_arguments = [*client.extra_arguments, EXTENSION]
    packages = None if step.warm is False else packages_of(step.workspace, step.notebook)
    with tempfile.TemporaryFile() as stderr, ready_kernel(client.km, warm=step.warm, packages=packages):
        # What the kernel's process says before its output is captured, and what it says dying. What commands print is
        # in the notebook; the kernel says it here once more, with the secrets in it.
        execution.stderr = stderr
        client.execute(env=environment, stdout=subprocess.DEVNULL, stderr=stderr)
