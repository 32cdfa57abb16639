"""What a zygote has imported and a cold kernel would not have: out of sight until the notebook imports it.

So that what a run's record says it had imported is true, and so that no library finds in ``sys.modules`` what this
notebook has never asked for. A package comes back whole, with every package that was imported for it.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import importlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Shelf(MetaPathFinder):
    """The modules on the shelf, and `needs`: {package: packages that it imported}. What is imported when the shelf is
    made is a kernel's own, and never on it."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        self.returning: dict[str, ModuleType] = {}
        self.needs: dict[str, set[str]] = {}
        self._own = sys.stdlib_module_names | {top(name) for name in sys.modules}
        self._asked: set[str] = set()
        self._noted: dict[str, set[str]] = {}

    def stock(self, names: Iterable[str]) -> bool:
        """Import modules and put them on the shelf, out of ``sys.modules``: whoever imports one of them gets it back.
        What can't be imported isn't there. False if all of them were asked for before."""
        new = [name for name in names if name not in self._asked]
        if not new:
            return False
        self._asked.update(new)
        sys.modules.update(self.modules)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        with noted_imports(self._noted):
            for name in new:
                with contextlib.suppress(Exception):  # the notebook that imports it will see why
                    importlib.import_module(name)
        self.modules = {name: module for name, module in sys.modules.items() if top(name) not in self._own}
        packages = {top(name) for name in self.modules}  # an edge through the standard library leads everywhere
        self.needs = {name: packages.intersection(self._noted.get(name, ())) for name in packages}
        for name in self.modules:
            del sys.modules[name]
        sys.meta_path.insert(0, self)
        return True

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  (the protocol's)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The spec of a module on the shelf."""
        module = self.modules.get(fullname) or self.returning.get(fullname)
        known: ModuleSpec | None = getattr(module, "__spec__", None)
        if module is None or known is None:
            return None
        spec = copy.copy(known)
        spec.loader = _Back(self, module)
        return spec

    def give_back(self, package: str) -> None:
        """Put a package, and what it needs, where they were. Finders before us hear of every module: they may be
        there to learn of imports."""
        wanted, todo = set[str](), [package]
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += self.needs.get(name, ())
        self.returning = {name: module for name, module in self.modules.items() if top(name) in wanted}
        for name, module in self.returning.items():
            sys.modules.setdefault(name, module)
            del self.modules[name]
        before_us = sys.meta_path[: sys.meta_path.index(self)] if self in sys.meta_path else []
        for name, module in self.returning.items():
            for finder in before_us:
                spec = finder.find_spec(name, None)
                if spec is not None and spec.loader is not None:
                    spec.loader.exec_module(module)
                    break
        self.returning = {}
        if not self.modules and self in sys.meta_path:
            sys.meta_path.remove(self)


class _Back(Loader):
    """Loads nothing: the module is there."""

    def __init__(self, shelf: Shelf, module: ModuleType) -> None:
        self._shelf, self._module = shelf, module
        self._spec: ModuleSpec | None = module.__spec__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec.loader, name) if self._spec is not None else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._shelf.give_back(top(spec.name))
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def top(name: str) -> str:
    return name.partition(".")[0]


@contextlib.contextmanager
def noted_imports(needs: dict[str, set[str]]) -> Iterator[None]:
    """Note which package imports which, while this lasts: what a module imports while it is being executed itself.
    (What a function of a module that is whole imports, it imports for the module that is being executed.)"""
    original = builtins.__import__
    executing: list[str] = []

    def noting(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        asking = str(((args[0] if args else kwargs.get("globals")) or sys._getframe(1).f_globals).get("__name__", ""))
        spec = getattr(sys.modules.get(asking), "__spec__", None)
        importer = top(asking) if getattr(spec, "_initializing", False) or not executing else executing[-1]
        level = kwargs.get("level", args[3] if len(args) > 3 else 0)
        if not level:
            needs.setdefault(importer, set()).add(top(name))
        before = len(sys.modules)
        executing.append(importer if level else top(name))
        try:
            return original(name, *args, **kwargs)
        finally:
            executing.pop()
            if (more := len(sys.modules) - before) > 0:  # of 20,000 imports, few bring a module: the last of them all
                needs.setdefault(importer, set()).update(map(top, itertools.islice(reversed(sys.modules), more)))

    builtins.__import__ = noting
    try:
        yield
    finally:
        builtins.__import__ = original
