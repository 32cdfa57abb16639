"""What the operating system says when something can't be written, in plain words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from nbops.core.errors import StoreFullError, StoreReadOnlyError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def said_plainly(what: str, *, if_full: str, if_refused: str) -> Iterator[None]:
    """While `what` is written; `if_full` and `if_refused` say what to do about it. Other errors are passed on.

    Raises
    ------
    StoreFullError
        If the disk or a quota is full.
    StoreReadOnlyError
        If it isn't permitted.
    """
    try:
        yield
    except OSError as error:
        said = f"{what} could not be written ({error.strerror})"
        if error.errno in FULL:
            raise StoreFullError(f"{said}; {if_full}") from error
        if error.errno in _REFUSED:
            raise StoreReadOnlyError(f"{said}; {if_refused}") from error
        raise
