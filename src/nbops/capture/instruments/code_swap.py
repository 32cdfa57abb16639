"""How a function is watched without anybody noticing.

Its ``__code__`` is swapped for a stub that has the same parameters, asks a `Probe` before and after, and calls
the original code. So every reference sees it, however it was imported; the function stays the same object with
the same signature, defaults, closure and name. The stub leaves nothing behind:

* tracebacks: it takes its own entry off and re-raises with a bare ``raise``, which adds none [CPython: RAISE_VARARGS 0
  and RERAISE go past the place where an entry is made];
* ``warnings.warn(…, stacklevel=2)``: frames of files whose name contains ``importlib`` and ``_bootstrap`` aren't
  counted [CPython: is_internal_frame], so the stub's file has such a name;
* ``inspect.getsource``: finds the source by the stub's first line, which is the original's, and the module's loader;
  a cell's source is put into ``linecache`` under the stub's file name while the swap lasts;
* pickling by value (cloudpickle, joblib's workers): a pickled probe comes back as one that does nothing.

Tried on CPython 3.11, 3.13 and 3.14. Nothing in here is particular to them but the two behaviours named above.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import types
from typing import Any

STUBS = "nbops/importlib._bootstrap/"  # where the stubs' files would lie
_FILE = STUBS + "{module}.py"  # one a module: source lines are cached by file name
_PROBE_LOCAL = "_nbops_probe_"
_SUSPENDING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE

_TEMPLATE = """
def outer():
    {bind_frees}
    def stub({parameters}):
        {use_frees}
        _nbops_probe_ = "probe"
        _nbops_call_ = "original"
        _nbops_token_ = _nbops_probe_.enter(({positional}), {{{keywords}}})
        try:
            _nbops_result_ = _nbops_call_({arguments})
        except BaseException as _nbops_error_:
            _nbops_error_.__traceback__ = _nbops_error_.__traceback__.tb_next
            if _nbops_token_ is not None:
                _nbops_probe_.fail(_nbops_token_)
            raise
        if _nbops_token_ is not None:
            _nbops_probe_.leave(_nbops_token_, _nbops_result_)
        return _nbops_result_
    return stub
"""


class Probe:
    """What a stub asks. None of the three may raise an Exception.

    `enter` gets the call's arguments and returns a token, or None if the call is of no interest; then it isn't
    asked again."""

    def enter(self, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        return None

    def leave(self, token: Any, result: Any) -> None:
        """The call returned."""

    def fail(self, token: Any) -> None:
        """The call raised."""

    def __reduce__(self) -> tuple[type[Probe], tuple[()]]:
        return Probe, ()


class Swaps:
    """The functions watched now. `restore` puts every original back; `again` watches those of importable modules
    again, from stubs made before: a scope must begin within a millisecond."""

    def __init__(self) -> None:
        self._now: dict[types.FunctionType, tuple[types.CodeType, types.CodeType]] = {}
        self._sources: list[str] = []
        self._made: dict[types.FunctionType, tuple[types.CodeType, types.CodeType, Probe]] = {}

    def __len__(self) -> int:
        return len(self._now)

    def watch(self, function: Any, probe: Probe) -> bool:
        """Swap the code of `function`; False if it can't be (compiled, a generator) or already is."""
        if type(function) is not types.FunctionType or function in self._now:
            return False
        code = _healed(function)
        if code.co_flags & _SUSPENDING:
            return False
        stub = _stub(function, code, probe)
        self._now[function] = (code, stub)
        if _of_a_module(function):
            self._made[function] = (code, stub, probe)
        else:
            lines = linecache.getlines(code.co_filename, function.__globals__)
            linecache.cache[stub.co_filename] = (len(lines), None, lines, stub.co_filename)
            self._sources.append(stub.co_filename)
        function.__code__ = stub
        return True

    def again(self) -> None:
        for function, (code, stub, probe) in list(self._made.items()):
            if function.__code__ is code:
                self._now[function] = (code, stub)
                function.__code__ = stub
            else:  # it was given new code meanwhile (%autoreload)
                self.watch(function, probe)

    def restore(self) -> None:
        for function, (code, stub) in self._now.items():
            if function.__code__ is stub:  # else somebody gave it new code: theirs counts
                function.__code__ = code
        self._now.clear()
        for name in self._sources:
            linecache.cache.pop(name, None)
        self._sources.clear()


def plain_function(member: Any) -> Any:
    """The function behind a class's member: itself, a class method's, or what scikit-learn's ``available_if`` holds."""
    if _is_function(member):
        return member
    inner = getattr(member, "__func__", None) or getattr(member, "__dict__", {}).get("fn")
    return inner if _is_function(inner) else None


def _is_function(value: Any) -> bool:
    return type(value) is types.FunctionType


def _of_a_module(function: types.FunctionType) -> bool:
    return function.__globals__.get("__loader__") is not None and function.__module__ != "__main__"


def _healed(function: types.FunctionType) -> types.CodeType:
    """The function's code; of a stub that was copied from elsewhere (%autoreload does), the original's."""
    code = function.__code__
    if _PROBE_LOCAL in code.co_varnames:
        for constant in code.co_consts:
            if _is_function(constant):
                function.__code__ = constant.__code__
                return function.__code__
    return code


def _stub(function: types.FunctionType, code: types.CodeType, probe: Probe) -> types.CodeType:
    original = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    original.__qualname__ = function.__qualname__
    original.__module__ = function.__module__
    names = code.co_varnames
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    stars = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    shape = names[: counts[0] + counts[2] + bool(stars & inspect.CO_VARARGS) + bool(stars & inspect.CO_VARKEYWORDS)]
    template = _template(shape, counts, stars, code.co_freevars)
    given = {"probe": probe, "original": original}
    return template.replace(
        co_consts=tuple(given.get(c, c) if isinstance(c, str) else c for c in template.co_consts),
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_firstlineno=code.co_firstlineno,
        co_filename=_FILE.format(module=function.__module__ if _of_a_module(function) else code.co_filename),
    )


@functools.cache
def _template(
    names: tuple[str, ...], counts: tuple[int, int, int], stars: int, frees: tuple[str, ...]
) -> types.CodeType:
    positional, only, keyword = counts
    first, keyed = list(names[:positional]), list(names[positional : positional + keyword])
    rest = list(names[positional + keyword :])
    args = [f"*{rest.pop(0)}"] if stars & inspect.CO_VARARGS else []
    kwargs = [f"**{rest.pop(0)}"] if stars & inspect.CO_VARKEYWORDS else []
    declared = first[:only] + (["/"] if only else []) + first[only:] + (args or (["*"] if keyed else []))
    source = _TEMPLATE.format(
        # dead code is dropped, but what it names stays a free variable: the closure must keep its length
        bind_frees=" = ".join([*frees, "None"]) if frees else "pass",
        use_frees=f"if 0: ({', '.join(frees)})" if frees else "pass",
        parameters=", ".join(declared + keyed + kwargs),
        positional="".join(f"{name}, " for name in first + args),
        keywords=", ".join([f"{name!r}: {name}" for name in keyed] + kwargs),
        arguments=", ".join(first + args + [f"{name}={name}" for name in keyed] + kwargs),
    )
    made: dict[str, Any] = {}
    exec(compile(source, _FILE.format(module="stub"), "exec"), made)
    code: types.CodeType = made["outer"]().__code__
    return code.replace(co_freevars=frees)
