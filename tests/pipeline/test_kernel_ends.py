"""A notebook whose cell ends the kernel: what became of it is the same each time, in a cold kernel and in a forked
one."""

from __future__ import annotations

import json

import pytest

from nbops.core.errors import ExecutionError
from nbops.core.runs import RunStatus
from nbops.pipeline.execute import run_notebook
from nbops.store import records, runs

DONE = "cell 2 of 2 ended the kernel (exit() or quit()) when every cell was done"
LEFT = "cell 1 of 2 ended the kernel (exit() or quit()), and cell 2 was still to run"
ENDS = {
    "exit": (("1", "exit()"), DONE),
    "quit and go on": (("1", "import time\nquit(); time.sleep(0.3)"), DONE),
    "quit and put out": (("1", "quit()\nfor i in range(1000): print('x' * 100)"), DONE),
    "keeps": (("exit(keep_kernel=True)", "2"), None),
    "exit before": (("exit()", "2"), LEFT),
    "system exit": (("import sys; sys.exit(0)", "2"), "cell 1 of 2 ended the notebook (SystemExit)"),
    "system exit at the end": (("1", "import sys; sys.exit()"), None),
    "system exit 3": (("import sys; sys.exit(3)", "2"), "SystemExit: 3"),
    "_exit": (
        ("1", "import os; os._exit(3)"),
        "its kernel died in cell 2 of 2: it exited with code 3 (os._exit, or a crash in native code)",
    ),
    "killed": (
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "2"),
        "its kernel died in cell 1 of 2: it was killed by SIGKILL (out of memory, or by somebody)",
    ),
}
COMPLETED = ("exit", "quit and go on", "quit and put out", "keeps", "system exit", "system exit at the end")


@pytest.mark.parametrize("warm", [False, True])
def test_how_a_notebook_ends_whose_cell_ends_the_kernel(project, warm):
    for name, (cells, says) in ENDS.items():
        notebook = project.notebook("ends.ipynb", *cells)
        for _ in range(2 if warm and name.startswith(("exit", "quit")) else 1):  # no race: the kernel lives 0.1 s more
            if name in COMPLETED:
                run = run_notebook(project.ws(), notebook, warm=warm)
                assert (run.status, run.detail.get("exit")) == (RunStatus.COMPLETED, says), name
            else:
                with pytest.raises(ExecutionError) as caught:
                    run_notebook(project.ws(), notebook, warm=warm)
                run = runs.listed(project.ws().store)[0]
                assert run.status == RunStatus.FAILED, name
                assert says in str(caught.value), name
                assert says in str(run.error), name
            assert ("kernel" in run.detail) == warm
            done = [r.status for r in records.of_run(project.ws().store, run.id)]
            cut = {"_exit": ["ok"], "killed": [], "system exit": ["error"], "system exit 3": ["error"]}
            whole = ["ok", "error"] if name == "system exit at the end" else ["ok", "ok"]
            assert done == cut.get(name, ["ok"] if name == "exit before" else whole), name
            written = json.loads((project.root / run.detail["executed"]).read_text())
            marked = [c["metadata"]["papermill"]["exception"] is True for c in written["cells"]]
            ended = {"exit before": 0, "killed": 0, "system exit": 0, "system exit 3": 0, "_exit": 1}
            assert [i for i, bad in enumerate(marked) if bad] == (
                [ended[name]] if name in ended else [1] * (name == "system exit at the end")
            ), name
            assert written["metadata"]["language_info"]["name"] == "python"
