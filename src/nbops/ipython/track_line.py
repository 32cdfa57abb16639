"""The line ``%%track [NAME] [-t TAG …]``: how it is recognised, read, and blanked before the cell runs.

Pure: IPython runs input transformers at every check of an unfinished cell, so nothing here has an effect. A line that
can't be read is left in place; the magic of the same name then says what is wrong.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from nbops.core.errors import UsageError

_LINE = re.compile(r"%%track(?=\s|$)(?P<arguments>.*)")
_BEFORE = re.compile(r"%%(time|capture)(\s|$)")  # magics that run their body natively: %%track may stand below them
USAGE = "%%track [NAME] [-t TAG …]"


@dataclass(frozen=True, kw_only=True)
class TrackLine:
    name: str | None = None
    tags: tuple[str, ...] = ()


def parse(arguments: str) -> TrackLine:
    """What stands after ``%%track``.

    Raises
    ------
    UsageError
    """
    if not arguments.strip():
        return TrackLine()
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise UsageError(f"%%track {arguments.strip()}: {error}; use {USAGE}") from None
    names, tags = [], []
    rest = iter(words)
    for word in rest:
        if word in ("-t", "--tag"):
            tag = next(rest, None)
            if tag is None or tag.startswith("-"):
                raise UsageError(f"%%track: {word} needs a tag; use {USAGE}")
            tags.append(tag)
        elif word.startswith("-"):
            raise UsageError(f"%%track: unknown option {word!r}; use {USAGE}")
        else:
            names.append(word)
    if len(names) > 1:
        raise UsageError(f"%%track: one name at most, got {len(names)} ({' '.join(names)!r}); use {USAGE}, or quote it")
    return TrackLine(name=names[0] if names else None, tags=tuple(tags))


@functools.lru_cache(maxsize=8)  # asked before and after each cell
def track_line(source: str) -> TrackLine | None:
    """The cell's ``%%track`` line, None if it has none, an unreadable one, or nothing below it."""
    lines = source.splitlines()
    while lines and not lines[0].strip():
        lines.pop(0)
    found = _find(lines)
    if found is None:
        return None
    _, line = found
    return line


def blank(lines: Sequence[str]) -> list[str]:
    """The input transformer: the line becomes an empty one, so every other line keeps its number.

    Only where another cell magic follows is it removed, as that must stand first (and numbers its own lines)."""
    lines = list(lines)
    if not lines or not lines[0].startswith("%%"):
        return lines
    found = _find(lines)
    if found is None:
        return lines
    index, _ = found
    if lines[index + 1].startswith("%%") or index > 0:
        return lines[:index] + lines[index + 1 :]
    return ["\n", *lines[1:]]


def _find(lines: Sequence[str]) -> tuple[int, TrackLine] | None:
    for index, text in enumerate(lines):
        match = _LINE.fullmatch(text.rstrip())
        if match is None:
            if _BEFORE.match(text):
                continue
            return None
        if not any(line.strip() for line in lines[index + 1 :]):
            return None  # nothing to run: the magic says so
        try:
            return index, parse(match["arguments"])
        except UsageError:
            return None
    return None
