"""A pipeline as one value that every face draws: its steps in order, what feeds what, the parameters it takes."""

from __future__ import annotations

from typing import Any

from nbops.notebook import files, parameters
from nbops.pipeline import graph
from nbops.settings import Pipeline
from nbops.workspace import Workspace


def described(ws: Workspace, name: str | None = None) -> dict[str, Any]:
    """``{"name", "jobs", "order", "steps", "edges", "parameters"}`` of a pipeline that nbops.toml names.

    `steps` is one dict a step, in order (the step for failures last); `edges` is ``[from, to, what is handed on]``;
    `parameters` has each parameter once, as :meth:`nbops.notebook.parameters.Parameter.to_json` gives it, with
    nbops.toml's value as its default and the `steps` that take it.

    Raises
    ------
    SettingsError, UnknownNameError, NotebookError, ParameterError
    """
    name, pipeline = graph.chosen(ws.settings, name)
    found = graph.graph(pipeline, name)
    notebooks = graph.notebooks(pipeline, ws.root)
    last = [pipeline.on_failure] if pipeline.on_failure else []
    steps = []
    for step in (*found.order, *last):
        spec = pipeline.steps[step]
        steps.append(
            {
                "name": step,
                "notebook": spec.notebook,
                "needs": list(found.needs.get(step, ())),
                "inputs": list(spec.inputs),
                "outputs": list(spec.outputs),
                "when": spec.when,
                "foreach": dict(spec.foreach),
                "cache": spec.cache,
                "retries": spec.retries,
                "timeout_s": spec.timeout_s,
                "on_failure": step == pipeline.on_failure,
            }
        )
    taken: dict[str, dict[str, Any]] = {}
    for step, notebook in notebooks.items():
        for parameter in parameters.of_notebook(files.read(notebook)):
            said_here = parameter.to_json()
            entry = taken.setdefault(parameter.name, {**said_here, "steps": []})
            entry["steps"].append(step)
            for key in ("help", "choices", "min", "max", "bounds"):  # what one step leaves unsaid, another may say
                if entry[key] in (None, "", []):
                    entry[key] = said_here[key]
            told = said(pipeline, step, parameter.name)
            if told:
                entry |= {"default": told[0], "written": repr(told[0]), "known": True, "required": False}
    return {
        "name": name,
        "jobs": pipeline.jobs or 1,
        "engine": pipeline.engine,
        "order": list(found.order),
        "steps": steps,
        "edges": [list(edge) for edge in graph.edges(pipeline, found)],
        "parameters": list(taken.values()),
    }


def said(pipeline: Pipeline, step: str, name: str) -> list[Any]:
    """What nbops.toml says of a parameter; empty where it doesn't."""
    for source in (pipeline.steps[step].params, pipeline.params):
        if name in source:
            return [source[name]]
    return []
