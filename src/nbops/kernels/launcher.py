"""A kernel that is started from nothing: ``python …/launcher.py ARGUMENTS``, for those that we start ourselves.

It is what ``python -m ipykernel_launcher ARGUMENTS`` is, but for the debugger that no one could reach, the search for
garbage in what is being imported, and the taking apart of all that at its end. Named by its path, not as a module, so
that nothing in the notebook's folder is taken for it.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    if not sys.flags.safe_path:
        del sys.path[0]  # this file's folder
    gc.disable()
    try:
        from nbops.kernels.kernel_process import import_kernel, run_kernel
    except ImportError:  # the environment was changed for it
        gc.enable()
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()
        return
    arguments = sys.argv[1:]
    import_kernel(debugger=False, tracked=any(argument.endswith("extra_extensions=nbops") for argument in arguments))
    gc.enable()
    gc.freeze()
    run_kernel(arguments)


if __name__ == "__main__":
    main()
