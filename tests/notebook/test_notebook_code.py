"""What counts as a change of code, which local files belong to it, and what reaches outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbops.notebook.code import code_digest, local_modules, notebook_code_digest, reads_outside
from nbops.notebook.files import Notebook, write
from nbops.notebook.outside import reasons


def notebook(*cells: str | tuple[str, str], path: Path = Path("n.ipynb")) -> Notebook:
    made = [(cell, ()) if isinstance(cell, str) else (cell[0], (cell[1],)) for cell in cells]
    data = [{"cell_type": "code", "source": s, "metadata": {"tags": list(t)}, "outputs": []} for s, t in made]
    return Notebook(path=path, data={"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": data})


SAME = [
    ("x = 1", "x=1  # one\n\n\n"),
    ("f(a, b)", "f(\n    a,\n    b,\n)"),
    ("x = 'a'", 'x = "a"'),
    ("x = 10", "x = 0xA"),
    ("x = 1", "%%time\nx = 1"),
    ("x = 1", "%%track fit -t a\n%%time\nx = 1"),
    ("x", "x;"),
    ("!ls -l", "!ls -l  \n"),
    ("x = u'a'", "x = 'a'"),
]
DIFFERENT = [
    ("x = 1", "x = 2"),
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 1", "x = '1'"),
    ("x = None", "x = ..."),
    ("x = 'None'", "x = None"),
    ("a = b", "b = a"),
    ("a\nb", "b\na"),
    ("if a:\n  b\nc", "if a:\n  b\n  c"),
    ("f(a=1)", "f(b=1)"),
    ("f(a, b)", "f((a, b))"),
    ("f(*a)", "f(**a)"),
    ("x + y", "x - y"),
    ("x.a", "x['a']"),
    ("def f(a, /): 0", "def f(a): 0"),
    ("def f(a, *, b): 0", "def f(a, b): 0"),
    ("def f():\n  'doc'", "def f():\n  'other'"),
    ("async def f(): 0", "def f(): 0"),
    ("import a", "import b"),
    ("from . import a", "from .. import a"),
    ("f'{x}'", "f'{x!r}'"),
    ("!ls", "!pwd"),
    ("%%bash\nls", "%%bash\npwd"),
    ("x = = 1", "x = = 2"),
    ("x: int = 1", "x = 1"),
    ("x = [')']", "x = []"),
    ("", "x"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_form_and_comments_do_not_count(one: str, two: str) -> None:
    assert code_digest(one) == code_digest(two)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_code_does(one: str, two: str) -> None:
    assert code_digest(one) != code_digest(two)


def test_all_these_codes_have_digests_of_their_own() -> None:
    texts = {two for _, two in DIFFERENT} - {one for one, _ in SAME + DIFFERENT}
    assert len({code_digest(text) for text in texts}) == len(texts)


def test_a_digest_is_tagged_and_the_same_in_every_process() -> None:
    script = "from nbops.notebook.code import code_digest as d; print(d('x = {1, 2}\\ndef f(a=1): return a'))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in "12"
    }  # fmt: skip
    assert digests == {code_digest("x = {1, 2}\ndef f(a=1): return a")}
    assert digests.pop().startswith("c1:sha256:")


def test_long_chains_have_a_digest() -> None:
    one, two = "x = " + " + ".join(["a"] * 900), "x = " + " + ".join(["a"] * 901)
    assert code_digest(one) != code_digest(two)


PARAMETERS = ("lr = 0.1  # rate\nday: str = '1'", "parameters")


def test_a_notebook_counts_its_code_but_no_values_of_parameters() -> None:
    base = notebook_code_digest(notebook(PARAMETERS, "x = lr", "y = x"))
    same = [
        notebook(PARAMETERS, "# only a comment", "x = lr  # c", "", "y = x"),
        notebook(("lr = 0.5\nday: str = '2'", "parameters"), "x = lr", "y = x"),
        notebook(PARAMETERS, ("lr = 9", "injected-parameters"), "x = lr", "y = x"),
    ]
    assert {notebook_code_digest(n) for n in same} == {base}
    other = [
        notebook(PARAMETERS, "x = lr", "y = x + 1"),
        notebook(PARAMETERS, "y = x", "x = lr"),
        notebook(PARAMETERS, "x = lr"),
        notebook(("lr = 0.1", "parameters"), "x = lr", "y = x"),
        notebook(("lr = 0.1\nday: str = today()", "parameters"), "x = lr", "y = x"),
        notebook(("lr = 0.1\nday: str = '1'\nprint(lr)", "parameters"), "x = lr", "y = x"),
        notebook((PARAMETERS[0], "other"), "x = lr", "y = x"),
    ]
    digests = {notebook_code_digest(n) for n in other}
    assert base not in digests
    assert len(digests) == len(other)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of this shape: nb/ (where the notebook is), src/pkg, lib/."""
    texts = {
        "nb/local.py": "import deep\nfrom pkg.sub import thing",
        "nb/deep.py": "import json, local",
        "nb/unused.py": "",
        "nb/script.py": "import shared",
        "nb/more.py": "",
        "nb/tool/__init__.py": "",
        "nb/tool/__main__.py": "from . import part",
        "nb/tool/part.py": "from ..tool import other",
        "nb/tool/other.py": "",
        "nb/space/inner.py": "",
        "nb/run.sh": "echo",
        "nb/lazy.py": "",
        "nb/ext.py": "",
        "nb/broken.py": "def (",
        "lib/shared.py": "",
        "src/pkg/__init__.py": "",
        "src/pkg/sub/__init__.py": "from .thing import x\nfrom ..base import *",
        "src/pkg/sub/thing.py": "",
        "src/pkg/base.py": "",
        "src/pkg/alone.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write(tmp_path / "nb/other.ipynb", notebook("import more").data)
    return tmp_path


MODULES = [
    ("import numpy, os", ""),
    ("import deep", "nb/deep.py nb/local.py src/pkg/__init__.py src/pkg/base.py src/pkg/sub/__init__.py "
     "src/pkg/sub/thing.py"),
    ("import space.inner", "nb/space/inner.py"),
    ("from space import inner as i", "nb/space/inner.py"),
    ("import pkg.alone", "src/pkg/__init__.py src/pkg/alone.py"),
    ("def f():\n  import lazy", "nb/lazy.py"),
    ("import importlib\nimportlib.import_module('lazy')", "nb/lazy.py"),
    ("import shared", ""),
    ("import sys\nsys.path.insert(0, '../lib')\nimport shared", "lib/shared.py"),
    ("%run script.py --x 1", "nb/script.py"),
    ("%run -i script", "nb/script.py"),
    ("%run other.ipynb", "nb/more.py nb/other.ipynb"),
    ("!python script.py > out", "nb/script.py"),
    ("x = !./run.sh a; echo", "nb/run.sh"),
    ("!cd . && python -m tool", "nb/tool/__init__.py nb/tool/__main__.py nb/tool/other.py nb/tool/part.py"),
    ("%%bash\nset -e\npython script.py", "nb/script.py"),
    ("import subprocess\nsubprocess.run(['python', 'script.py'])", "nb/script.py"),
    ("%load_ext ext", "nb/ext.py"),
    ("import broken", "nb/broken.py"),
    ("!python 'open quote", ""),
    ("not python at all (", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), MODULES, ids=[m[0] for m in MODULES])
def test_local_files_that_code_runs(project: Path, source: str, expected: str) -> None:
    found = local_modules(source, project / "nb", project)
    assert [str(p.relative_to(project)) for p in found] == expected.split()


def test_a_notebook_is_searched_whole_and_is_not_its_own_module(project: Path) -> None:
    made = notebook("import lazy", "%run other.ipynb", "%run me.ipynb", path=project / "nb" / "me.ipynb")
    write(made.path, made.data)
    found = local_modules(made, project / "nb", project)
    assert [p.name for p in found] == ["lazy.py", "more.py", "other.ipynb"]


OUTSIDE = [
    # the cell, "reason line" of each hint
    ("x = 1\ndf = pd.read_csv('data.csv')", ""),
    ("df = pd.read_csv('https://x.org/a.csv')", "url 1"),
    ("u = f's3://bucket/{month}.csv'", "url 1"),
    ("'''See https://x.org'''\nx = 'see https://x.org'", ""),
    ("import requests as r\nr.get(u)", "url 2"),
    ("!curl -O http://x.org/a.csv", "url 1"),
    ("%%bash\nwget https://x.org/a.csv", "url 1"),
    ("from sklearn.datasets import fetch_openml\nfetch_openml('x')", "url 2"),
    ("import sqlite3\ncon = sqlite3.connect('x.db')", "database 2"),
    ("from sqlalchemy import create_engine\ne = create_engine(u)", "database 2"),
    ("df = pd.read_sql('select 1', con)", "database 1"),
    ("%load_ext sql\n%sql select 1", "database 2"),
    ("from datetime import datetime\nnow = datetime.now()", "clock 2"),
    ("import datetime\nnow = datetime.datetime.utcnow()", "clock 2"),
    ("import datetime as dt\nnow = dt.date.today()", "clock 2"),
    ("t = time.time()", "clock 1"),
    ("t = time.perf_counter()", ""),
    ("n = pd.Timestamp.now()\nm = pd.Timestamp('today')\no = pd.to_datetime('2011-01-01')", "clock 1, clock 2"),
    ("rng = np.random.default_rng()", "random 1"),
    ("rng = np.random.default_rng(0)\nrng.normal()", ""),
    ("rng = np.random.default_rng(seed=None)", "random 1"),
    ("from numpy.random import default_rng, rand\ndefault_rng(1)\nrand(3)", "random 3"),
    ("np.random.rand(3)\nnp.random.seed(0)\nnp.random.rand(3)", "random 1"),
    ("np.random.seed(0)\nnp.random.seed()\nnp.random.rand(3)", "random 3"),
    ("import random\nrandom.shuffle(x)", "random 2"),
    ("import random\nrandom.seed(1)\nrandom.shuffle(x)\nrandom.Random(3)", ""),
    ("import uuid\nrandom.seed(1)\nuuid.uuid4()", "random 3"),
    ("train_test_split(X, y)", "random 1"),
    ("train_test_split(X, y, random_state=0)", ""),
    ("train_test_split(X, y, random_state=None)", "random 1"),
    ("train_test_split(X, y, shuffle=False)", ""),
    ("train_test_split(X, y, **options)", ""),
    ("from sklearn import ensemble\nensemble.RandomForestRegressor(n_estimators=5)", "random 2"),
    ("KFold(5)\nKFold(5, shuffle=True)\nKFold(5, shuffle=True, random_state=1)", "random 2"),
    ("df.sample(frac=0.1)\ndf.sample(n=3, random_state=1)", "random 1"),
    ("np.random.seed(0)\ndf.sample(frac=0.1)\nKMeans(3)", ""),
    ("a = time.time() + random.random()", "clock 1, random 1"),
    ("def f():\n  import time as t\n  return t.time()", "clock 3"),
    ("broken (", ""),
]


@pytest.mark.parametrize(("source", "expected"), OUTSIDE, ids=[o[0] for o in OUTSIDE])
def test_hints_of_what_reaches_outside(source: str, expected: str) -> None:
    assert ", ".join(f"{o.reason} {o.line}" for o in reads_outside(source)) == expected


def test_imports_and_seeds_of_earlier_cells_hold_in_later_ones() -> None:
    found = reads_outside(notebook("import numpy as nn\nimport time as t", "nn.random.rand()\nt.time()",
                                   "nn.random.seed(1)", "nn.random.rand()"))  # fmt: skip
    assert [(o.cell, o.line, o.reason, o.what) for o in found] == [
        (1, 1, "random", "nn.random.rand"), (1, 2, "clock", "t.time"),
    ]  # fmt: skip
    assert reasons(found) == ("clock", "random")


def test_a_url_is_told_without_its_credentials() -> None:
    (found,) = reads_outside("x = 'https://me:secret@x.org/a.csv?token=abc'")
    assert found.what == "https://x.org/a.csv"
    (found,) = reads_outside("!curl https://me:secret@x.org/a.csv?token=abc -o x")
    assert "secret" not in found.what
    assert "abc" not in found.what
