"""A notebook that failed goes on in its middle, and comes to what an uninterrupted one comes to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pandas as pd
import pytest

from nbops.checkpoints.folder import Boundary, digests
from nbops.checkpoints.leftovers import checkpoint_folder
from nbops.checkpoints.pickling import HOOKED
from nbops.checkpoints.plan import NoPlan, Plan, effect, plan
from nbops.core.errors import ExecutionError, RefusedError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline import checkpointing
from nbops.pipeline.execute import resume_notebook, run_notebook
from nbops.store import records, runs


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second is at risk: the notebooks of tests are short. (What a state costs is still weighed.)"""
    monkeypatch.setattr(checkpointing, "RISK_S", 0.0)


def failed(project, notebook, **how: Any) -> Any:
    with pytest.raises(ExecutionError):
        run_notebook(project.ws(), notebook, **how)
    return runs.listed(project.ws().store, kinds=[RunKind.STEP])[0]


def cells(project, run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((project.root / run.detail["executed"]).read_text())["cells"]
    return found


def said(project, run) -> str:
    outputs = [o for c in cells(project, run) for o in c.get("outputs", ()) if o["output_type"] == "stream"]
    return "".join(line for o in outputs if o["name"] == "stdout" for line in o["text"])


def prints(project, run) -> dict[str, Any]:
    """The last fingerprint of each name that cells wrote."""
    found = {}
    for record in records.of_run(project.ws().store, run.id):
        found |= {use.name: use.fingerprint.digest for use in record.writes}
    return found


SLOW = "import time; time.sleep(0.3)"
EVERYTHING = (
    "# parameters\nmonth = 1",
    "import os, random, sqlite3, numpy as np, pandas as pd\nrandom.seed(1); np.random.seed(2)\n"
    "rng = np.random.default_rng(month)",
    "os.makedirs('inner', exist_ok=True); os.chdir('inner'); os.environ['MODE'] = 'fast'\n"
    "pd.set_option('display.max_rows', 7)",
    "base = np.arange(10_000.0); view = base[5_000:]",
    "connection = sqlite3.connect('data.sqlite')",
    "frame = pd.DataFrame({'a': rng.random(100), 'b': np.random.rand(100)})\n"
    "def scaled(x): return x * factor\nfactor = 2",
    "base += 1; frame['c'] = frame['a'] + random.random(); print('once')\n" + SLOW,
    "frame['d'] = scaled(frame['c']); frame.loc[0, 'a'] = -1\n"
    "if os.path.exists('broken'): raise RuntimeError('broken')",
    "factor = 3; base[5_000] = 77\nlast = pd.DataFrame({'x': rng.random(5), 'y': np.random.rand(5)})\n"
    "last['z'] = random.random()\n"
    "print(view[0], scaled(1), os.path.basename(os.getcwd()), os.environ['MODE'], pd.get_option('display.max_rows'),"
    " connection.execute('select 1').fetchone(), month)",
)


def test_resumed_and_uninterrupted_runs_are_equal(project):
    notebook = project.notebook("all.ipynb", *EVERYTHING)
    inner = project.root / "inner"
    inner.mkdir()
    (inner / "broken").touch()
    first = failed(project, notebook, params={"month": 4})
    assert first.detail["checkpoints"]["states"] >= 1
    assert checkpoint_folder(project.ws(), first.id).stat().st_mode & 0o777 == 0o700
    (inner / "broken").unlink()
    second = resume_notebook(project.ws(), first.id)
    whole = run_notebook(project.ws(), project.notebook("whole.ipynb", *EVERYTHING), params={"month": 4})

    resumed = second.detail["resumed"]
    assert (second.status, resumed["attempt"]) == (RunStatus.COMPLETED, first.id)
    assert resumed["from_cell"] == 9  # the failed one: its frame is as it was before it was changed half
    assert resumed["ran_again"] == {"6": ["connection"]}
    assert prints(project, second) == prints(project, whole)
    assert said(project, second) == said(project, whole) == "once\n77.0 3 inner fast 7 (1,) 4\n"
    assert [c.get("execution_count") for c in cells(project, second)] == [
        c.get("execution_count") for c in cells(project, whole)
    ]
    assert [r.cell_id for r in records.of_run(project.ws().store, second.id)].count("cell6") == 1
    kept = [r for r in records.of_run(project.ws().store, second.id) if f"kept from run {first.id}" in r.notes]
    assert len(kept) == 7
    assert not checkpoint_folder(project.ws(), first.id).exists()
    with pytest.raises(ExecutionError, match="only one that didn't come to its end"):
        resume_notebook(project.ws(), second.id)


def test_after_an_out_of_memory_kill(project):
    kill = "import signal, os\nif not os.path.exists('enough'): os.kill(os.getpid(), signal.SIGKILL)\nprint(total)"
    notebook = project.notebook("oom.ipynb", "total = sum(range(1000)); print('summed')\n" + SLOW, kill, "total += 1")
    first = failed(project, notebook)
    assert "its kernel died in cell 2 of 3: it was killed by SIGKILL (out of memory" in first.error
    (project.root / "enough").touch()
    second = resume_notebook(project.ws(), first.id)
    assert second.detail["resumed"]["from_cell"] == 2
    assert said(project, second) == "summed\n499500\n"


def test_effects_are_not_repeated_unasked_and_a_second_attempt_can_fail_too(project, monkeypatch):
    notebook = project.notebook(
        "effects.ipynb",
        "rows = [1, 2]\n" + SLOW,
        "import os\nopen('log.txt', 'a').write('x')\nif not os.path.exists('go'): raise OSError('no')",
        "rows.append(3); print(rows)\nif not os.path.exists('on'): raise OSError('no')",
    )
    first = failed(project, notebook)
    with pytest.raises(RefusedError, match=r"cell 2 adds to a file; --repeat-effects"):
        resume_notebook(project.ws(), first.id)
    (project.root / "go").touch()
    with pytest.raises(ExecutionError, match="failed in cell 3"):
        resume_notebook(project.ws(), first.id, repeat_effects=True)
    second = runs.listed(project.ws().store, kinds=[RunKind.STEP])[0]
    (project.root / "on").touch()
    third = resume_notebook(project.ws(), second.id)  # a state was kept right after the effect: it isn't repeated
    assert third.detail["resumed"]["from_cell"] == 3
    assert (project.root / "log.txt").read_text() == "xx"
    assert said(project, third) == "[1, 2, 3]\n"


def test_after_the_runner_itself_was_killed(project):
    notebook = project.notebook(
        "lost.ipynb",
        "seen = {1: [2]}\nopen('log', 'a').write('once'); print('first')",
        "import os, pathlib, time\npathlib.Path('mark').touch()\n"
        "while not os.path.exists('go'): time.sleep(0.05)\nprint(seen)",
    )
    script = (
        "import sys; from pathlib import Path; from nbops.pipeline.execute import run_notebook\n"
        "from nbops.workspace import open_workspace\n"
        "run_notebook(open_workspace(Path(sys.argv[1])), Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(notebook)]) as runner:
        until = time.monotonic() + 120
        while not (project.root / "mark").exists() and time.monotonic() < until:
            time.sleep(0.05)
        runner.kill()
    (project.root / "go").touch()
    (first,) = runs.listed(project.ws().store, kinds=[RunKind.STEP])
    assert first.status == RunStatus.LOST
    second = resume_notebook(project.ws(), first.id)
    assert said(project, second) == "first\n{1: [2]}\n"
    assert (project.root / "log").read_text() == "once"
    assert [r.cell_id for r in records.of_run(project.ws().store, second.id)] == ["cell0", "cell1"]


def test_states_are_not_kept_where_they_are_not_wanted(project):
    project.toml("[pipeline]\ncheckpoint_mb = 1\n")
    notebook = project.notebook("big.ipynb", "import numpy as np; big = np.ones(1_000_000)\n" + SLOW, "1 / 0")
    first = failed(project, notebook)
    assert first.detail["checkpoints"]["states"] == 0
    assert "more than checkpoint_mb = 1" in first.detail["checkpoints"]["why"]
    with pytest.raises(ExecutionError, match="no state was kept before the cell that failed"):
        resume_notebook(project.ws(), first.id)
    project.toml("[pipeline]\ncheckpoints = false\n")
    assert "checkpoints" not in failed(project, project.notebook("off.ipynb", SLOW, "1 / 0")).detail


CELLS = (
    "import sqlite3",
    "path = 'a.db'",
    "con = sqlite3.connect(path)",
    "n = 1",
    "m = n + 1",
    "con.execute('select 1')",
)


def boundary(cell: int, sources: Any = CELLS, **unsaved: str) -> Boundary:
    return Boundary(cell=cell, execution_count=1, sources=digests(sources[:cell]), saved=(), unsaved=unsaved)


PATCHED = (
    "import os, shop, pandas as pd\nimport matplotlib.pyplot as plt\nfrom shop import TABLE\nfrom other import xs",
    "old = shop.price\nshop.price = lambda n: old(n) * 2",
    "TABLE['a'] = 1; setattr(pd.DataFrame, 'tell', print)",
    "os.environ['A'] = 'b'; pd.options.display.max_rows = 7; plt.rcParams.update({'font.size': 7})\n"
    "os.remove('x'); xs = []; xs.append(1)\ndef later(): shop.price = None",
    "shop.total(1)",
)
CONNECTION = {"con": "sqlite3.Connection can't be kept: x"}


@pytest.mark.parametrize(
    ("sources", "found", "expected"),
    [
        (CELLS, boundary(5, **CONNECTION), Plan(cell=5, again={2: ("con",)})),
        ((*CELLS[:5], "m"), boundary(5, **CONNECTION), Plan(cell=5, again={})),
        (("", "path = 'b.db'", *CELLS[2:]), boundary(5, **CONNECTION), "cell 1 has changed"),
        (
            (*CELLS[:4], "path = 'z'", *CELLS[5:]),
            boundary(5, (*CELLS[:4], "path = 'z'"), **CONNECTION),
            "it reads 'path', which cell 5 changes",
        ),
        (
            ("g = (i for i in range(3))", "next(g)", "next(g)"),
            boundary(2, ("g = (i for i in range(3))", "next(g)"), g="builtins.generator can't be kept"),
            "cell 2 has used it since",
        ),
        (
            ("xs = [1]", "xs.append(2); con = connect()", "con"),
            boundary(2, ("xs = [1]", "xs.append(2); con = connect()"), **CONNECTION),
            "it changes 'xs' in place",
        ),
        (
            ("import db; xs = []; xs.append(2); con = db.connect()", "con"),
            boundary(1, ("import db; xs = []; xs.append(2); con = db.connect()",), **CONNECTION),
            Plan(cell=1, again={0: ("con",)}),
        ),
        (
            ("rows = xs; rows.append(2); con = db.connect()", "con"),
            boundary(1, ("rows = xs; rows.append(2); con = db.connect()",), **CONNECTION),
            "it changes 'rows' in place",
        ),
        (
            ("class A(Base): pass", "A"),
            boundary(1, ("class A(Base): pass",), A=HOOKED),
            "'A' couldn't be kept: its class",
        ),
        (("exec(code)", "con"), boundary(1, ("exec(code)",), **CONNECTION), "no cell is seen to make it"),
        *(
            (
                ("import numpy as np", "rng = np.random.default_rng(1); n = 3", cell, "next(it)"),
                boundary(3, ("import numpy as np", "rng = np.random.default_rng(1); n = 3", cell), it="x"),
                expected,
            )
            for cell, expected in {
                "xs = np.random.permutation(n)\nit = iter(xs)": "it draws random numbers (np.random.permutation)",
                "it = iter(rng.random(n))": "it draws random numbers (rng)",
                "np.random.seed(n); it = iter(np.random.permutation(n))": Plan(cell=3, again={2: ("it",)}),
                "it = iter(range(n))\nys = np.random.rand(n)": Plan(cell=3, again={2: ("it",)}),
            }.items()
        ),
        (
            PATCHED,
            boundary(4, PATCHED),
            Plan(cell=4, again={1: ("shop.price",), 2: ("shop.TABLE", "pandas.DataFrame.tell")}),
        ),
        (
            ("import shop; n = 1", "shop.n = n", "n = 2", ""),
            boundary(3, ("import shop; n = 1", "shop.n = n", "n = 2")),
            "it reads 'n', which cell 3 changes",
        ),
    ],
)
def test_what_a_state_is_good_for(sources, found, expected):
    got = plan(sources, [found], failed=len(sources) - 1, effects={})
    if isinstance(expected, Plan):
        assert got == expected
    else:
        assert isinstance(got, NoPlan)
        assert expected in got.why


def test_an_array_and_the_frame_whose_memory_it_shares_are_made_again_together(project):
    if not pd.__version__.startswith("3"):
        pytest.skip("the frame's memory is shared this way from pandas 3 on")
    sources = (
        "import numpy as np, pandas as pd, os\nframe = pd.DataFrame({'a': np.arange(5.0)}); values = frame['a'].values",
        "n = 1\n" + SLOW,
        "if os.path.exists('broken'): raise RuntimeError('broken')",
        "frame.iloc[0, 0] = 99; print(values[0], values[1])",
    )
    (project.root / "broken").touch()
    first = failed(project, project.notebook("shared.ipynb", *sources))
    changed = failed(
        project, project.notebook("changed.ipynb", sources[0], "frame.iloc[1, 0] = 7\n" + SLOW, *sources[2:])
    )
    (project.root / "broken").unlink()
    second = resume_notebook(project.ws(), first.id)
    assert second.detail["resumed"]["ran_again"] == {"1": ["values", "frame"]}
    assert said(project, second) == "99.0 1.0\n"
    third = resume_notebook(project.ws(), changed.id)
    assert third.detail["resumed"]["from_cell"] == 2, "not after the change: made again, the frame would lack it"
    assert said(project, third) == "99.0 7.0\n"


def test_what_was_patched_into_a_module_is_patched_again(project):
    (project.root / "shop.py").write_text(
        "TABLE = {}\ndef price(n): return n\ndef total(n): return price(n) + len(TABLE)\n"
    )
    sources = (
        "import shop; print('once')",
        "old = shop.price\nshop.price = lambda n: old(n) * 10",
        "shop.TABLE['a'] = 1; shop.TABLE.update(b=2)\n" + SLOW,
        "import os\nif os.path.exists('broken'): raise RuntimeError('broken')",
        "print(shop.total(4))",
    )
    (project.root / "broken").touch()
    first = failed(project, project.notebook("patched.ipynb", *sources))
    (project.root / "broken").unlink()
    second = resume_notebook(project.ws(), first.id)
    assert second.detail["resumed"]["ran_again"] == {"2": ["shop.price"], "3": ["shop.TABLE"]}
    assert said(project, second) == "once\n42\n"


def test_logging_and_the_like_are_set_up_again(project):
    sources = (
        "import logging, sys\nlogging.basicConfig(level=logging.INFO, stream=sys.stdout, format='> %(message)s')",
        "log = logging.getLogger('shop')\nlog.setLevel(logging.DEBUG)",
        "from tqdm.auto import tqdm\ntqdm.pandas()",
        "import pandas as pd\ndata = pd.DataFrame({'n': range(3)})\nlogging.getLogger('data').setLevel(logging.ERROR)",
        SLOW,
        "import os\nif os.path.exists('broken'): raise RuntimeError('broken')",
        "log.debug('found')\nprint(hasattr(data, 'progress_apply'))",
    )
    (project.root / "broken").touch()
    first = failed(project, project.notebook("logs.ipynb", *sources))
    (project.root / "broken").unlink()
    second = resume_notebook(project.ws(), first.id)
    again = {"1": ["logging.basicConfig"], "2": ["logging"], "3": ["tqdm.auto.tqdm.pandas"]}
    assert second.detail["resumed"]["ran_again"] == again, "cell 4 makes data, which may have taken an hour"
    assert said(project, second).endswith("> found\nTrue\n")


def test_a_set_up_that_may_not_run_again_hinders_nobody():
    sources = ("level = 10", "import logging\nlogging.basicConfig(level=level)", "level = 20", "a = 1")
    assert plan(sources, [boundary(3, sources)], failed=3, effects={}) == Plan(cell=3, again={})
    assert plan(sources, [boundary(2, sources)], failed=3, effects={}).again == {1: ("logging.basicConfig",)}
    assert plan(sources, [boundary(2, sources)], failed=3, effects={1: "x"}).again == {}


def test_an_older_state_is_taken_where_the_newest_is_no_good():
    sources = ("g = (i for i in range(3))", "a = 1", "next(g)", "next(g)")
    newest = boundary(3, sources, g="builtins.generator can't be kept")
    older = boundary(2, sources, g="builtins.generator can't be kept")
    assert plan(sources, [newest, older], failed=3, effects={}) == Plan(cell=2, again={0: ("g",)})


def test_effects_seen_in_a_cells_text():
    assert effect("import requests\nrequests.post('https://x.org')") == "talks to the network"
    assert effect("frame.to_sql('t', con)") == "writes to a database"
    assert effect("con.execute('insert into t values (1)')") == "writes to a database"
    assert effect("con.execute('select 1')") is None
    assert effect("!rm x") == effect("import subprocess; subprocess.run(['x'])") == "starts a command"
    assert effect("open('x', 'a')") == "adds to a file"
    assert effect("open('x', 'w'); a = 1") is None
