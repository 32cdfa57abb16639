"""The papermill engine ``nbops``: executes a notebook as papermill's own engine does, and tracks every cell of it.

We come into the kernel as an IPython extension named on its command line, not by a hidden cell: execution counts,
namespace and outputs are those of plain papermill. The kernel learns which run it works for from its environment.
Whether we really arrived there is asked, not assumed: a kernel without nbops is said, in one sentence.

Papermill loads this module from its entry point while it is itself being imported. So nothing of papermill is
imported here at the top (either could then only be imported after the other); papermill asks no more of an engine
than these three methods.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.checkpoints import folder as folders
from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.core.errors import ExecutionError, NbopsError, ParameterError, StoreError
from nbops.core.redaction import redact, redact_text
from nbops.core.runs import Artifact, RunStatus
from nbops.kernels.parents import SHARED
from nbops.notebook import files, parameters
from nbops.notebook.code_secrets import redact_code
from nbops.pipeline.checkpointing import Checkpoints
from nbops.pipeline.failures import first_failure
from nbops.pipeline.handover import INPUTS
from nbops.pipeline.step_run import StepContext, close_step, open_step
from nbops.store import records
from nbops.workspace import open_workspace, relative

log = logging.getLogger("nbops")


class NbopsEngine:
    """``papermill --engine nbops in.ipynb out.ipynb``, and what ``nbops run`` executes with."""

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        from papermill.utils import nb_kernel_name

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        from papermill.utils import nb_language

        return str(nb_language(nb, language))

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        *,
        input_path: Any = None,
        step: StepContext | None = None,
        require_tracking: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Execute `nb` in place and return it.

        Parameters
        ----------
        step : StepContext, optional
            The run it belongs to. Without one (papermill's command line) a run is opened in the workspace of the
            notebook's folder.
        require_tracking : bool
            Fail, before the first cell, if the kernel can't be tracked.

        Raises
        ------
        ParameterError
            If papermill was given parameters that the notebook doesn't take; nothing is executed or recorded.
        ExecutionError
            If tracking is required and isn't there. A failing cell raises nothing here: papermill finds it in the
            notebook's outputs.
        nbclient.exceptions.DeadKernelError, CellTimeoutError
        """
        from nbops.pipeline.kernel_session import Execution, execute

        injected = next((cell for cell in nb.cells if "injected-parameters" in cell.metadata.get("tags", ())), None)
        # without that cell, they are of an earlier execution of the file that is executed again
        params = (nb.metadata.get("papermill", {}).get("parameters") or {}) if injected else {}
        if step is None:
            if (
                injected is None or "papermill" not in injected.metadata
            ):  # which papermill gives each cell that it reads
                _check(nb, input_path, params)
            try:
                step = _unasked(input_path, params, require_tracking)
            except NbopsError as problem:
                if require_tracking:
                    raise
                log.warning("step ran untracked: %s", problem)
                return _as_papermill(nb, kernel_name, output_path, input_path=input_path, **kwargs)
        execution = Execution(nb, step=step, output_path=output_path, **kwargs)
        folder = checkpoint_folder(step.workspace, step.run.id)
        wish = step.workspace.settings.pipeline
        if wish.checkpoints:
            texts = [cell.source if cell.cell_type == "code" else "" for cell in nb.cells]
            execution.checkpoints = Checkpoints(folder, texts, most_mb=wish.checkpoint_mb)
        execution.notebook_start()
        began = time.monotonic()
        status: RunStatus = RunStatus.FAILED
        error: str | None = None
        try:
            execute(execution, kernel_name, _environment(step), **kwargs)
            execution.sentence = execution.sentence or _unrecorded(step, nb)
            failure = first_failure(nb)
            status, error = (RunStatus.FAILED, failure.error) if failure else (RunStatus.COMPLETED, None)
        except KeyboardInterrupt:
            status, error = RunStatus.STOPPED, "KeyboardInterrupt: stopped by the user"
            raise
        except Exception as problem:
            error = redact_text(f"{type(problem).__name__}: {_sentence(problem)}")
            ours = step.timeout_s is not None or step.cell_timeout_s is not None
            if ours and type(problem).__name__ == "CellTimeoutError":  # nbclient's
                error = f"TimeoutError: {step.too_late(time.monotonic() - began)}"
            raise
        finally:
            execution.notebook_complete()
            detail: dict[str, Any] = {}
            if written := step.output or output_path:
                detail["executed"] = relative(step.workspace, Path(written)) if "://" not in str(written) else written
            if execution.note and status is RunStatus.COMPLETED:
                detail["exit"] = execution.note
            if execution.sentence:
                detail["tracking"] = execution.sentence
            if execution.checkpoints is not None and execution.checkpoints.said:
                detail["checkpoints"] = execution.checkpoints.said
            if status is RunStatus.COMPLETED:
                folders.remove(folder)
            if execution.kernel:
                detail["kernel"] = execution.kernel
            try:
                kept = _kept(step, nb)
            except (StoreError, OSError) as problem:
                kept, detail["not kept"] = [], str(problem)
            close_step(step.workspace, step.run.id, status, error=error, detail=detail, artifacts=kept)
        if execution.sentence:
            log.warning("%s: %s", step.run.notebook, execution.sentence)
        return execution.nb


def _check(nb: Any, input_path: Any, params: Mapping[str, Any]) -> None:
    """What papermill was given, against the parameters cell. Papermill has guessed the types (``-p name 5`` is a number
    by now) and injected the values; so one is refused that the text it may have been isn't taken for either.

    Raises
    ------
    ParameterError
    """
    notebook = files.Notebook(path=Path(str(input_path or "notebook.ipynb")), data=nb)
    where = f"the notebook {str(notebook.path)!r}"
    try:
        known = parameters.of_notebook(notebook)
    except ParameterError:
        if params:
            raise
        return  # without any, papermill has never looked into that cell, and the kernel says what is wrong in it
    if not params and not any(parameter.required for parameter in known):
        return
    try:
        parameters.coerce(known, params, where)
    except ParameterError:
        parameters.coerce(known, {k: v if isinstance(v, (list, dict)) else str(v) for k, v in params.items()}, where)


def _as_papermill(nb: Any, kernel_name: str, output_path: str | None, **kwargs: Any) -> Any:
    """Execute as papermill's own engine does."""
    from papermill.engines import NBClientEngine

    return NBClientEngine.execute_notebook(nb, kernel_name, output_path, **kwargs)


def _unasked(input_path: Any, params: Mapping[str, Any], require_tracking: bool) -> StepContext:
    """The context of an execution that papermill's user started."""
    notebook = Path(input_path) if isinstance(input_path, str) else Path("notebook.ipynb")
    ws = open_workspace(notebook if notebook.exists() else None)
    folder = {"folder": relative(ws, Path.cwd())}  # where papermill's kernel runs: not the notebook's folder
    run = open_step(ws, notebook, params=params, parent=os.environ.get("NBOPS_RUN_ID"), detail=folder)
    return StepContext(workspace=ws, run=run, notebook=notebook.absolute(), require_tracking=require_tracking)


def _unrecorded(step: StepContext, nb: Any) -> str | None:
    """The extension was there, but not all of it reached the store (which it then said in the notebook)."""
    ran = [n for n, cell in enumerate(nb.cells, 1) if cell.cell_type == "code" and cell.execution_count]
    there = records.cell_ids(step.workspace.store, step.run.id)
    if ran and not there:
        return "step ran untracked: no cell was recorded by the kernel; 'nbops doctor' checks the store"
    lost = [n for n in ran if nb.cells[n - 1].get("id") not in {*there, None}]
    if not lost or any("%nbops off" in nb.cells[n - 1].source for n in ran):
        return None
    which = f"cell {lost[0]} has no record" if len(lost) == 1 else f"cells {', '.join(map(str, lost))} have no records"
    return f"step ran untracked in part: {which}; the executed notebook says why"


def _environment(step: StepContext) -> dict[str, str]:
    """The kernel's environment: ours, and which run it works for. Our own os.environ stays as it is."""
    ws = step.workspace
    environment = {
        **os.environ,
        **{name: value for name, value in step.variables.items() if value is not None},
        "NBOPS_RUN_ID": step.run.id,
        "NBOPS_NOTEBOOK": str(step.notebook),
        "NBOPS_HOME": str(ws.home),
        "NBOPS_STORE": ws.store.location,
        "NBOPS_ARTIFACTS": str(ws.artifacts.root),
    }
    for name in (INPUTS, SHARED, *(name for name, value in step.variables.items() if value is None)):
        environment.pop(name, None)
    return environment if step.inputs is None else {**environment, INPUTS: json.dumps(dict(step.inputs))}


def _kept(step: StepContext, nb: Any) -> list[Artifact]:
    """The executed notebook, kept by content: also of a step that failed. The file itself is as papermill writes it;
    in what the store keeps of it, what looks like a secret is replaced."""
    redacted = _redacted(nb)
    written = step.output is not None and redacted is nb  # just now, and nothing was replaced
    content = step.output.read_bytes() if written and step.output is not None else files.as_bytes(redacted)
    return [
        Artifact(
            name=step.notebook.name,
            kind="notebook",
            digest=step.workspace.artifacts.put_bytes(content),
            size=len(content),
            media="application/x-ipynb+json",
        )
    ]


def _redacted(nb: Any) -> Any:
    """The notebook without secrets in parameters, sources and texts put out: itself where there are none."""
    cells = [_cell_redacted(cell) for cell in nb["cells"]]
    about = nb["metadata"].get("papermill", {})
    given = {"parameters": redact(about["parameters"])} if "parameters" in about else {}
    metadata = {**nb["metadata"], "papermill": {**about, **given}} if about else nb["metadata"]
    clean = {**nb, "cells": cells, "metadata": metadata}
    return nb if clean == nb else clean


def _cell_redacted(cell: Any) -> Any:
    redacted = redact_code if cell["cell_type"] == "code" else redact_text
    clean = {**cell, "source": redacted(files.joined(cell["source"]))}
    if "outputs" in cell:
        clean["outputs"] = [_output_redacted(output) for output in cell["outputs"]]
    return cell if clean == cell else clean


def _output_redacted(output: Any) -> Any:
    texts = output.get("data", output)  # a stream, an error: their own fields
    keys = [key for key in ("text", "text/plain", "evalue") if key in texts]
    clean: dict[str, Any] = {**texts, **{key: redact_text(files.joined(texts[key])) for key in keys}}
    if "traceback" in output:
        clean["traceback"] = [redact_text(line) for line in output["traceback"]]
    if "data" in output:
        clean = {**output, "data": clean}
    return output if clean == output else clean


def _sentence(problem: Exception) -> str:
    if isinstance(problem, ExecutionError):
        return str(problem)
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else ""
