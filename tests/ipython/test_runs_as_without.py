"""A tracked cell runs as it would without us: message by message, against a kernel that has no nbops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Kernel, comparable, comparable_reply, kernel, shown
from nbops.core.clock import SystemClock
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.store import runs
from nbops.store.liveness import this_process
from nbops.workspace import open_workspace

RUN = "0123456789abcdef"

CELLS: dict[str, str] = {
    "assignment": "x = 1\ny = 2.5",
    "expression": "x + y",
    "last expression with semicolon": "x;",
    "print": "print('a'); print('b')",
    "stderr": "import sys\nprint('e', file=sys.stderr)",
    "both streams": "print('o')\nprint('e', file=sys.stderr)\nprint('o2')",
    "display": "from IPython.display import display, HTML, Markdown\ndisplay(HTML('<b>x</b>'), Markdown('*y*'))",
    "display id": "handle = display('first', display_id='one')\nhandle.update('second')",
    "update display": "from IPython.display import update_display\nupdate_display('third', display_id='one')",
    "traceback with line numbers": "def f(n):\n    return 1 / n\n\nf(0)",
    "error in an imported function": "import json\njson.loads('{')",
    "chained error": "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('second') from e",
    "syntax error": "x = = 1",
    "indentation error": "if True:\nx = 1",
    "name error": "undefined_name",
    "error whose text fails": (
        "class Bad(Exception):\n    def __str__(self):\n        raise RuntimeError('no')\nraise Bad()"
    ),
    "deep recursion": "def deep(n):\n    return deep(n + 1)\ndeep(0)",
    "top-level await": "import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')",
    "await that fails": "async def g():\n    raise KeyError('k')\nawait g()",
    "async generator": "async def agen():\n    for i in range(3):\n        yield i\n[i async for i in agen()]",
    "async with print": "async def p():\n    print('in')\n    await asyncio.sleep(0)\n    print('out')\nawait p()",
    "system exit": "import sys\nsys.exit(3)",
    "a warning that is told once": (
        "import sys, types\nwarns = sys.modules['warns'] = types.ModuleType('warns')\n"
        "exec('import warnings\\ndef f(): warnings.warn(\"told once\")', vars(warns))\nwarns.f()"
    ),
    "and not again": "warns.f()",
    "shell command": "!echo hello",
    "shell command captured": "files = !echo a b\nfiles",
    "exit code": "!exit 3\n_exit_code",
    "line magic": "%precision 3\n3.14159",
    "line magic timed": "%time sum(range(10))",
    "help": "len?",
    "object help": "x?",
    "clear output": "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')",
    "clear that waits, then print": "print('gone')\nclear_output(wait=True)\nprint('stays')",
    "clear that waits, then display": "print('gone')\nclear_output(wait=True)\ndisplay('stays')",
    "clear that waits, then a result": "print('gone')\nclear_output(wait=True)\n'stays'",
    "clear that waits, then an error": "print('gone')\nclear_output(wait=True)\n1/0",
    "clear that waits, then nothing": "print('stays')\nclear_output(wait=True)",
    "clear that waits in a loop": "for i in range(3):\n    clear_output(wait=True)\n    print(i)",
    "clear that waits, twice": "print('a')\nclear_output(wait=True)\nprint('b')\nclear_output(wait=True)",
    "clear that waits, then stderr": "print('a')\nclear_output(wait=True)\nprint('b', file=sys.stderr)",
    "after a clear that waits": "print('fine')",
    "output widget": (
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(out)\nwith out:\n    print('inside')\nprint('outside')"
    ),
    "output widget that is cleared": "with out:\n    clear_output(wait=True)\n    print('again')",
    "threads printing": (
        "import threading\nthreads = [threading.Thread(target=print, args=(f't{i}',)) for i in range(3)]\n"
        "for t in threads:\n    t.start()\n    t.join()"
    ),
    "warning": "import warnings\nwarnings.warn('careful')",
    "out and underscore": "_, len(Out) > 0",
    "namespace": "sorted(n for n in globals() if not n.startswith('_'))",
    "stack depth": "import inspect\nlen(inspect.stack())",
    "callers are the user's": "import sys\nsys._getframe(0).f_back.f_code.co_name",
    "input is refused": "input('? ')",
    "figure": (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2])\nplt.show()"
    ),
    "figure shown at the end": "plt.figure(figsize=(1, 1));\nplt.plot([1, 2]);",
    "data frame": "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})\ndf",
    "query with a local": "def q(b):\n    return df.query('a > @b')\nlen(q(1))",
    "run a magic from code": "get_ipython().run_line_magic('precision', '2')",
    "run a cell from code": "get_ipython().run_cell('nested = 1\\nprint(nested)').success",
    "redirected output": (
        "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    print('in')\nb.getvalue()"
    ),
    "captured output": (
        "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n    print('in')\n"
        "    display('d')\nc.stdout, len(c.outputs)"
    ),
    "only a comment": "# nothing",
    "assert": "assert x == 2, 'x is one'",
    "logging": "import logging\nlogging.warning('w')",
    # what looks at the frames of its callers, or takes functions elsewhere
    "a formula with a local function": (
        "import pandas as pd, statsmodels.formula.api as smf\ndef formula():\n    def twice(x): return 2 * x\n"
        "    data = pd.DataFrame({'a': [1.0, 2, 4, 3], 'c': [1.0, 3, 5, 2]})\n"
        "    return smf.ols('a ~ twice(c)', data).fit().params.round(6).to_dict()\nformula()"
    ),
    "super and locals": (
        "class A:\n    def f(self): return sorted(locals())\n"
        "class B(A):\n    def f(self): return super().f(), __class__.__name__\nB().f()"
    ),
    "eval in a function": "def ev(local):\n    return eval('local + 1'), pd.eval('local * 2'), sorted(locals())\nev(3)",
    "a warning at its stacklevel": "def old():\n    warnings.warn('old', stacklevel=2)\nold()",
    "a pickled function": "import json, pickle\npickle.loads(pickle.dumps(json.dumps)) is json.dumps",
    "a cloned estimator": (
        "from sklearn.base import clone\nfrom sklearn.linear_model import Ridge\n"
        "clone(Ridge(alpha=2)).fit([[1.0], [2], [3]], [1.0, 2, 3]).predict([[4.0]]).round(3)"
    ),
    "a pickled method": "pickle.loads(pickle.dumps(Ridge.fit)) is Ridge.fit",
    "an error in a fit": "Ridge().fit([[1.0]], [1.0, 2])",
    "fits in threads": (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n"
        "    fits = list(pool.map(lambda a: Ridge(alpha=a).fit([[1.0], [2]], [1.0, 2]).alpha, [1, 2]))\nfits"
    ),
    "joblib at work": "from joblib import Parallel, delayed\nParallel(n_jobs=2)(delayed(pow)(i, 2) for i in range(3))",
    "a script": "n = open('script.py', 'w').write('made = 3\\nprint(__name__)')\n%run script.py\nmade",
}

MAGIC_CELLS: dict[str, str] = {  # another cell magic: %%track stands above it
    "time": "%%time\nz = 3\nprint(z)",
    "time with an error": "%%time\n\n1/0",
    "capture": "%%capture cap\nprint('hidden')\ndisplay('hidden too')",
    "what was captured": "%%time\nprint(cap.stdout, len(cap.outputs))",
    "bash": "%%bash\necho from bash",
    "failing bash": "%%bash\nexit 4",
    "html": "%%html\n<i>h</i>",
    "writefile": "%%writefile written.txt\ncontent",
    "unknown": "%%nosuchmagic\n1",
}


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("control"), nbops=False) as started:
        yield started


@pytest.fixture(scope="module")
def control_for_marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("control"), nbops=False) as started:
        yield started


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that tracks every cell from the first on, into a run that we hold (as the papermill engine does)."""
    folder = tmp_path_factory.mktemp("auto")
    (folder / ".nbops").mkdir()
    ws = open_workspace(folder)
    with ws.store.transaction() as tx:
        runs.save(
            tx,
            Run(
                id=RUN,
                kind=RunKind.STEP,
                name="nb",
                experiment="nb",
                status=RunStatus.IN_PROGRESS,
                started_at=SystemClock().now(),
                owner=this_process(),
            ),
        )
    with kernel(folder, nbops=True, env={"NBOPS_RUN_ID": RUN}) as started:
        yield started


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("marked")
    (folder / ".nbops").mkdir()
    with kernel(folder, nbops=True) as started:
        yield started


def assert_same(ours: Any, theirs: Any) -> None:
    messages, reply = ours
    control_messages, control_reply = theirs
    assert comparable(messages) == comparable(control_messages)
    assert comparable_reply(reply) == comparable_reply(control_reply)
    assert shown(messages) == shown(control_messages)


@pytest.mark.parametrize("name", [*CELLS, *MAGIC_CELLS])
def test_in_auto_mode(name: str, auto: Kernel, control: Kernel) -> None:
    code = (CELLS | MAGIC_CELLS)[name]
    assert_same(auto.run(code), control.run(code))


@pytest.mark.parametrize("name", CELLS)
def test_marked(name: str, marked: Kernel, control_for_marked: Kernel) -> None:
    messages, reply = marked.run(f"%%track -t {name.split()[0]}\n{CELLS[name]}")
    assert_same((messages, reply), control_for_marked.run(f"#\n{CELLS[name]}"))


@pytest.mark.parametrize("name", MAGIC_CELLS)
def test_marked_above_another_magic(name: str, marked: Kernel, control_for_marked: Kernel) -> None:
    assert_same(marked.run(f"%%track\n{MAGIC_CELLS[name]}"), control_for_marked.run(MAGIC_CELLS[name]))
