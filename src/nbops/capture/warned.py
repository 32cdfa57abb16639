"""What Python has warned of stays warned of: a warning that is shown once a place isn't shown again because of us.

Whoever changes the filters of warnings, for a moment only (`warnings.catch_warnings`, which scikit-learn and skops use
throughout), makes Python forget where it has warned: each module's ``__warningregistry__`` holds the version of the
filters that it is of. What we do ourselves may not have that effect on the user's next cell.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nbops.core.hushed import hushed


@contextmanager
def still_warned() -> Iterator[None]:
    """The registries that are valid before are valid afterwards."""
    before = _version()
    try:
        yield
    finally:
        now = _version()
        if now != before:
            for module in sys.modules.copy().values():
                registry = getattr(module, "__dict__", {}).get("__warningregistry__")
                if isinstance(registry, dict) and registry.get("version") == before:
                    registry["version"] = now


def _version() -> Any:
    """The filters' version, as Python writes it into a registry before it asks the filters."""
    registry: dict[Any, Any] = {}
    with hushed(_Nothing):
        warnings.warn_explicit("", _Nothing, "", 0, registry=registry)
    return registry.get("version")


class _Nothing(Warning):
    pass
