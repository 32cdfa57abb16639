"""The inside of a kernel's process, forked or started from nothing: its imports, its beginning and its end.

Imports ipykernel only when asked to: the parent of kernels has to look at its environment first.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NoReturn

KERNEL = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "importlib.readers",
    "psutil",
    "resource",
    "sqlite3",
    "tornado.platform.asyncio",
    "multiprocessing",
)
"""What a kernel has imported when it is ready."""
PATIENCE_S = 5.0


def import_kernel(*, debugger: bool, tracked: bool = True) -> None:
    """Import what a kernel has imported when it is ready; and, if its cells are `tracked`, when the first has run.

    Without `debugger`, ipykernel can't import debugpy, which takes a fourth of a kernel's start; notebooks can."""
    with contextlib.nullcontext() if debugger else _hidden("debugpy"):
        for name in KERNEL:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    if tracked:
        import nbops

        nbops.import_for_tracking()


def warm_up() -> None:
    """Do once what every kernel does at its first cell: the patterns that this compiles are kept."""
    importlib.import_module("IPython.core.inputtransformer2").TransformerManager().transform_cell("x = 1\nx")


def run_kernel(arguments: list[str], bound: Callable[[], None] | None = None, **traits: Any) -> NoReturn:
    """Be a kernel until its end, which is the process's. `bound` is called when a client can connect."""
    from ipykernel.kernelapp import IPKernelApp

    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [launcher.origin if launcher and launcher.origin else "ipykernel_launcher", *arguments]
    app: Any = IPKernelApp.instance(**traits)
    app.initialize(arguments)
    if bound is not None:
        bound()
    theirs = set(sys.modules)
    app.start()
    _end(app, theirs)


def _end(app: Any, before: set[str]) -> NoReturn:
    """The end of the process, but for taking apart the imports, which takes 0.2 to 0.9 s and, where they are shared
    with a parent, copies every page of them. What the notebook made is taken apart: its files are flushed, its
    ``__del__`` called.
    """
    if getattr(app.kernel, "_shutdown_message", None) is not None and app.control_thread is not None:
        # It may still be answering the request to end, through a thread that ipykernel is about to stop: then both wait
        # for 10 s, and the client kills the kernel before.
        app.control_thread.join(PATIENCE_S)
    threading._shutdown()  # type: ignore[attr-defined]  # joins the threads that the interpreter would join
    atexit._run_exitfuncs()
    own = _own_modules(before)
    sys.last_value = sys.last_traceback = None
    app.shell.user_ns.clear()
    app.shell.user_module.__dict__.clear()
    gc.collect()  # what is in the notebook may need its modules to end well
    for module in own:
        vars(module).clear()
    if own:
        gc.collect()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def _own_modules(before: set[str]) -> list[ModuleType]:
    """The modules that the notebook has imported and that belong to no installed library, of which there may be a
    thousand (they end by ``atexit`` what they have to end)."""
    paths = sysconfig.get_paths()
    libraries = tuple(f"{paths[name]}{os.sep}" for name in ("stdlib", "purelib", "platlib"))
    new = [module for name, module in sys.modules.items() if name not in before and isinstance(module, ModuleType)]
    return [
        module for module in new if not str(getattr(module, "__file__", None) or libraries[0]).startswith(libraries)
    ]


@contextlib.contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Nothing can import the package, while this lasts."""
    if package in sys.modules:  # somebody has it already
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
