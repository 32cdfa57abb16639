"""``nbops.skip("no data today")``: the notebook is done here, on purpose. The step is SKIPPED, not failed."""

from __future__ import annotations

import os
from typing import NoReturn

from nbops.core.errors import UsageError
from nbops.core.redaction import redact_text
from nbops.pipeline.step_run import SKIPPED, add_detail
from nbops.workspace import open_workspace


def skip(why: str) -> NoReturn:
    """End the notebook here. In a pipeline the step is SKIPPED for that reason, and so are those that need it,
    unless they say ``after_skip = true``.

    Raises
    ------
    SystemExit
        Always, with code 0, which papermill takes as an end and not as a failure.
    """
    if not isinstance(why, str) or not why.strip():
        raise UsageError(f"nbops.skip() needs the reason as a text, got {why!r}")
    run_id = os.environ.get("NBOPS_RUN_ID")
    if run_id:
        add_detail(open_workspace(), run_id, {SKIPPED: redact_text(why)})
    print(f"nbops: skipped: {why}")  # noqa: T201  to whoever reads the executed notebook
    raise SystemExit(0)
