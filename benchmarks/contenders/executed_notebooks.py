"""Notebooks executed by nbops, papermill or nbclient, in this process or by two workers: ``WHO:WHAT COUNT``.

Libraries are imported, and workers have imported theirs, before the clock starts; so is nbops' parent of kernels,
except in ``nbops+start``, where its start is counted. After the clock has stopped it is looked up that every cell was
executed, and, by nbops, recorded.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = ("nbops", "papermill", "nbclient", "jupyter-client", "ipykernel", "pandas", "scikit-learn")
READY = "import pandas, sklearn.ensemble, sklearn.linear_model; ready = 1"
WORKERS = 2


def notebook(path: Path, cells: list[str]) -> Path:
    import nbformat

    nb = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "python3"}})
    nb.metadata.kernelspec["language"] = "python"
    nb.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(nb, path)
    return path


def execute(who: str, path: Path) -> None:
    """Execute a notebook, write it to ``out-NAME``."""
    out = path.with_name(f"out-{path.name}")
    if who.startswith("nbops"):
        from nbops.pipeline.execute import run_notebook
        from nbops.workspace import open_workspace

        run_notebook(open_workspace(path.parent), path, out, warm=who != "nbops cold")
    elif who == "papermill":
        import papermill

        papermill.execute_notebook(str(path), str(out), progress_bar=False)
    elif who == "papermill-cli":
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(path), str(out)]
        subprocess.run(command, check=True, capture_output=True)
    else:
        import nbformat
        from nbclient import NotebookClient

        nb = nbformat.read(path, 4)
        NotebookClient(nb).execute()
        nbformat.write(nb, out)


def imported(who: str) -> None:
    """What a worker has imported before the clock starts; nbops' begins as its own workers do."""
    if who.startswith("nbops"):
        from nbops.pipeline import own_process

        own_process.begin()
    import nbclient
    import papermill

    assert nbclient
    assert papermill
    if who.startswith("nbops"):
        import nbops.pipeline.execute
        import nbops.pipeline.kernel_session

        assert nbops.pipeline.execute
        assert nbops.pipeline.kernel_session


def parent(path: Path | None = None) -> None:
    """Start the zygote that this process's kernels come from, with what this notebook needs (None: all it may)."""
    from nbops.kernels.parents import parent_for, shared
    from nbops.pipeline.kernel_start import packages_of
    from nbops.workspace import open_workspace

    environment = {**os.environ, "NBOPS_ZYGOTES": ""}
    packages = None if path is None else packages_of(open_workspace(path.parent), path)
    parent_for([sys.executable], environment, start=True, packages=packages)
    os.environ.update(shared())


def worker(who: str, work: Any, ready: Any, go: Any) -> None:
    imported(who)
    ready.release()
    go.wait()
    while (path := work.get()) is not None:
        execute(who, path)


def many(who: str, count: int) -> float:
    """`count` notebooks of one cell by two workers."""
    paths = [notebook(Path(f"n{i}.ipynb").absolute(), [f"x = {i}\nx * 2"]) for i in range(count)]
    if who == "nbops":
        parent(paths[0])
    context = multiprocessing.get_context("spawn")
    work, ready, go = context.Queue(), context.Semaphore(0), context.Event()
    if who == "nbops+start":  # the workers find their parent when it is there: counted below
        imported(who)
        go_started = time.perf_counter()
        parent(paths[0])
        start = time.perf_counter() - go_started
    else:
        start = 0.0
    workers = [context.Process(target=worker, args=(who, work, ready, go)) for _ in range(WORKERS)]
    for process in workers:
        process.start()
    for _ in workers:
        ready.acquire()
    for path in [*paths, *[None] * WORKERS]:
        work.put(path)
    began = time.perf_counter()
    go.set()
    for process in workers:
        process.join()
    seconds = time.perf_counter() - began + start
    for i, path in enumerate(paths):
        (cell,) = json.loads(path.with_name(f"out-{path.name}").read_text())["cells"]
        assert any(o.get("data", {}).get("text/plain") == [str(i * 2)] for o in cell["outputs"]), cell
    if who.startswith("nbops"):
        recorded(count, 1)
    return seconds


def one(who: str, count: int) -> float:
    """One notebook of `count` small cells."""
    path = notebook(Path("n.ipynb").absolute(), [f"x{i} = {i}\nx{i} + 1" for i in range(count)])
    imported(who)
    if who == "nbops":
        parent(path)
    began = time.perf_counter()
    execute(who, path)
    seconds = time.perf_counter() - began
    cells = json.loads(path.with_name("out-n.ipynb").read_text())["cells"]
    assert [c["execution_count"] for c in cells] == list(range(1, count + 1))
    if who.startswith("nbops"):
        recorded(1, count)
    return seconds


def recorded(runs_: int, cells: int) -> None:
    from nbops.store import records, runs
    from nbops.workspace import open_workspace

    store = open_workspace(Path.cwd()).store
    found = runs.listed(store, limit=1000)
    assert len(found) == runs_, found
    assert all(len(records.of_run(store, run.id)) == cells for run in found)
    assert all(run.detail.get("kernel") == "forked" for run in found) or "cold" in sys.argv[1]


def ready(who: str) -> float:
    """From nothing to a kernel that has executed a cell which imports pandas and scikit-learn."""
    from jupyter_client import AsyncKernelManager

    from nbops.pipeline.kernel_start import ready as answers
    from nbops.pipeline.kernel_start import ready_kernel

    if who == "nbops":
        parent()

    async def trial() -> float:
        km = AsyncKernelManager(kernel_name="python3")
        began = time.perf_counter()
        with ready_kernel(km, warm=who == "nbops"):
            await km.start_kernel(env=dict(os.environ))
            kc = km.client()
            kc.start_channels(stdin=False, hb=False)
            await answers(km, kc, 300)
            request = kc.execute(READY)
            reply = await kc._async_recv_reply(request, timeout=300)
            seconds = time.perf_counter() - began
            assert reply["content"]["status"] == "ok"
            assert km.provisioner.forked == (who == "nbops"), km.provisioner.note
            kc.stop_channels()
            await km.shutdown_kernel()
        return seconds

    asyncio.run(trial())  # the first one warms the file caches
    return asyncio.run(trial())


def main() -> None:
    who, _, what = sys.argv[1].partition(":")
    Path("nbops.toml").touch()
    os.environ["NBOPS_HOME"] = str(Path(".nbops").absolute())
    seconds = {"many": many, "one": one}[what](who, int(sys.argv[2])) if what != "ready" else ready(who)
    print(json.dumps({"seconds": [seconds], "versions": {name: version(name) for name in NAMES}}))


if __name__ == "__main__":
    main()
