"""Papermill's rule of what a failure is, and which part of a traceback is shown."""

from __future__ import annotations

import pytest

from nbops.core.errors import ExecutionError
from nbops.pipeline.execute import run_notebook
from nbops.pipeline.failures import first_failure
from nbops.store import runs


def cell(*errors: tuple[str, str], exception: bool = False, traceback: tuple[str, ...] = ()) -> dict:
    outputs = [{"output_type": "error", "ename": n, "evalue": v, "traceback": list(traceback)} for n, v in errors]
    return {
        "cell_type": "code",
        "execution_count": 7,
        "outputs": outputs,
        "metadata": {"papermill": {"exception": exception}},
    }


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ([cell()], None),
        ([cell(("SystemExit", "0"), exception=True)], None),
        ([cell(("SystemExit", ""), exception=True)], None),
        ([cell(("SystemExit", "2"), exception=True)], "SystemExit: 2"),
        ([cell(), cell(exception=True)], "CellExecutionError"),
        ([cell(("KeyError", "\x1b[31m'a'\x1b[0m\nmore"))], "KeyError: 'a'"),
    ],
)
def test_what_counts_as_a_failure(cells, error):
    failure = first_failure({"cells": cells})
    assert (failure.error if failure else None) == error


def test_a_magic_that_is_not_there_is_named(project):
    with pytest.raises(
        ExecutionError, match=r"cell 1 \(In \[1\]\): UsageError: Line magic function `%%time` not found"
    ):
        run_notebook(project.ws(), project.notebook("n.ipynb", "x = 1\n%%time\ny = 2"))
    (run,) = runs.listed(project.ws().store)
    assert run.error == "UsageError: Line magic function `%%time` not found."


def test_the_tail_shows_the_users_frames_and_leaves_out_the_libraries():
    frames = (
        "-----",
        "Cell In[7], line 1\n----> 1 clean(frame)",
        "File ~/project/rules.py:3, in clean(frame)\n----> 3 frame.to_parquet('x')",
        "File ~/.venv/lib/python3.11/site-packages/pandas/core/frame.py:99, in to_parquet\n--> 99 write()",
        "File pyarrow/error.pxi:92, in pyarrow.lib.check_status()",
        "ArrowTypeError: no",
    )
    failure = first_failure({"cells": [cell(), cell(("ArrowTypeError", "no"), traceback=frames)]})
    assert failure is not None
    assert failure.where == "cell 2 (In [7])"
    assert failure.tail().split("\n    ")[1:] == [
        "Cell In[7], line 1",
        "----> 1 clean(frame)",
        "File ~/project/rules.py:3, in clean(frame)",
        "----> 3 frame.to_parquet('x')",
        "ArrowTypeError: no",
    ]
