"""What data a cell can reach from the names in its text: in containers, in attributes of the user's own objects,
through the user's own functions (globals, closures, defaults), and what shares memory with it.

Nothing of the user's is run for it: no property, no ``__iter__`` of his own, no ``__getattr__``.
"""

from __future__ import annotations

import array
import collections
import functools
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from nbops.capture.data import is_data
from nbops.core.redaction import redact_text

MOST = 100
"""Pieces of data that are recorded of what is within a cell's reach, but those that its text names itself."""
_MOST_VISITED = 5000
_MOST_ITEMS = 1000  # of one container
_MOST_COLUMNS = 100  # of a table, that are asked where they lie
_DEPTH = 5
Span = tuple[int, int]
_ATOMS = frozenset({int, float, str, bytes, bool, complex, type(None), type, range, slice})
_EVERYTHING = frozenset({"exec", "eval", "globals", "locals", "vars"})
_RUNS_TEXT = re.compile(
    r"\bget_ipython\b|^[ \t]*%(?:run|load|rerun|recall|macro)\b"
    r"|\b__main__\.|\bimport\s+__main__\b|\bmodules\b\W{1,8}(?:get\W{1,4})?__(?:main|name)__",
    re.MULTILINE,
)
_AT_NAME = re.compile(r"@([A-Za-z_]\w*)")  # df.query("a > @b")
_NOT_LOCAL = frozenset({*sys.stdlib_module_names, "nbops", "builtins"})
_BUFFERS = (bytearray, memoryview, array.array)
_WRAPPERS = (collections.UserDict, collections.UserList, collections.ChainMap, types.SimpleNamespace)
_LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")})


def roots(read: Iterable[str], builtins: frozenset[str], code: str, namespace: Mapping[str, Any]) -> list[str]:
    """The names to begin with: those the text reads, those in texts for pandas; all where it runs text itself, or gets
    hold of the notebook's namespace."""
    if builtins & _EVERYTHING or _RUNS_TEXT.search(code):
        return sorted({*read, *public(namespace)})
    named = _AT_NAME.findall(code) if "@" in code else ()
    return sorted({*read, *named})


def public(namespace: Mapping[str, Any]) -> list[str]:
    """The user's own names. What IPython keeps of outputs is no name of data: it has another, or nobody uses it, and
    the number it goes by differs from one session to the next."""
    return [name for name in list(namespace) if not name.startswith("_") and name not in ("In", "Out")]


def called(imports: Mapping[str, str], calls: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What of the user's loaded modules a cell imports and calls itself: it has no name in the notebook yet."""
    found = {}
    for name in {call.partition(".")[0] for call in calls} & imports.keys() - namespace.keys():
        module, _, part = imports[name].rpartition(".")
        if module and is_local(module):
            value = vars(sys.modules[module]).get(part)
            if value is not None and not is_data(value):
                found[name] = value
    return found


def reached(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    *,
    more: Mapping[str, Any] = types.MappingProxyType({}),
    through_functions: bool = True,
) -> dict[str, Any]:
    """{path: data} within reach of names: ``df``, ``frames['train']``, ``self.rows``. `more` are values of names that
    the namespace doesn't have yet."""
    found: dict[str, Any] = {}
    level = [(name, namespace[name]) for name in names if name in namespace] + list(more.items())
    seen: set[int] = set()
    most = MOST
    for depth in range(_DEPTH):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if type(value) in _ATOMS and not (type(value) is type and is_local(value.__module__)):
                continue
            if is_data(value):
                found.setdefault(path, value)
                if depth and len(found) > most:
                    return found
            elif id(value) not in seen and len(seen) < _MOST_VISITED:
                seen.add(id(value))
                below += _inside(path, value, namespace, through_functions)
        level = below
        if not level:
            break
        most = max(MOST, len(found)) if not depth else most
    return found


def overlapping(one: list[Span], other: list[Span]) -> bool:
    """Do two sets of memory ranges meet?"""
    return any(low < end and start < high for low, high in one for start, end in other)


def spans(value: Any) -> list[Span]:
    """Where in memory the values of a mutable array or table lie: (first byte, one behind the last)."""
    np = sys.modules.get("numpy")
    if np is None:
        return []
    arrays = [array for array in _buffers(value) if isinstance(array, np.ndarray) and array.size]
    return list(dict.fromkeys(np.lib.array_utils.byte_bounds(array) for array in arrays))


def beneath(inputs: Iterable[Any], names: Iterable[str], namespace: Mapping[str, Any], code: str) -> list[Span]:
    """Where a cell may write to that isn't the data it names: the base of a view, a buffer that arrays lie in."""
    found = [namespace[name] for name in names if type(namespace.get(name)) in _BUFFERS]
    np = sys.modules.get("numpy")
    if np is None:
        return []
    arrays = []
    with suppress(ValueError, TypeError, BufferError):  # released, or with gaps
        arrays += [np.frombuffer(value, "u1") for value in found if len(value)]
    if ".base" in code:
        arrays += [value.base for value in inputs if type(value) is np.ndarray]
    return [span for array in arrays if type(array) is np.ndarray for span in spans(array)]


def _inside(path: str, value: Any, namespace: Mapping[str, Any], functions: bool) -> Iterator[tuple[str, Any]]:
    """What a value holds, with what it is called. Asked is the type: `isinstance` would ask a property `__class__`."""
    kind = type(value)
    if issubclass(kind, dict):
        for key, item in list(dict.items(value))[:_MOST_ITEMS]:
            yield f"{path}[{key_text(key)}]", item
    elif issubclass(kind, (list, tuple, collections.deque)):
        base: Any = next(t for t in (list, tuple, collections.deque) if issubclass(kind, t))
        for i, item in zip(range(_MOST_ITEMS), base.__iter__(value), strict=False):
            yield f"{path}[{i}]", item
    elif issubclass(kind, functools.partial):
        yield from ((path, item) for item in (value.func,))
        yield from ((f"{path}.args[{i}]", item) for i, item in enumerate(value.args))
        yield from ((f"{path}.keywords[{key!r}]", item) for key, item in value.keywords.items())
    elif issubclass(kind, functools._lru_cache_wrapper):
        yield path, value.__wrapped__
    elif issubclass(kind, types.MethodType):
        yield f"{path}.__self__", value.__self__
        yield path, value.__func__
    elif issubclass(kind, types.FunctionType):
        if functions and (value.__globals__ is namespace or is_local(value.__module__)):
            yield from _of_function(path, value, namespace)
    elif issubclass(kind, types.ModuleType):
        if value.__name__ != "__main__" and is_local(value.__name__):
            yield from ((f"{path}.{key}", item) for key, item in list(vars(value).items()) if is_data(item))
    elif issubclass(kind, type):
        if is_local(value.__module__):
            yield from ((f"{path}.{key}", item) for key, item in list(vars(value).items()) if key[:2] != "__")
    elif issubclass(kind, _WRAPPERS) or is_local(kind.__module__):
        try:
            held = object.__getattribute__(value, "__dict__")
        except AttributeError:
            held = {}
        if isinstance(held, dict):
            yield from ((f"{path}.{key}", item) for key, item in list(held.items())[:_MOST_ITEMS])
        for cls in kind.__mro__[:-1]:
            slots = vars(cls).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                member = vars(cls).get(name)
                if isinstance(member, types.MemberDescriptorType):
                    try:
                        yield f"{path}.{name}", member.__get__(value)
                    except AttributeError:  # not set
                        continue
        yield kind.__name__, kind


def _of_function(path: str, function: types.FunctionType, namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    inner = getattr(function, "__wrapped__", None)  # what functools.wraps left
    if inner is not None:
        yield path, inner
    mine = function.__globals__ is namespace
    for name in global_names(function.__code__):
        if name in function.__globals__:
            yield (name if mine else f"{function.__module__}.{name}"), function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"{path}.<{name}>", cell.cell_contents
        except ValueError:  # not bound yet
            continue
    for i, item in enumerate(function.__defaults__ or ()):
        yield f"{path}.<default {i}>", item
    for name, item in (function.__kwdefaults__ or {}).items():
        yield f"{path}.<{name}>", item
    yield from ((f"{path}.{key}", item) for key, item in function.__dict__.items() if key != "__wrapped__")


@functools.lru_cache(maxsize=512)
def global_names(code: types.CodeType) -> tuple[str, ...]:
    found = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= dict.fromkeys(global_names(constant))
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def is_local(module: str | None) -> bool:
    """Is it the user's own code: the notebook's, or a file that no package manager put there?"""
    if module == "__main__":
        return True
    if not isinstance(module, str) or module.partition(".")[0] in _NOT_LOCAL:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and not file.startswith(_LIBRARIES) and "site-packages" not in file


def key_text(key: Any) -> str:
    """A dict's key, as it is said in a path."""
    if type(key).__module__ == "numpy" and hasattr(key, "item"):
        key = key.item()
    text = repr(key) if type(key) in (str, int, float, bool, tuple, type(None)) else type(key).__name__
    return redact_text(text if len(text) <= 60 else text[:60] + "…")


def _buffers(value: Any) -> Iterator[Any]:
    library = type(value).__module__.partition(".")[0]
    if library == "numpy" or hasattr(value, "__array_interface__"):
        yield value
    elif library == "scipy":
        yield from (getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col"))
    elif hasattr(value, "iloc"):
        columns = [value.iloc[:, i] for i in range(min(value.shape[1], _MOST_COLUMNS))] if value.ndim == 2 else [value]
        for column in columns:
            array = column.array
            yield getattr(array, "_ndarray", None)
            yield from (getattr(array, name, None) for name in ("_data", "_mask", "_codes"))
