"""Nothing of a kind is warned of for a moment, and Python doesn't forget of what it has warned before.

``warnings.catch_warnings`` makes it forget: each module's ``__warningregistry__`` holds the version of the filters that
it is of, and a change of the filters is a new version. An entry in their list itself is none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hushed(category: type[Warning]) -> Iterator[None]:
    """No warning of `category` is shown, in any thread, until the end of the block."""
    entry = ("ignore", None, category, None, 0)
    filters: Any = warnings.filters  # of this moment: another thread may put a list of its own there
    filters.insert(0, entry)
    try:
        yield
    finally:
        filters.remove(entry)
