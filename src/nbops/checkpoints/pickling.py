"""A notebook's namespace as pickles with one memory, so that what two names share they share again.

* Large buffers (arrays, columns) are out of band, to be kept by content: what hasn't changed isn't written again.
* Functions of the notebook come back with the living namespace as their globals, not with a copy of it.
* Arrays that are views of one memory are so again; those inside pandas objects are copies, as pandas' copy-on-write
  has them behave.
* Files, connections, generators, locks, threads are refused: reading a file's rest into memory is not the file.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from collections.abc import Callable, Mapping, Set
from typing import Any

import cloudpickle

from nbops.core.redaction import holds_hidden

SHARES, _SOME = "it shares its memory with ", "a pandas object"
"""Why an array isn't kept; what follows are the names of the pandas objects, where they have names."""

HOOKED = "its class is made by code of the notebook (a metaclass, __init_subclass__) that would be called once more"

APART_FROM = 1 << 14  # bytes: smaller buffers stay in the stream


class TooLargeError(Exception):
    """The stream is larger than it may be."""


class Refused(Exception):  # noqa: N818  (a reason)
    """The value can't be kept; the message says why."""


class _Stream(io.BytesIO):
    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, data: Any) -> int:
        if self.tell() > self.most:
            raise TooLargeError
        return super().write(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self, file: io.BytesIO, namespace: Mapping[str, Any], buffer: Callable[[pickle.PickleBuffer], Any]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer)
        self.namespace = namespace
        self.of_pandas: dict[int, Any] = {}  # arrays inside pandas objects, held so that their ids stay theirs
        self.roots: dict[int, Any] = {}
        self.pandas_roots: dict[int, Any] = {}

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is types.FunctionType:
            if obj.__globals__ is self.namespace:
                return _function_here, (obj.__code__, obj.__closure__), _state_of(obj), None, None, _set_function
        elif isinstance(obj, type) and _hooked(obj):
            raise Refused(HOOKED)
        elif kind is types.CellType:
            return _cell, (), _contents(obj), None, None, _set_cell
        elif kind is functools._lru_cache_wrapper:
            if getattr(obj, "__module__", None) == "__main__":
                return _cached, (obj.__wrapped__, obj.cache_parameters())
        elif isinstance(obj, io.IOBase) and kind not in (io.BytesIO, io.StringIO):
            raise Refused("an open file")
        elif "numpy" in sys.modules and isinstance(obj, sys.modules["numpy"].ndarray):
            return self._array(obj)
        elif kind.__module__.partition(".")[0] == "pandas":
            self._inside_pandas(obj)
        return super().reducer_override(obj)

    def _array(self, array: Any) -> Any:
        numpy = sys.modules["numpy"]
        if isinstance(array, numpy.memmap):
            raise Refused("an array mapped to a file")
        root = _root(array)
        if id(array) in self.of_pandas:
            self.pandas_roots[id(root)] = root
        else:
            self.roots[id(root)] = root
            plain = type(root) is type(array) is numpy.ndarray and not root.dtype.hasobject
            if root is not array and plain and root.flags.forc:
                offset = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
                return _view, (root, offset, array.shape, array.strides, array.dtype, array.flags.writeable)
        return NotImplemented

    def _inside_pandas(self, obj: Any) -> None:
        for block in getattr(getattr(obj, "_mgr", None), "blocks", ()):
            self.of_pandas[id(block.values)] = block.values
        for name in ("_data", "_ndarray", "_codes", "_values", "_mask"):
            inner = getattr(obj, "__dict__", {}).get(name)
            if inner is not None:
                self.of_pandas[id(inner)] = inner
        try:
            inner = getattr(obj, "_ndarray", None)
        except (AttributeError, NotImplementedError):
            inner = None
        if inner is not None:
            self.of_pandas[id(inner)] = inner


def dump(
    values: Mapping[str, Any], namespace: Mapping[str, Any], *, most: int
) -> tuple[bytes, list[pickle.PickleBuffer], dict[str, str]]:
    """(stream, buffers, what isn't in it and why) of `values`, of which all that can be kept are.

    Raises
    ------
    TooLargeError
        If the stream itself would be larger than `most` bytes.
    """
    kept, refused = dict(values), dict[str, str]()
    while True:
        try:
            stream, buffers, pickler = _dumped(kept, namespace, most)
        except TooLargeError:
            raise
        except Exception as whole:
            found = _faults(kept, namespace, most)
            if not found:
                raise Refused(f"{type(whole).__name__}: {whole}") from whole
        else:
            shared = {key: root for key, root in pickler.roots.items() if key in pickler.pandas_roots}
            sharing = {name: id(_root(value)) for name, value in kept.items() if shared and id(_root(value)) in shared}
            owners = _owners(kept, namespace, most) if sharing else {}
            found = {
                name: SHARES + (", ".join(owner for owner, roots in owners.items() if root in roots) or _SOME)
                for name, root in sharing.items()
            }
            if (shared and not found) or _secret_in(stream, buffers):
                found = found | _faults(kept, namespace, most, shared=shared)
            if not found:
                return stream, buffers, refused
        refused |= found
        kept = {name: value for name, value in kept.items() if name not in found}


def load(stream: bytes | bytearray, buffers: list[Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """The values again, bound in `namespace` one after the other: functions get it as their globals, and those that
    make a value again (``__setstate__`` and the like) may need what was bound before it."""
    unpickler = pickle.Unpickler(io.BytesIO(stream), buffers=buffers)
    found = {}
    _Here.namespace = namespace
    try:
        for name in unpickler.load():
            found[name] = namespace[name] = unpickler.load()
    finally:
        _Here.namespace = None
    return found


def _dumped(
    values: Mapping[str, Any], namespace: Mapping[str, Any], most: int
) -> tuple[bytes, list[pickle.PickleBuffer], _Pickler]:
    file, buffers = _Stream(most), list[pickle.PickleBuffer]()

    def buffer(found: pickle.PickleBuffer) -> bool:
        if found.raw().nbytes < APART_FROM:
            return True
        buffers.append(found)
        return False

    pickler = _Pickler(file, namespace, buffer)
    pickler.dump(list(values))
    for value in values.values():
        pickler.dump(value)
    return file.getvalue(), buffers, pickler


def _owners(values: Mapping[str, Any], namespace: Mapping[str, Any], most: int) -> dict[str, Set[int]]:
    """Of each name of a pandas object, the ids of the arrays in whose memory it lies."""
    return {
        name: _dumped({name: value}, namespace, most)[2].pandas_roots.keys()
        for name, value in values.items()
        if type(value).__module__.partition(".")[0] == "pandas"
    }


def _secret_in(stream: bytes, buffers: list[pickle.PickleBuffer]) -> bool:
    return holds_hidden(stream) or any(holds_hidden(buffer.raw()) for buffer in buffers)


def _faults(
    values: Mapping[str, Any], namespace: Mapping[str, Any], most: int, *, shared: Mapping[int, Any] | None = None
) -> dict[str, str]:
    """The names that can't be kept by themselves, and why."""
    found = {}
    for name, value in values.items():
        try:
            stream, buffers, pickler = _dumped({name: value}, namespace, most)
        except TooLargeError:
            raise
        except Refused as reason:
            found[name] = str(reason)
        except Exception as error:  # noqa: BLE001
            found[name] = f"{type(value).__module__}.{type(value).__qualname__} can't be kept: {str(error)[:100]}"
        else:
            if _secret_in(stream, buffers):
                found[name] = "it holds a secret"
            elif shared and pickler.roots.keys() & shared.keys() and not pickler.pandas_roots.keys() & shared.keys():
                found[name] = SHARES + _SOME
    return found


def _hooked(made: type) -> bool:
    """Does it call code of the notebook to make a class of the notebook?"""
    above = [base for base in made.__mro__[1:] if base.__module__ == "__main__"]
    hooks = type(made).__module__ == "__main__" or any("__init_subclass__" in vars(base) for base in above)
    return made.__module__ == "__main__" and hooks


def _root(value: Any) -> Any:
    """The array at the bottom of a chain of views."""
    numpy = sys.modules.get("numpy")
    while numpy is not None and isinstance(value, numpy.ndarray) and isinstance(value.base, numpy.ndarray):
        value = value.base
    return value


class _Here:
    namespace: dict[str, Any] | None = None


def _function_here(code: types.CodeType, closure: Any) -> types.FunctionType:
    assert _Here.namespace is not None
    return types.FunctionType(code, _Here.namespace, None, None, closure)


_PARTS = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__")


def _state_of(function: types.FunctionType) -> dict[str, Any]:
    return {part: getattr(function, part) for part in _PARTS} | {"__dict__": dict(function.__dict__)}


def _set_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    function.__dict__.update(state.pop("__dict__"))
    for part, value in state.items():
        setattr(function, part, value)


def _cell() -> types.CellType:
    return types.CellType()


def _contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _set_cell(cell: types.CellType, contents: tuple[Any, ...]) -> None:
    if contents:
        cell.cell_contents = contents[0]


def _cached(function: Any, parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _view(root: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool) -> Any:
    import numpy

    view = numpy.ndarray(shape, dtype, root, offset, strides)
    view.flags.writeable = writeable and view.flags.writeable
    return view
