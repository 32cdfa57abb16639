"""Random numbers: which seeds a cell set, and whether it drew numbers that nobody seeded.

That a process-wide generator (``random``, numpy's, torch's) was used is seen in its state, wherever the call was made;
that it was seeded is told by the text of the kernel's cells and of the user's functions they call. Generators made
without a seed are told by the cell's text.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from nbops.capture.reach import global_names
from nbops.notebook.outside import GENERATORS, SEEDS, Look
from nbops.notebook.syntax import parsed

_WORDS = re.compile(r"random|seed|rng|uuid|secrets|torch")
_ITS_STATE = {"random": "Python's", "numpy": "numpy's", "torch": "torch's"}
_SEEDING = {"seed", "manual_seed", "set_random_seed", "seed_everything", "set_seed"}


class Randomness:
    """One per session: generators stay seeded from cell to cell."""

    def __init__(self) -> None:
        self._look = Look()
        self._before: dict[str, Any] = {}
        self._heard = 1  # of the kernel's inputs

    def begin(self) -> None:
        self._before = _states()

    def end(self, code: str, namespace: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """(the seeds the cell set, by the function that was called; sentences on what was drawn unseeded)."""
        moved = [name for name, state in _states().items() if self._before.get(name, state) != state]
        telling = bool(_WORDS.search(code))
        if not moved and not telling:
            return {}, []
        self._hear_earlier(namespace)
        known = len(self._look.found)
        if telling:
            self._look.at(0, code)
        seeds = _seeds(code, self._look, namespace) if telling else {}
        self._look.seeded |= _seeded_inside(code, namespace)
        fresh = [
            hint.what
            for hint in self._look.found[known:]
            if hint.reason == "random" and not self._of_the_process(hint.what)
        ]
        said = [
            f"unseeded random numbers: {_ITS_STATE[name]} generator was used, and no cell has seeded it"
            for name in moved
            if name not in self._look.seeded
        ]
        return seeds, [*said, *(f"unseeded random numbers: {what}" for what in dict.fromkeys(fresh))]

    def _of_the_process(self, written: str) -> bool:
        """Does the call draw from a generator whose state we look at?"""
        first, _, rest = written.partition(".")
        name = f"{self._look.imports.get(first, first)}.{rest}" if rest else self._look.imports.get(first, first)
        if name in GENERATORS:
            return False
        return not name.startswith(("secrets.", "os.", "uuid.", "random.SystemRandom"))

    def _hear_earlier(self, namespace: Mapping[str, Any]) -> None:
        """Seeds set in cells that weren't tracked: IPython keeps the inputs of all."""
        inputs = namespace.get("In")
        if isinstance(inputs, list):
            for text in inputs[self._heard : -1]:
                if isinstance(text, str) and _WORDS.search(text):
                    self._look.at(0, text)
            self._heard = max(self._heard, len(inputs) - 1)


def _states() -> dict[str, Any]:
    """What tells whether a process-wide generator that is there was used: its place in its block of numbers, and the
    ends of the block, which is made anew when it is used up. (A hash of all of it takes four times as long.)"""
    found: dict[str, Any] = {}
    for name, module, state in _GENERATORS:
        there = sys.modules.get(module)
        if there is not None:
            try:
                found[name] = state(there)
            except Exception:  # noqa: BLE001 - half imported, or a module of that name of the user's
                continue
    return found


def _of_python(module: Any) -> Any:
    _, block, gauss = module.getstate()
    return block[0], block[-2], block[-1], gauss


def _of_numpy(module: Any) -> Any:
    state = module.get_state(legacy=False)
    inner = state["state"]
    if "key" not in inner:  # another generator was put in its place
        return repr(inner)
    return int(inner["key"][0]), int(inner["key"][-1]), inner["pos"], state["has_gauss"]


def _of_torch(module: Any) -> Any:
    return module.random.get_rng_state().numpy().tobytes()


_GENERATORS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("random", "random", _of_python),
    ("numpy", "numpy.random", _of_numpy),
    ("torch", "torch", _of_torch),
)


def _seeds(code: str, look: Look, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """{the function: the seed it was given}, as far as it is a plain number or a name of one."""
    found: dict[str, Any] = {}
    tree = parsed(code)
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.Call):
            continue
        name = look.full(node.func)
        if name not in SEEDS and name not in GENERATORS:
            continue
        given = next(iter([*node.args, *(k.value for k in node.keywords)]), None)
        value = namespace.get(given.id) if isinstance(given, ast.Name) else getattr(given, "value", None)
        if type(value) in (int, float):  # a text may be anything
            found[name] = value
    return found


def _seeded_inside(code: str, namespace: Mapping[str, Any]) -> set[str]:
    """The generators that functions of the user's seed, which the cell calls."""
    tree = parsed(code)
    left = (
        [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)] if tree else []
    )
    seen: set[str] = set()
    found: set[str] = set()
    while left:
        name = left.pop()
        function = namespace.get(name)
        if name in seen or not isinstance(function, types.FunctionType):
            continue
        seen.add(name)
        named = set(global_names(function.__code__))
        if named & _SEEDING:
            # `import numpy as np; np.random.seed(0)`: which of them it seeds, the names beside it say
            found |= {"random"} if "random" in named else set()
            found |= {"numpy"} if named & {"np", "numpy", "set_random_seed", "seed_everything"} else set()
            found |= {"torch"} if named & {"torch", "manual_seed", "seed_everything"} else set()
        left += [n for n in named if n in namespace]
    return found
