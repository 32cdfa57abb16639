"""What the cell's text calls an argument of a recorded call: ``y_test``, ``y[100:]``, ``rows of y``.

Data under a name is known by its digest; a part of it that the cell makes for one call has no name of its own.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from itertools import dropwhile, islice
from types import FrameType

from nbops.capture.instruments.code_swap import STUBS
from nbops.capture.instruments.watch import TOP_LEVEL
from nbops.core.redaction import redact_text

_LONG = 40  # characters
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")  # frames of their own until Python 3.12
_PARTS = ("iloc", "loc", "at", "values")


def argument_text(code: str, position: int, *names: str) -> str | None:
    """What stands in the cell as the argument at `position` (without ``self``), or under one of `names`, of the call
    that is being recorded; `code` is the cell's text. None where the call doesn't stand in the cell itself, or the text
    would be long."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _ours(frame):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__name__") != "__main__" or not _in_the_cell(frame):
        return None
    text = _call(frame, code)
    return None if text is None else _argument(text, position, names)


def _ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(STUBS) or frame.f_globals.get("__name__", "").startswith("nbops.")


def _in_the_cell(frame: FrameType) -> bool:
    """And not in a function, where a name would be its own."""
    around: FrameType | None = frame
    while around is not None and around.f_code.co_name in _COMPREHENSIONS:
        around = around.f_back
    return around is not None and around.f_code.co_name.startswith(TOP_LEVEL)


def _call(frame: FrameType, code: str) -> str | None:
    """The text of the call that `frame` is in."""
    place = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    first, last, begin, end = place
    if first is None or last is None or begin is None or end is None:
        return None
    text = linecache.getlines(frame.f_code.co_filename) or _below_magics(code)
    lines = [line.encode() for line in text[first - 1 : last]]
    if len(lines) != last - first + 1:
        return None
    lines[-1] = lines[-1][:end]  # offsets are of bytes
    lines[0] = lines[0][begin:]
    return b"".join(lines).decode("utf-8", "replace")


def _below_magics(code: str) -> list[str]:
    """What ``%%time`` compiles, without telling anybody the text."""
    return list(dropwhile(lambda line: line.startswith("%%") or not line.strip(), code.splitlines(keepends=True)))


@functools.lru_cache(256)
def _argument(call: str, position: int, names: tuple[str, ...]) -> str | None:
    try:
        tree = ast.parse(f"({call})", mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(tree, ast.Call) or any(isinstance(a, ast.Starred) for a in tree.args):
        return None
    given: ast.expr | None = next((k.value for k in tree.keywords if k.arg in names), None)
    if len(tree.args) > position:
        given = tree.args[position]
    return None if given is None else _said(given)


def _said(given: ast.expr) -> str | None:
    """An expression of names as it is written; of a long one, what it takes rows of."""
    if not any(isinstance(part, ast.Name) for part in ast.walk(given)):
        return None
    text = ast.unparse(given)
    if len(text) <= _LONG:
        return redact_text(text)
    if not isinstance(given, ast.Subscript):
        return None
    whole = given.value
    while isinstance(whole, ast.Attribute) and whole.attr in _PARTS:
        whole = whole.value
    said = _said(whole)
    return f"rows of {said.removeprefix('rows of ')}" if said else None
