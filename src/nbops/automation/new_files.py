"""The files of a pattern, and what is new among them. Each is judged for itself: one that is being written counts as it
was before, and keeps nobody from seeing the others."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nbops.core.errors import UsageError

SETTLED_S = 5.0
"""A file that was written less than this ago may not be whole yet."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """`known` tells each file, as it is, from what it was (path: a digest of size and time); `newest` is the one of
    those that changed which was written last."""

    known: Mapping[str, str]
    newest: str

    @property
    def digest(self) -> str:
        lines = (f"{path!r} {digest}\n" for path, digest in sorted(self.known.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def files(root: Path, pattern: str, known: Mapping[str, str], *, settled_s: float = SETTLED_S) -> Files:
    """The files of a pattern, those that are being written as they were known before.

    Raises
    ------
    UsageError
        If it is no pattern.
    """
    base, below = root, pattern
    try:
        path = Path(pattern).expanduser()
        if path.is_absolute():
            base, below = Path(path.anchor), str(path.relative_to(path.anchor))
        there = sorted(base.glob(below))
    except (ValueError, IndexError, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"{pattern!r} is no pattern of files ({error}); write it like 'in/*.csv'") from None
    now = time.time()
    found: dict[str, str] = {}
    changed: list[tuple[float, str]] = []
    for file in there:
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
        try:
            stat = file.stat()
        except FileNotFoundError:  # it went while we looked, or is a link to nowhere
            continue
        if not file.is_file():
            continue
        digest = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
        if known.get(name) != digest and 0 <= now - stat.st_mtime < settled_s:
            if name in known:
                found[name] = known[name]
            continue
        found[name] = digest
        if known.get(name) != digest:
            changed.append((stat.st_mtime, name))
    return Files(known=found, newest=max(changed)[1] if changed else "")
