"""nbops makes a notebook operational.

Everything public is re-exported here, lazily: importing nbops loads no heavy library. Nothing inside the package
imports from this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "compare": "nbops.widgets.compare",
    "dashboard": "nbops.widgets.dashboard",
    "fingerprint": "nbops.fingerprints.fingerprint",
    "input": "nbops.pipeline.handover",
    "live": "nbops.widgets.live",
    "load_model": "nbops.registry.loading",
    "log_artifact": "nbops.capture.api",
    "log_metric": "nbops.capture.api",
    "log_metrics": "nbops.capture.api",
    "log_model": "nbops.capture.api",
    "log_param": "nbops.capture.api",
    "log_params": "nbops.capture.api",
    "output": "nbops.pipeline.handover",
    "panel": "nbops.widgets.panel",
    "param": "nbops.notebook.param_call",
    "params": "nbops.widgets.params",
    "run_pipeline": "nbops.ipython.pipeline_run",
    "set_tag": "nbops.capture.api",
    "show_lineage": "nbops.widgets.lineage",
    "should_prune": "nbops.pipeline.tuning",
    "skip": "nbops.pipeline.early_exit",
    "track": "nbops.capture.api",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  (the names are strings: one list of them is enough)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nbops' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab's development tools find the front end."""
    return [{"src": "labextension", "dest": "nbops-labextension"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Where the Jupyter server finds the routes that the front end speaks to."""
    return [{"module": "nbops.server"}]


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext nbops``."""
    from nbops.ipython.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext nbops``: every hook is as it was before."""
    from nbops.ipython.extension import unload

    unload(shell)


def import_for_tracking() -> None:
    """Import what the first tracked cell would, and look the versions of that up: for a process that kernels are forked
    from, or a kernel that has begun."""
    from importlib import import_module

    for name in (
        "capture.identity",
        "capture.session",
        "checkpoints.baseline",
        "ipython.cards",
        "ipython.extension",
        "lineage.ledger",
        "workspace",
    ):
        import_module(f"nbops.{name}")
    import_module("blake3")
    import_module("nbops.capture.environment").packages()


if TYPE_CHECKING:
    from nbops.capture.api import (
        log_artifact as log_artifact,
    )
    from nbops.capture.api import (
        log_metric as log_metric,
    )
    from nbops.capture.api import (
        log_metrics as log_metrics,
    )
    from nbops.capture.api import (
        log_model as log_model,
    )
    from nbops.capture.api import (
        log_param as log_param,
    )
    from nbops.capture.api import (
        log_params as log_params,
    )
    from nbops.capture.api import (
        set_tag as set_tag,
    )
    from nbops.capture.api import (
        track as track,
    )
    from nbops.fingerprints.fingerprint import fingerprint as fingerprint
    from nbops.ipython.pipeline_run import run_pipeline as run_pipeline
    from nbops.notebook.param_call import param as param
    from nbops.pipeline.early_exit import skip as skip
    from nbops.pipeline.handover import input as input
    from nbops.pipeline.handover import output as output
    from nbops.pipeline.tuning import should_prune as should_prune
    from nbops.registry.loading import load_model as load_model
    from nbops.widgets.compare import compare as compare
    from nbops.widgets.dashboard import dashboard as dashboard
    from nbops.widgets.lineage import show_lineage as show_lineage
    from nbops.widgets.live import live as live
    from nbops.widgets.panel import panel as panel
    from nbops.widgets.params import params as params
