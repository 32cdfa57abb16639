"""How jupyter-scheduler runs a notebook, with ours in place of nbconvert's::

    jupyter lab --Scheduler.execution_manager_class=nbops.labscheduler.execution_manager.NbopsExecutionManager

Jobs are made and listed in JupyterLab as ever, and have their output files there; each is also a run of the workspace
in which the server's root lies: tracked cell by cell, its parameters checked against the notebook's parameters cell
before anything runs, the executed notebook kept also when it fails.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from jupyter_scheduler.executors import DefaultExecutionManager

from nbops.core.ids import new_id
from nbops.pipeline.execute import run_notebook
from nbops.workspace import open_workspace


class NbopsExecutionManager(DefaultExecutionManager):  # type: ignore[misc]  # it has no type information
    """Runs a job's notebook as nbops does. Started by jupyter-scheduler in a process of its own."""

    def execute(self) -> None:
        job = self.model
        staged = Path(self.staging_paths["input"])
        workspace = open_workspace(Path(self.root_dir))
        about = {"job": job.job_id, "name": job.name, "definition": job.job_definition_id}
        run_id = new_id()
        executed = workspace.home / "runs" / run_id / staged.name
        try:
            run_notebook(
                workspace,
                staged,
                executed,
                params=job.parameters or {},
                name=Path(job.input_filename or staged.name).stem,
                tags=("jupyter-scheduler", f"job:{job.job_id}"),
                detail={"jupyter_scheduler": about},
                as_run=run_id,
            )
        finally:
            self.add_side_effects_files(str(staged.parent))
            if executed.exists():
                self.create_output_files(job, nbformat.read(executed, as_version=4))
