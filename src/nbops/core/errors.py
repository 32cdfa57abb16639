"""The error tree, and the one place where an error becomes an exit code and an HTTP status.

::

    NbopsError
    ├── UsageError                what was asked for makes no sense                      2  400
    │   ├── UnknownNameError      no run, model, deployment … of that name               2  404
    │   ├── AmbiguousError        several things answer to it                            2  409
    │   ├── ParameterError        unknown, missing or ill-typed notebook parameter       2  400
    │   ├── SettingsError         nbops.toml can't be read or contradicts itself         2  400
    │   ├── NotebookError         missing, broken, or not a notebook                     2  400
    │   ├── InputDataError        a data file that can't be read as asked                2  400
    │   └── NotCanonicalError     a value that has no canonical form                     2  400
    ├── RefusedError              a gate or a policy said no                             3  409
    │   ├── BusyError             another run is making what this one would              3  409
    │   └── UntrustedModelError   a model of types that nobody has allowed               3  409
    ├── DiffersError              a comparison found a difference                        4  409
    ├── ExecutionError            a notebook, step or clean process failed               1  500
    ├── StoreError                the store can't be used                                1  503
    │   ├── StoreLockedError      another process holds it                               1  503
    │   ├── StoreAwayError        its server can't be reached (now)                      1  503
    │   ├── StoreReadOnlyError    it can't be written                                    1  503
    │   ├── StoreVersionError     it has another schema version                          1  503
    │   └── StoreFullError        the disk or a quota is full                            1  507
    └── CorruptArtifactError      stored content doesn't have its digest any more        1  500

A message says what happened, where, and the next step, and quotes the offending value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class NbopsError(Exception):
    """The root. `exit_code` and `http_status` are the only mapping of errors to the outside."""

    exit_code = 1
    http_status = 500


class UsageError(NbopsError):
    exit_code = 2
    http_status = 400


class UnknownNameError(UsageError):
    """There is no such thing; the message lists what comes close."""

    http_status = 404

    def __init__(self, noun: str, name: str, known: Iterable[str] = (), hint: str = "") -> None:
        self.noun, self.name = noun, name
        self.known = tuple(known)
        said = f"there is no {noun} {name!r}{suggestion(name, self.known)}"
        if hint:
            said += f" ({hint})" if said.endswith("?") else f"; {hint}"
        super().__init__(said)


class AmbiguousError(UsageError):
    http_status = 409


class ParameterError(UsageError):
    pass


class SettingsError(UsageError):
    pass


class NotebookError(UsageError):
    pass


class InputDataError(UsageError):
    pass


class NotCanonicalError(UsageError):
    pass


class RefusedError(NbopsError):
    """`promotion` is the refusal as recorded (a :class:`nbops.core.models.Promotion`), where gates refused."""

    exit_code = 3
    http_status = 409
    promotion: Any = None


class BusyError(RefusedError):
    """It can be asked for again when the other run has ended."""


class UntrustedModelError(RefusedError):
    """`types` are the type names that would have to be allowed."""

    def __init__(self, message: str, types: tuple[str, ...] = ()) -> None:
        self.types = types
        super().__init__(message)


class DiffersError(NbopsError):
    exit_code = 4
    http_status = 409


class ExecutionError(NbopsError):
    pass


class StoreError(NbopsError):
    http_status = 503


class StoreLockedError(StoreError):
    pass


class StoreAwayError(StoreError):
    pass


class StoreReadOnlyError(StoreError):
    pass


class StoreVersionError(StoreError):
    pass


class StoreFullError(StoreError):
    http_status = 507


class CorruptArtifactError(NbopsError):
    pass


def suggestion(name: str, known: Iterable[str], limit: int = 5) -> str:
    """``; did you mean 'x'?`` where something comes close, else ``; known: …``, else nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(repr(c) for c in close)}?"
    if names:
        more = f" … ({len(names)} in all)" if len(names) > limit else ""
        return f"; known: {', '.join(names[:limit])}{more}"
    return ""
