"""Modules that are imported while a scope is open, watched as soon as they are whole.

A finder at the head of ``sys.meta_path`` asks the others, and has the module's own loader call us after it has
executed the module. Loader and spec stay the objects they would be without us.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class LateImports:
    """Calls ``watch[name]()`` once the module `name` has been imported."""

    def __init__(self, watch: dict[str, Callable[[], None]]) -> None:
        self._watch = watch

    def install(self) -> None:
        if self not in sys.meta_path and not all(name in sys.modules for name in self._watch):
            sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._watch:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._hear_of(name, spec)
                return spec
        return None

    def _hear_of(self, name: str, spec: ModuleSpec) -> None:
        loader = spec.loader
        if loader is None or not hasattr(loader, "exec_module"):
            return
        execute, heard = loader.exec_module, self._watch[name]

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # an attribute of the instance; the class's is underneath again
            try:
                execute(module)
            except BaseException as error:
                error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this frame
                raise
            heard()

        try:
            loader.exec_module = exec_module  # type: ignore[method-assign]
        except AttributeError:  # a loader that takes no attributes: the next scope will see the module
            return
