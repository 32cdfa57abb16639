"""Which names a cell reads and writes, told from its text.

Python's scoping is followed (:mod:`nbops.notebook.scopes`): parameters and locals of functions, comprehensions
and class bodies are theirs alone. A name counts as read if on some path through the cell it may be read before
the cell has bound it: where the text leaves it open (an ``if``, a loop that may not run), the answer errs on
the side of a read.

What the text can't tell (``exec``, ``globals()["x"]``, a method that changes its object unseen) isn't told.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field

from nbops.notebook.scopes import dotted, walked
from nbops.notebook.syntax import python_source as python_source  # part of what this module offers
from nbops.notebook.values import literals as literals

# what Python and IPython put into every notebook's namespace
_GIVEN = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "exit", "quit", "__name__"}


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a cell does to the notebook's namespace, as far as its text tells.

    `reads` are names it needs from before; `builtins` are those it uses that Python provides, unless another
    cell has bound them (``input``, ``id`` …); `writes` are names it binds (imports, functions, classes, loop variables
    included), `deletes` those it unbinds; `mutates` are names whose object it changes in place
    (``df["x"] = 1``, ``model.fit(X)``, ``df.sort_values("x", inplace=True)``).

    `imports` maps a bound name to the dotted name it stands for; `star_imports` are modules imported with
    ``*``, after which any name may be bound. `calls` are the dotted names called, as written.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    builtins: frozenset[str] = frozenset()
    imports: Mapping[str, str] = field(default_factory=dict)
    star_imports: tuple[str, ...] = ()
    calls: frozenset[str] = frozenset()
    unparsable: bool = False


def names(source: str) -> Names:
    """The names that one cell reads and writes. Magics are understood: see :func:`python_source`."""
    walk = walked(source)
    if walk is None:
        return Names(unparsable=True)
    return Names(
        reads=frozenset(walk.reads - _GIVEN),
        writes=frozenset(walk.writes),
        mutates=frozenset(walk.mutates),
        deletes=frozenset(walk.deletes),
        builtins=frozenset(walk.reads & _GIVEN - {"get_ipython"}),
        imports=walk.imports,
        star_imports=tuple(walk.stars),
        calls=frozenset(walk.calls),
    )


def full_name(node: ast.expr, imports: Mapping[str, str]) -> str:
    """``sqlite3.connect`` also for ``import sqlite3 as sq; sq.connect``; nothing for what is no chain of names."""
    first, dot, rest = (dotted(node) or "").partition(".")
    return imports.get(first, first) + dot + rest
