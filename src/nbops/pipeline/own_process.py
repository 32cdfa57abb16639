"""A process that is ours from its start (the command line, a worker, a job) may leave out of its imports what nobody
asks for in it, and needn't take them apart at its end. Never called where other people's code runs."""

from __future__ import annotations

import atexit
import gc
import sys

UNASKED = ("rfc3987_syntax", "rfc3986_validator", "isoduration")
"""What jsonschema imports, if it is there, to check texts for being IRIs and durations. Papermill needs nbformat, that
needs jsonschema, and neither checks such a text; but the first of these builds a parser when it is imported, which is
two thirds of the time that importing papermill takes."""


def begin() -> None:
    for name in UNASKED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # so that importing it is an ImportError
    # At its end the interpreter looks for cycles in all that was imported, again and again: 0.1 s where that is
    # papermill. What is registered first is called last.
    atexit.register(gc.freeze)
