"""A forked kernel is as good as one started from nothing: it sees nothing of its siblings, and all works in it."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from nbops.kernels import parents
from nbops.kernels.provisioner import ForkProvisioner
from nbops.pipeline.kernel_session import EXTENSION
from nbops.pipeline.kernel_start import packages_of, ready, ready_kernel
from nbops.workspace import open_workspace


def text(outputs: list[Any]) -> str:
    return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout")


def test_what_one_kernel_does_the_next_does_not_see(execute):
    meddling = """
import builtins, os, random, sys, textwrap, threading, time
import numpy as np, pandas as pd
os.environ["LEFT_BEHIND"] = "1"; del os.environ["HOME"]
os.chdir("/")
builtins.left_behind = pd.DataFrame.left_behind = 1
textwrap.dedent = None
np.random.seed(0); random.seed(0); pd.set_option("display.max_rows", 7); np.set_printoptions(precision=1)
sys.path.insert(0, "/left/behind")
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
pd.DataFrame.sum = lambda self: "meddled"
"""
    looking = """
import builtins, os, random, sys, textwrap, threading
import numpy as np, pandas as pd
print([
    "LEFT_BEHIND" in os.environ, "HOME" in os.environ, os.getcwd() == "/", hasattr(builtins, "left_behind"),
    hasattr(pd.DataFrame, "left_behind"), textwrap.dedent is None, pd.get_option("display.max_rows"),
    "/left/behind" in sys.path, bool(pd.DataFrame({"a": [1, 2]}).sum()["a"] == 3), np.get_printoptions()["precision"],
    "time.sleep" in str(threading.enumerate()), "np" in globals() and "meddling" not in globals(),
    (float(np.random.rand()), random.random(), float(np.random.default_rng().random())),
])"""
    assert execute(meddling)[0].detail["kernel"] == "forked"
    one, two = (ast.literal_eval(text(execute(looking)[1][0])) for _ in range(2))
    assert one[:-1] == two[:-1]
    assert one[:-1] == [False, True, False, False, False, False, 60, False, True, 8, False, True]
    assert not set(one[-1]) & set(two[-1])  # each has its own luck


def test_a_forked_kernel_is_as_one_started_cold(execute):
    cells = (
        "import os, signal, sys\nprint(sorted(set(os.environ) - {'PWD', 'SHLVL', '_', 'PYTEST_CURRENT_TEST'}))",
        "print(os.getcwd(), sys.path, sys.flags, sys.argv[0], sys.argv[3:], os.getsid(0) == os.getpgrp())",
        "print([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)])",
        "print([m in sys.modules for m in ('numpy', 'pandas', 'sklearn', 'pyarrow', 'matplotlib')])",
        "import pandas; print('sklearn' in sys.modules, pandas.core.frame is sys.modules['pandas.core.frame'])",
        "from sklearn.linear_model import LinearRegression\nm = LinearRegression().fit([[1.0], [2]], [1, 2]); m.coef_",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()",
        "import importlib, threading; importlib.reload(pandas)\n"
        "print(sorted({t.name for t in threading.enumerate()} - {'Thread-1'}))",
        "get_ipython().execution_count, __name__",
    )
    cold, plain = execute(*cells, warm=False)
    warm, forked = execute(*cells)
    assert ("kernel" in cold.detail, warm.detail["kernel"]) == (False, "forked")
    for one, other in zip(forked, plain, strict=True):
        assert one == other
    assert warm.environment == cold.environment  # the packages that the notebook had imported, no more
    assert warm.code == cold.code


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_a_cold_kernel_of_ours_is_as_ipykernels_own_but_for_the_debugger(execute, tmp_path, monkeypatch, safe_path):
    monkeypatch.setenv("PYTHONSAFEPATH", safe_path)
    cells = (
        "import gc, os, signal, sys\nprint(os.getcwd(), sys.path, sys.flags, sys.argv[0], sys.argv[3:])",
        "print([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)])",
        "main = sys.modules['__main__']\nprint(vars(main) is globals(), sorted(vars(main)), gc.isenabled())",
        "import concurrent.futures as f, math, multiprocessing as m\n"
        "with f.ProcessPoolExecutor(1, m.get_context('spawn')) as pool: print(pool.submit(math.sqrt, 4).result())",
        "import threading; print(sorted({t.name for t in threading.enumerate()} - {'Thread-1'}))",
        "import debugpy; print(debugpy.__name__)",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, resources=resources, extra_arguments=[EXTENSION]).execute()
    done, ours = execute(*cells, "print(get_ipython().kernel.kernel_info['supported_features'])", warm=False)
    assert [text(outputs) for outputs in ours[:-1]] == [text(cell.outputs) for cell in notebook.cells]
    assert "debugger" not in text(ours[-1])
    assert "tracking" not in done.detail


def test_what_usually_breaks_after_a_fork_works(execute, tmp_path):
    cells = (
        "import numpy as np\nfrom sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor\n"
        "X = np.random.default_rng(0).normal(size=(3000, 5))\n"
        "print(HistGradientBoostingRegressor(max_iter=5).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.3, (X.T @ X).shape)",
        "print(RandomForestRegressor(4, n_jobs=2).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.3)",
        "import math, multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(math.sqrt, [4, 9]))",
        "from concurrent.futures import ProcessPoolExecutor\n"
        "spawn = multiprocessing.get_context('spawn')\n"
        "with ProcessPoolExecutor(1, spawn) as p: print(p.submit(math.sqrt, 4).result())",
        "from joblib import Parallel, delayed\nprint(Parallel(2)(delayed(math.sqrt)(i) for i in (4, 9)))",
        "import asyncio\nchild = await asyncio.create_subprocess_exec('echo', 'hello', stdout=-1)\n"
        "print((await child.communicate())[0])",
        "!echo shell",
        "import pyarrow as pa, pyarrow.compute as pc; print(pc.sum(pa.array(range(1000000))))",
    )
    done, out = execute(*cells, timeout_s=120)
    assert done.detail["kernel"] == "forked"
    assert [text(o).strip() for o in out] == [
        "True (5, 5)", "True", "[2.0, 3.0]", "2.0", "[2.0, 3.0]", "b'hello\\n'", "shell", "499999500000",
    ]  # fmt: skip


@pytest.mark.parametrize("warm", [True, False])
def test_what_a_notebook_leaves_open_is_closed_at_the_end_of_its_kernel(execute, tmp_path, warm):
    (tmp_path / "mine.py").write_text(f"unflushed = open({str(tmp_path / 'module')!r}, 'w'); unflushed.write('kept')")
    execute(
        f"import atexit; atexit.register(lambda: open({str(tmp_path / 'exit')!r}, 'w').write('said'))\n"
        f"import mine; unflushed = open({str(tmp_path / 'unflushed')!r}, 'w'); unflushed.write('kept')\n"
        "import pandas\nclass Last:\n"
        f"    def __del__(self, pd=pandas): pd.Series(['gone']).to_csv({str(tmp_path / 'del')!r}, index=False)\n"
        "last = Last(); last.me = last",
        warm=warm,
    )
    left = [(tmp_path / name).read_text() for name in ("exit", "unflushed", "module", "del")]
    assert left == ["said", "kept", "kept", "0\ngone\n"]


def test_the_end_of_a_kernel_takes_no_library_apart():
    """A thousand modules one by one, each with a search for garbage, took 0.7 s of each notebook that used pandas."""
    script = (
        "import sys, pandas, nbops.kernels.kernel_process as k\n"
        "before = {name for name in sys.modules if not name.startswith('pandas')}\n"
        "sys.path.insert(0, sys.argv[1]); import mine\n"
        "print([m.__name__ for m in k._own_modules(before)])"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine.py").touch()
        done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True)
    assert done.stdout == "['mine']\n", done.stderr


def test_a_parent_imports_what_the_notebooks_it_has_met_import(execute, tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "matplotlib").mkdir(parents=True)
    (site / "matplotlib" / "__init__.py").write_text("raise RuntimeError('not today')")
    monkeypatch.setenv("PYTHONPATH", str(site))  # and so a parent of its own
    before = set(parents._Process.parents)

    def libraries() -> list[bool]:
        (parent,) = [p for key, p in parents._Process.parents.items() if key not in before]
        assert parent.process is not None
        maps = Path(f"/proc/{parent.process.pid}/maps").read_text()
        return [f"/{package}/" in maps for package in ("numpy", "pandas", "sklearn")]

    def kernel(code: str, *more: str, **how: Any) -> Any:
        done, out = execute(code, *more, **how)
        assert done.detail["kernel"] == "forked"
        return text(out[-1])

    assert kernel("import sys; print('numpy' in sys.modules)") == "False\n"
    assert libraries() == [False, False, False]
    (tmp_path / "beside.py").write_text("import numpy")
    assert kernel("import beside, sys\nprint('numpy' in sys.modules, beside.numpy.sum([1, 2]))") == "True 3\n"
    assert libraries() == [True, False, False]
    assert kernel("import numpy, pandas; print(pandas.core.frame.np is numpy)") == "True\n"
    assert libraries() == [True, True, False]
    assert kernel("import sys; print('numpy' in sys.modules)") == "False\n"
    # one that can't be imported is the notebook's trouble, not the parent's
    said = kernel("try: import matplotlib\nexcept RuntimeError as error: print(error)")
    assert said == "not today\n"
    assert kernel("import sys; print('matplotlib' in sys.modules)") == "False\n"


def test_which_packages_a_notebook_needs(tmp_path):
    def needed(*cells: str) -> list[str] | None:
        body = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in cells]
        notebook = tmp_path / "n.ipynb"
        notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": body}))
        return packages_of(open_workspace(tmp_path, environ={}), notebook)

    (tmp_path / "nbops.toml").touch()
    (tmp_path / "rules.py").write_text("def f():\n    from sklearn.linear_model import Ridge\n")
    assert needed("x = 1") == []
    assert needed("import os, json\nimport pandas as pd", "from rules import f") == ["pandas", "sklearn"]
    assert needed("%matplotlib inline\n__import__('numpy')") == ["matplotlib", "numpy"]
    assert needed("import seaborn") is None  # it may import any of them
    assert needed("import pandas", "%load_ext nbops") is None
    assert packages_of(open_workspace(tmp_path, environ={}), tmp_path / "none.ipynb") is None


def test_a_kernel_that_is_still_answering_that_it_ends_comes_to_its_end():
    # what waits in the queue of the thread that sends outputs is lost if that is stopped now: ipykernel waits on
    slow = """
import sys, threading, time
sending = sys.stdout.pub_thread
def late(f, schedule=sending.schedule, thread=sending.thread, me=threading.current_thread, sleep=time.sleep):
    if me().name == "Control":
        sleep(0.3)
        if not thread.is_alive():
            return
    schedule(f)
sending.schedule = late
"""

    async def trial() -> int | None:
        km = AsyncKernelManager(kernel_name="python3")
        with ready_kernel(km, warm=True, packages=[]):
            await km.start_kernel(env=dict(os.environ))
            kc = km.client()
            kc.start_channels(stdin=False, hb=False)
            await ready(km, kc, 60)
            await kc._async_recv_reply(kc.execute(slow), timeout=60)
            assert isinstance(km.provisioner, ForkProvisioner)
            assert km.provisioner.forked
            process = km.provisioner.process
            kc.stop_channels()
            await km.shutdown_kernel()
        return process.returncode

    assert asyncio.run(trial()) == 0  # not killed


async def said(kc: Any, code: str) -> Any:
    request = kc.execute("", silent=True, user_expressions={"x": code}) if code else ""
    while True:
        message = await kc.shell_channel.get_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]["user_expressions"]["x"].get("data", {}).get("text/plain")


def test_killed_interrupted_restarted():
    async def trial() -> None:
        prototypes = [AsyncKernelManager(kernel_name="python3") for _ in range(2)]
        for km in prototypes:
            km.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "nbops-fork"}
        clients = []
        for km in prototypes:
            await km.start_kernel(env=dict(os.environ))
            kc = km.client()
            kc.start_channels(stdin=False, hb=False)
            await ready(km, kc, 60)
            clients.append(kc)
        first, second = prototypes
        assert "'debugger'" in str(await said(clients[0], "get_ipython().kernel.kernel_info['supported_features']"))
        assert isinstance(first.provisioner, ForkProvisioner)
        assert first.provisioner.forked
        # an interrupt reaches the kernel's cell
        request = clients[1].execute("import time; time.sleep(60)")
        while (await clients[1].iopub_channel.get_msg(timeout=60))["msg_type"] != "execute_input":
            pass
        await asyncio.sleep(0.1)
        await second.interrupt_kernel()
        reply = await clients[1]._async_recv_reply(request, timeout=60)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        # a killed kernel is seen to be dead, with its signal; the other one works on
        os.kill(first.provisioner.pid, signal.SIGKILL)
        assert await first.provisioner.wait() == -signal.SIGKILL
        assert not await first.is_alive()
        assert await said(clients[1], "6 * 7") == "42"
        # a restarted kernel is another process
        pid = second.provisioner.pid
        await second.restart_kernel()
        assert second.provisioner.forked
        assert second.provisioner.pid != pid
        await ready(second, clients[1], 60)
        assert await said(clients[1], "'time' in globals()") == "False"
        pid = second.provisioner.pid
        for km, kc in zip(prototypes, clients, strict=True):
            kc.stop_channels()
            await km.shutdown_kernel()
        assert not Path(f"/proc/{pid}").exists()

    asyncio.run(trial())


def test_a_parent_with_a_thread_or_a_file_too_many_forks_nothing_and_the_kernel_starts_cold(
    execute, tmp_path, monkeypatch
):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        "if 'nbops.kernels.zygote' in ' '.join(sys.orig_argv):\n"
        "    if os.environ['PLANTED'] == 'thread':\n"
        "        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "    else:\n"
        "        kept = open(os.environ['PLANTED'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("PLANTED", "thread")
    done, out = execute("print(1)")
    assert done.detail["kernel"].startswith("started cold: the parent has ")
    assert text(out[0]) == "1\n"
    monkeypatch.setenv("PLANTED", "/proc/self/status")
    done, _ = execute("print(1)")
    assert "/status' open" in done.detail["kernel"]
    library = tmp_path / "libfor.so.8.5.0"  # as libffi keeps itself open
    library.touch()
    monkeypatch.setenv("PLANTED", str(library))
    assert execute("print(1)")[0].detail["kernel"] == "forked"


def test_no_zygote_where_there_can_be_none(tmp_path):
    def note(cmd: list[str], environment: dict[str, str]) -> str | None:
        async def trial() -> str | None:
            provisioner = ForkProvisioner(kernel_id="x", kernel_spec=None)
            provisioner.connection_info = {}
            await provisioner.launch_kernel(cmd, env=environment)
            await provisioner.wait()
            return provisioner.note

        return asyncio.run(trial())

    assert "its command is not 'python -m ipykernel_launcher': 'true x'" in str(note(["true", "x"], dict(os.environ)))
    stranger = tmp_path / "python"
    stranger.write_text("#!/bin/sh\necho no nbops here >&2; exit 1\n")
    stranger.chmod(0o755)
    said = note([str(stranger), "-m", "ipykernel_launcher"], dict(os.environ))
    assert said == "started cold: no parent could be started for it: no nbops here"


def test_kernels_die_with_their_owner_even_if_it_is_killed():
    script = """
import asyncio, os, time
import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
async def main():
    km = AsyncKernelManager(kernel_name="python3")
    km.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "nbops-fork"}
    await km.start_kernel(env=dict(os.environ))
    print(km.provisioner.forked, km.provisioner.pid, flush=True)
    time.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        try:
            forked, pid = owner.stdout.readline().split()
            assert forked == "True"
            kernel = os.pidfd_open(int(pid))
        finally:
            owner.kill()
    assert select.select([kernel], [], [], 30)[0]
    os.close(kernel)


def test_sockets_are_short_private_and_taken_away(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    script = """
import json
from pathlib import Path
from nbops.kernels.sockets import sockets
with sockets() as one, sockets() as other:
    for place in (f"{one}-1", f"{other}-1", f"{other}-5"):
        Path(place).touch()
left = len(list(Path(one).parent.iterdir()))
print(json.dumps([one, other, Path(one).parent.stat().st_mode & 0o777, left]))
"""
    environment = {**os.environ, "TMPDIR": str(deep)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    one, other, mode, left = json.loads(done.stdout)
    assert (mode, left) == (0o700, 0)
    assert one != other
    assert len(f"{other}-5") < 100
    assert not Path(one).parent.exists()


def test_a_kernel_is_heard_over_them(execute):
    _, out = execute("import glob; print(len(glob.glob(get_ipython().kernel.parent.ip + '-*')))", warm=False)
    assert text(out[0]) == "5\n"


def test_kernel_specs_are_found_where_they_were_without_ipython(tmp_path):
    script = (
        "import sys; from jupyter_client.kernelspec import KernelSpecManager\n"
        "from nbops.pipeline.kernel_start import kernel_specs\n"
        "ours = kernel_specs(); ours.get_kernel_spec('python3')\n"
        "print('IPython' in sys.modules, ours.kernel_dirs == KernelSpecManager().kernel_dirs)"
    )
    (tmp_path / ".ipython").mkdir()
    for where in ({"HOME": str(tmp_path)}, {"IPYTHONDIR": str(tmp_path / "other")}):
        environment = {k: v for k, v in os.environ.items() if k != "IPYTHONDIR"} | where
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout == "False True\n", done.stderr


def test_a_worker_finds_the_zygotes_of_its_owner(execute, monkeypatch):
    execute("1")
    name = parents.SHARED
    script = (
        "import os, sys\nfrom nbops.kernels.parents import parent_for\n"
        "p = parent_for([sys.argv[1]], dict(os.environ), start=False)\nprint(p and p.process, bool(p))"
    )
    python = AsyncKernelManager(kernel_name="python3").format_kernel_cmd()[0]
    done = subprocess.run(
        [sys.executable, "-c", script, python], env=os.environ | parents.shared(), capture_output=True, text=True
    )
    assert name.startswith("NBOPS_")
    assert done.stdout == "None True\n", done.stderr
