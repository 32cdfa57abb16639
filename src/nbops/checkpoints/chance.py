"""Whether a cell that runs again draws random numbers for what it makes: they would be others than the first time, as
the generators are by now where they were after it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from nbops.notebook.names import names
from nbops.notebook.outside import GENERATORS, Look
from nbops.notebook.scopes import Walk
from nbops.notebook.syntax import parsed


def draws(sources: Sequence[str], place: int, wanted: Iterable[str]) -> str | None:
    """By what call, or from what generator, `wanted` get something random in the cell at `place`; None if by none that
    is seen: a generator that the cell itself seeds gives the same again.
    """
    needed, lines = set(wanted), set[int]()
    tree = parsed(sources[place])
    for statement in reversed(tree.body if tree is not None else ()):
        walk = Walk([statement])
        if needed & (walk.writes | walk.mutates):
            needed |= walk.reads
            lines |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    look, generators = Look(), set[str]()
    for before in sources[:place]:
        look.at(0, before)
        generators |= _generators(before, look)
    look.found, look.seeded = [], set()
    look.at(0, sources[place])
    called = (hint.what for hint in look.found if hint.reason == "random" and hint.line in lines)
    drawn_from = sorted(needed & generators & names(sources[place]).reads)
    return next(called, None) or next(iter(drawn_from), None)


def _generators(source: str, look: Look) -> set[str]:
    """The names of random generators that a cell makes."""
    return {
        target.id
        for node in ast.walk(parsed(source) or ast.Module([], []))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name) and look.full(node.value.func) in GENERATORS
    }
