"""Cells that nobody would write, and some that people do: with nbops the kernel does what it does without, and no run
stays open."""

from __future__ import annotations

import random
from pathlib import Path

from conftest import comparable, comparable_reply, kernel, shown
from nbops.core.runs import RunStatus
from nbops.store import records, runs
from nbops.workspace import open_workspace

SEED, CELLS = 20261127, 90

STATEMENTS = [
    "x = 1",
    "print('a', end='')",
    "1 / 0",
    "undefined",
    "x = = 2",
    "def broken(:",
    "raise SystemExit(3)",
    "raise KeyboardInterrupt",
    "raise BaseException('base')",
    "raise ExceptionGroup('many', [ValueError(1), TypeError('t')])",
    "print('x' * 200_000)",
    "list(range(3000))",
    "'y' * 5000",
    "deep = lambda n: deep(n + 1); deep(0)",
    "value = []\nfor _ in range(5000): value = [value]",
    "import threading\nt = threading.Thread(target=print, args=('in a thread',))\nt.start(); t.join()",
    "import os, sys\npid = os.fork()\nif pid == 0: os._exit(3)\nos.waitpid(pid, 0)[1]",
    "import os\npid = os.fork()\nif pid == 0:\n    y = 5\n    os._exit(0)\nos.waitpid(pid, 0)[1] == 0",
    "import asyncio\nawait asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))",
    "async def agen():\n    for i in range(3): yield i\n[i async for i in agen()]",
    "async def bad():\n    yield 1\n    raise ValueError('from an async generator')\n[i async for i in bad()]",
    "async for i in agen(): print(i)",
    "await undefined_too",
    "%time 1 + 1",
    "%no_such_magic",
    "!echo from the shell",
    "!exit 2",
    "x?",
    "%%no_such_cell_magic\nbody",
    "get_ipython().run_cell('z = 1\\nz / 0').success",
    "get_ipython().run_line_magic('precision', '3')",
    "exec('q = 3\\nq')",
    "eval('x +')",
    "globals()['made'] = 4\nmade",
    "del x",
    "import builtins\nlen = 3\ndel len",
    "from IPython.display import display\ndisplay({'text/plain': 'raw'}, raw=True)",
    "class Bad:\n    def __repr__(self): raise RuntimeError('no repr')\nBad()",
    "class Meta(type):\n    def __getattr__(cls, n): raise RuntimeError(n)\nclass Odd(metaclass=Meta): pass\no = Odd()",
    "import numpy as np\na = np.arange(4)\nview = a[1:]\nview[0] = 9\na",
    "loop = {}\nloop['again'] = loop\nlen(loop)",
    "import warnings\nwarnings.warn('careful', stacklevel=2)",
    "import sys\nsys.settrace(None); sys.setrecursionlimit(sys.getrecursionlimit())",
    "import sys\nsys.stdout.write('half a line'); sys.stdout.flush()",
    "import gc\ngc.disable(); gc.enable(); gc.isenabled()",
    "match x:\n    case int(): print('int')",
    "lambda: (yield)",
    "return 3",
    "yield 3",
    "print(*[c for c in 'ünïcödé ☃ \\U0001f600'])",
    "x = 1;",
    "_",
    "print(__name__, __doc__ is None)",
    "import inspect\nprint([f.function for f in inspect.stack()][:2])",
    "super()",
    "locals() is globals()",
    "help",
    "type('Sly', (), {'__class__': property(lambda s: 1 / 0)})()",
]  # fmt: skip
WRAPS = [
    "{code}",
    "{code}",
    "def wrapped():\n{indented}\nwrapped()",
    "try:\n{indented}\nexcept Exception as e:\n    print(type(e).__name__)",
    "try:\n{indented}\nfinally:\n    print('finally')",
    "for _ in range(2):\n{indented}",
    "with open('fuzz.txt', 'w') as f:\n{indented}",
    "%%time\n{code}",
    "%%capture caught\n{code}",
    "exec({code!r})",
    "import threading\nt = threading.Thread(target=lambda: exec({code!r}, dict(globals())))\nt.daemon = True",
    "async def outer():\n{indented}\nawait outer()",
]


def cells() -> list[str]:
    """The same ones each time: single statements, two in one cell, wrapped ones, and texts cut off anywhere."""
    draw = random.Random(SEED)
    made = list(STATEMENTS)
    while len(made) < CELLS:
        code = "\n".join(draw.sample(STATEMENTS, draw.choice((1, 2))))
        text = draw.choice(WRAPS).format(code=code, indented="\n".join("    " + line for line in code.split("\n")))
        if draw.random() < 0.2 and "fork" not in text:  # a child that nobody ends would be a second kernel
            text = text[: draw.randrange(len(text))]
        if draw.random() < 0.1 and "fork" not in text:
            at = draw.randrange(len(text) + 1)
            text = text[:at] + draw.choice(["\x00", "\ufeff", "\t", "\\", "'''", "(", "\r", "é"]) + text[at:]
        if "%time" not in text and "%%time" not in text:  # its output has times
            made.append(text)
    return made


def test_the_kernel_does_what_it_would_and_no_run_stays_open(tmp_path: Path) -> None:
    tracked, control = tmp_path / "tracked", tmp_path / "control"
    (tracked / ".nbops").mkdir(parents=True)
    control.mkdir()
    differ = {}
    with kernel(tracked, nbops=True) as ours, kernel(control, nbops=False) as plain:
        ours.run("%nbops auto on")
        plain.run("pass")
        texts = cells()
        for text in [*texts, "exit()"]:
            mine, theirs = ours.run(text), plain.run(text)
            seen = [
                (comparable(messages), comparable_reply(reply), shown(messages)) for messages, reply in (mine, theirs)
            ]
            if seen[0] != seen[1]:
                differ[text] = seen
        assert differ == {}
        ours.manager.shutdown_kernel()
    workspace = open_workspace(tracked, environ={})
    found = runs.listed(workspace.store, limit=1000)
    assert [run.status for run in found] == [RunStatus.COMPLETED]  # the session's: neither open nor lost
    recorded = sum(len(records.of_run(workspace.store, run.id)) for run in found)
    assert recorded >= len(texts) * 0.9  # an empty cell has no record
    workspace.store.close()
