"""One notebook, executed through papermill with our engine, as a step run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.core.errors import ExecutionError, NbopsError, NotebookError, UsageError, suggestion
from nbops.core.hushed import hushed
from nbops.core.redaction import redact_text
from nbops.core.runs import Run, RunStatus
from nbops.notebook import files, parameters
from nbops.pipeline.checkpointing import NoStateError, Resume, handed_over
from nbops.pipeline.failures import first_failure
from nbops.pipeline.progress import Progress
from nbops.pipeline.resuming import keep_records, let_go, next_attempt
from nbops.pipeline.step_run import SKIPPED, StepContext, close_step, open_step
from nbops.store import runs
from nbops.workspace import Workspace


class NotebookFailedError(ExecutionError):
    """A notebook was executed, and failed; `said` is the message without where the executed one lies, and what else it
    says."""

    def __init__(self, said: str, more: str = "") -> None:
        super().__init__(said + more)
        self.said = said


def run_notebook(
    ws: Workspace,
    notebook: Path,
    output: Path | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    name: str | None = None,
    parent: str | None = None,
    require_tracking: bool = False,
    progress: Progress | None = None,
    timeout_s: float | None = None,
    cell_timeout_s: float | None = None,
    inputs_named: Mapping[str, str | list[str]] | None = None,
    tags: Iterable[str] = (),
    kernel: str | None = None,
    detail: Mapping[str, Any] | None = None,
    variables: Mapping[str, str | None] | None = None,
    warm: bool | None = None,
    resume: Resume | None = None,
    as_run: str | None = None,
) -> Run:
    """Execute a notebook in its own folder, track it, keep what was executed. The notebook itself is not written.

    Parameters
    ----------
    notebook : Path
        The notebook to execute.
    output : Path, optional
        Where the executed notebook goes; by default ``runs/<run id>/<name>.ipynb`` in the workspace's home.
    params : mapping, optional
        Values for the cell tagged ``parameters``; text is turned into the type of the default there.
    name, parent, tags, detail
        Of the run: its name (the notebook's, by default), the run it belongs to, its tags, what else to keep.
    require_tracking : bool
        Fail if the kernel can't be tracked, instead of saying it.
    progress : callable, optional
        Called with a :class:`~nbops.pipeline.progress.StepEvent` at each cell and at the end.
    timeout_s, cell_timeout_s : float, optional
        Seconds that all cells together, and that each cell may take.
    inputs_named : mapping, optional
        What ``nbops.input(name)`` finds: {name: digest}, a list of values where it is {name: [digest, …]}; by default,
        the newest of each name in the workspace.
    kernel : str, optional
        The kernel to use instead of the notebook's own.
    variables : mapping, optional
        Environment variables of the kernel, on top of this process's; None takes one away.
    warm : bool, optional
        Whether the kernel is forked from a parent that has imported the usual libraries already; by default, from the
        second kernel of this process on. Never where nbops.toml says ``[pipeline] warm = false``.
    as_run : str, optional
        The id that its run gets; by default a new one.

    Returns
    -------
    Run
        Completed; or skipped, where the notebook called ``nbops.skip``.

    Raises
    ------
    NotebookError, ParameterError, UsageError
        Before anything is executed or recorded.
    TakenError
        If there is a run of that id; nothing is executed.
    ExecutionError
        If a cell failed, the kernel died, time ran out, or tracking is required and isn't there. The run is FAILED
        and the executed notebook is kept.
    KeyboardInterrupt
        After the kernel was stopped and the run closed as STOPPED.
    """
    given = checked_params(notebook, params or {})
    check_output(notebook, output)
    check_timeouts(timeout_s=timeout_s, cell_timeout_s=cell_timeout_s)
    check_kernel(notebook, kernel)
    run = open_step(ws, notebook, name=name, parent=parent, params=given, tags=tags, detail=detail, run_id=as_run)
    if output is None:
        output = ws.home / "runs" / run.id / notebook.name
    step = StepContext(
        workspace=ws,
        run=run,
        notebook=notebook.absolute(),
        inputs=inputs_named,
        output=output.absolute(),
        folder=notebook.absolute().parent,
        progress=progress,
        require_tracking=require_tracking,
        timeout_s=timeout_s,
        cell_timeout_s=cell_timeout_s,
        variables=variables or {},
        warm=warm if ws.settings.pipeline.warm else False,
        resume=resume,
    )
    if resume is not None:
        keep_records(ws, resume, run)
        handed_over(resume, checkpoint_folder(ws, run.id))
    began = time.monotonic()  # the workspace's clock may stand still
    try:
        step.tell("started", why=str(run.detail["why"]) if "resumed" in run.detail else "")
        _through_papermill(step, given, kernel)
    except BaseException as error:
        _closed(ws, run, error)
        raise
    ended = runs.as_stored(ws.store, run.id)
    if "resumed" in ended.detail:
        let_go(ws, ended)
    skipped = str(ended.detail.get(SKIPPED, ""))
    step.tell("skipped" if skipped else "completed", seconds=time.monotonic() - began, why=skipped)
    return ended


def resume_notebook(
    ws: Workspace,
    run_id: str,
    output: Path | None = None,
    *,
    notebook: Path | None = None,
    params: Mapping[str, Any] | None = None,
    changed: str = "",
    repeat_effects: bool = False,
    name: str | None = None,
    parent: str | None = None,
    tags: Iterable[str] | None = None,
    detail: Mapping[str, Any] | None = None,
    **how: Any,
) -> Run:
    """Go on with a notebook that failed, was stopped or whose kernel died, as a new attempt: at the last kept state
    before the cell that failed from which what couldn't be kept can be made again.

    Parameters
    ----------
    run_id : str
        The attempt that didn't come to its end.
    notebook : Path, optional
        Its notebook, to be sure.
    params : mapping, optional
        Its parameters, to be sure: if they are others than it had, there is nothing to go on from.
    changed : str
        What else is known to be other than it was then; empty if nothing is.
    repeat_effects : bool
        Whether cells may run again that have had effects outside the notebook (network, database, commands, files
        outside the workspace).
    name, parent, tags, detail
        Of the new run; by default those of the first attempt.
    how
        What else :func:`run_notebook` takes.

    Raises
    ------
    UnknownNameError, NotebookError
    NoStateError
        If there is no state to go on from. No cell was executed.
    RefusedError
        If cells would be repeated that have had effects outside the notebook. Nothing was executed.
    ExecutionError
        If it isn't a run that can be gone on with, or if it failed again.
    """
    given = None if params is None else checked_params(notebook, params) if notebook is not None else dict(params)
    last = next_attempt(ws, run_id, notebook, params=given, changed=changed, repeat_effects=repeat_effects)
    return run_notebook(
        ws,
        last.notebook,
        output,
        params=last.params,
        name=name or last.run.name,
        parent=parent or last.run.parent,
        tags=last.run.tags if tags is None else tags,
        detail={**(detail or {}), "why": last.resume.sentence, "resumed": last.resume.said},
        resume=last.resume,
        **how,
    )


def checked_params(notebook: Path, params: Mapping[str, Any], *, secrets: bool = True) -> dict[str, Any]:
    """Parameters in the types the notebook declares. Its `secrets` are looked for, too, where it is to be executed.

    Raises
    ------
    NotebookError, ParameterError
    """
    read, where = files.read(notebook), f"the notebook {str(notebook)!r}"
    if read.language not in (None, "python"):
        return dict(params)  # papermill translates them; the schema is read from Python only
    known = parameters.schema(read)
    given = parameters.coerce(known, params, where)
    if secrets:
        parameters.find_secrets(known, where)
    return given


def check_output(notebook: Path, output: Path | None) -> None:
    """Refuse to write what is executed over the notebook itself, whatever either path is called.

    Raises
    ------
    UsageError
    """
    if output is not None and output.exists() and output.samefile(notebook):
        raise UsageError(
            f"the output {str(output)!r} is the notebook itself, which is never written; name another file, or none"
        )


def check_timeouts(**seconds: float | None) -> None:
    """Refuse a time in which nothing can be done.

    Raises
    ------
    UsageError
    """
    for name, limit in seconds.items():
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} is {limit:g} s: it is more than 0; leave it out where there is to be no limit")


def check_kernel(notebook: Path, kernel: str | None) -> None:
    """Refuse a notebook whose kernel (or the one that is wished for instead) isn't installed here, or whose environment
    is gone.

    Raises
    ------
    NotebookError
    """
    from jupyter_client.kernelspec import KernelSpecManager  # takes a second; whoever executes needs it anyway

    name = kernel or files.read(notebook).kernel
    manager = KernelSpecManager()
    known = manager.find_kernel_specs()
    if name is None:
        raise NotebookError(f"{str(notebook)!r} names no kernel; say which with --kernel NAME{suggestion('', known)}")
    if name.lower() not in known:
        asked = "" if kernel else f" which {str(notebook)!r} asks for"
        raise NotebookError(
            f"there is no kernel {name!r}{asked and ',' + asked}{suggestion(name, known)}; use another with --kernel"
            " NAME, or install it ('jupyter kernelspec list' shows them)"
        )
    spec = manager.get_kernel_spec(name)
    program = Path(next(iter(spec.argv), ""))
    if program.is_absolute() and not program.exists() and "kernel_provisioner" not in spec.metadata:
        place = str(Path(known[name.lower()]) / "kernel.json")
        raise NotebookError(
            f"the kernel {name!r} can't be started: {place!r} names the program {str(program)!r}, which is gone;"
            " install the kernel again, or use another with --kernel NAME"
        )


def _through_papermill(step: StepContext, given: Mapping[str, Any], kernel: str | None) -> None:
    # Papermill takes 1.8 s to import. It must be imported before its engines are, see nbops.pipeline.engine.
    import papermill.execute
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    where, lies = f"step {step.run.name!r} ({step.run.notebook})", f"; the executed notebook is {step.output}"
    began = time.monotonic()
    try:
        executed = _executed(papermill.execute, step, given, kernel)
        papermill.execute.raise_for_execution_errors(executed, None)
    except PapermillExecutionError:
        failure = first_failure(files.read(step.output).data if step.output else {"cells": []})
        assert failure is not None
        step.tell("failed", why=f"{failure.where}: {failure.error}")
        said = f"{where} failed in {failure.where}: {failure.error}"
        raise NotebookFailedError(said, f"{lies}{failure.tail()}") from None
    except DeadKernelError as dead:
        step.tell("failed", why=str(dead))
        raise NotebookFailedError(f"{where} failed: {dead}", lies) from None
    except CellTimeoutError:
        late = step.too_late(time.monotonic() - began)
        step.tell("failed", why=late)
        raise NotebookFailedError(f"{where} failed: {late}", lies) from None
    except KeyboardInterrupt:
        step.tell("stopped", why="stopped by the user")
        raise
    except NbopsError as error:
        step.tell("failed", why=str(error))
        if isinstance(error, NoStateError):
            raise NoStateError(f"{where} failed: {error}", error.why) from error
        raise ExecutionError(f"{where} failed: {error}") from error
    except Exception as error:  # papermill's, nbclient's and jupyter_client's: no common root
        sentence = redact_text(f"{type(error).__name__}: {error}")
        if "died before replying" in str(error):
            name = kernel or files.read(step.notebook).kernel
            sentence = f"its kernel {name!r} ended while it was started; 'jupyter console --kernel {name}' may say why"
        step.tell("failed", why=sentence)
        raise NotebookFailedError(f"{where} failed: {sentence}", lies) from error


def _closed(ws: Workspace, run: Run, error: BaseException) -> None:
    """Close the run if the engine never got it (papermill failed before, or was interrupted)."""
    if runs.as_stored(ws.store, run.id).status.ended:
        return
    if isinstance(error, KeyboardInterrupt):
        close_step(ws, run.id, RunStatus.STOPPED, error="KeyboardInterrupt: stopped by the user")
    else:
        close_step(ws, run.id, RunStatus.FAILED, error="the notebook could not be started")


def _executed(papermill: Any, step: StepContext, given: Mapping[str, Any], kernel: str | None) -> Any:
    """As ``papermill.execute_notebook`` does it, which at its end makes a text of the notebook once more, for no file:
    the engine has written the output, whole or not at all."""
    path = str(step.notebook)
    with hushed(Warning):  # nbformat's, of cell ids that are missing or there twice: it gives new ones
        nb = papermill.load_notebook_node(path)
    if given:
        nb = papermill.parameterize_notebook(nb, dict(given), kernel_name=kernel, engine_name="nbops")
    nb = papermill.remove_error_markers(papermill.prepare_notebook_metadata(nb, path, None))
    engines = papermill.papermill_engines
    return engines.execute_notebook_with_engine(
        "nbops",
        nb,
        input_path=path,
        kernel_name=engines.nb_kernel_name(engine_name="nbops", nb=nb, name=kernel),
        progress_bar=False,
        log_output=False,
        step=step,
    )
