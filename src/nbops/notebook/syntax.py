"""A cell's text as plain Python: what IPython adds (``%magic``, ``!command``, ``name?``) turned into calls.

IPython itself does the turning, and is imported only for a cell that plain Python can't parse and that has
such a mark at the start of a line. Line numbers stay those of the cell.
"""

from __future__ import annotations

import ast
import functools
import re

from nbops.core.hushed import hushed

# Cell magics that run their body as Python in the notebook's namespace. (%%timeit runs it in a function of its
# own; it is taken for one of them, which errs on the side of seeing too many names.)
PYTHON_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun", "track", "memit", "mprun", "lprun", "debug"})
_CELL_MAGIC = re.compile(r"^%%(\w+)[ \t]*(.*)$")
_TIMED = re.compile(r"^([ \t]*)%(?:time|timeit|prun|memit)[ \t]+(?=[^\s-])", re.MULTILINE)
# a mark at a line's start, an assignment from a magic or command, a trailing ?, a pasted prompt, an indented cell
_IPYTHON = re.compile(r"(^[ \t]*[%!?,;/])|(=[ \t]*[%!])|(\?[ \t]*$)|(^[ \t]*(>>>|In \[))|(\A[ \t]+\S)", re.MULTILINE)


def python_source(source: str) -> str:
    """The cell as Python text, its line numbers kept; unchanged where it is Python already, or nothing helps.

    ``%%time``, ``%%capture``, ``%%track`` … give their body; any other cell magic (``%%bash``) becomes one call
    of `get_ipython` that holds the body as a string.
    """
    return source if _tree(source) is not None else _turned(source)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a cell; None where it is neither Python nor IPython."""
    tree = None if source.startswith("%%") else _tree(source)
    if tree is None and (turned := _turned(source)) != source:
        tree = _tree(turned)
    return tree


@functools.lru_cache(maxsize=128)
def _tree(source: str) -> ast.Module | None:
    """Trees are shared between callers: nobody changes them."""
    try:
        with hushed(Warning):  # an invalid escape in the user's text is not ours to report
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: a null byte
        return None


@functools.lru_cache(maxsize=128)
def _turned(source: str) -> str:
    lines = source.split("\n")
    first = 0
    while first < len(lines):
        line = lines[first].strip()
        match = _CELL_MAGIC.match(line)
        if match and match[1] in PYTHON_CELL_MAGICS:
            lines[first] = _captured(match[2]) if match[1] == "capture" else ""
        elif line and not line.startswith("#"):
            break
        first += 1
    text = _TIMED.sub(r"\1", "\n".join(lines))
    if _tree(text) is not None or not _IPYTHON.search(text):
        return text
    # blank lines before a cell magic would hide it from IPython, which wants it on the first line
    body = text.lstrip("\n")
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        turned = TransformerManager().transform_cell(body)  # type: ignore[no-untyped-call]
    except SyntaxError:
        return text
    return "\n" * (len(text) - len(body)) + turned


def _captured(arguments: str) -> str:
    """What ``%%capture name`` binds, as an assignment."""
    name = next((word for word in arguments.split() if word.isidentifier()), None)
    return f"{name} = None" if name else ""
