"""What cells change inside of imported modules: a patched function, an entry of a module's table. No state has it, for
modules are imported anew; the cells that did it can do it once more.

Told from the text: what a notebook's own function changes when it is called isn't seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from nbops.notebook.names import full_name, names
from nbops.notebook.scopes import CHANGING
from nbops.notebook.syntax import parsed

KEPT = ("os.environ", "sys.path", "matplotlib.rcParams", "matplotlib.pyplot.rcParams", "pandas.options")
"""What of modules a state does have."""

_LOGGERS = frozenset({"setLevel", "addHandler", "removeHandler", "addFilter", "removeFilter"})
_SETS_UP = frozenset(
    {f"logging.{name}" for name in ("basicConfig", "disable", "captureWarnings", "addLevelName", "setLoggerClass")}
    | {"logging.config.dictConfig", "logging.config.fileConfig", "locale.setlocale", "socket.setdefaulttimeout"}
    | {"sys.setrecursionlimit", "sys.set_int_max_str_digits", "gc.disable", "gc.enable", "decimal.setcontext"}
    | {"nest_asyncio.apply", "torch.set_default_dtype", "torch.set_num_threads", "torch.use_deterministic_algorithms"}
)
"""Functions that are called for what they set in their module."""

_QUICK = frozenset(
    {
        "logging",
        "tqdm",
        "warnings",
        "locale",
        "socket",
        "gc",
        "decimal",
        "nest_asyncio",
        "pathlib",
        "print",
        "str",
        "int",
    }
    | {"get_ipython", "sys.setrecursionlimit", "sys.set_int_max_str_digits", "os.getenv", "os.environ.get"}
    | {"pandas.set_option", "numpy.set_printoptions", "seaborn.set_theme", "matplotlib.pyplot.style.use"}
)
"""What a cell that sets something up may call beside, to be run again for that alone: packages and functions."""


def imported(sources: Sequence[str]) -> dict[str, str]:
    """The names that stand for what was imported, and nothing else: {name: dotted}."""
    found: dict[str, str] = {}
    for source in sources:
        found |= names(source).imports
    bound = {
        node.id
        for source in sources
        for node in ast.walk(parsed(source) or ast.Module([], []))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return {name: dotted for name, dotted in found.items() if name not in bound}


def patches(source: str, imports: Mapping[str, str]) -> tuple[str, ...]:
    """The dotted names of what a cell changes inside of what was imported, such as ``pandas.DataFrame.shout``."""
    tree = parsed(source)
    found = {
        name: None
        for target in (_targets(tree) if tree is not None else ())
        if (name := _inside(target, imports)) is not None and not name.startswith(KEPT)
    }
    return tuple(found)


def setups(source: str, imports: Mapping[str, str]) -> tuple[str, ...]:
    """The dotted names of the calls by which a cell sets up what it has imported, such as ``logging.basicConfig``;
    none if it calls other things too, which may take their time."""
    tree = parsed(source)
    found: dict[str, None] = {}
    for node in _executed(tree) if tree is not None else ():
        if not isinstance(node, ast.Call):
            continue
        name = full_name(node.func, imports)
        if name in _SETS_UP or (name.startswith("tqdm.") and name.endswith(".pandas")):
            found[name] = None
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _LOGGERS:
            found["logging"] = None
        elif not {name, name.partition(".")[0]} & _QUICK and not (isinstance(node.func, ast.Attribute) and not name):
            return ()
    return tuple(found)


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of a cell but for the bodies of its functions."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop(0)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo = [*ast.iter_child_nodes(node), *todo]
            yield node


def _targets(tree: ast.Module) -> Iterator[ast.expr]:
    """What is assigned to, deleted or changed by a method called for its effect alone, when the cell runs."""
    for node in _executed(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            match node.args:
                case [owner, ast.Constant(value=str(attribute)), *_]:
                    yield ast.Attribute(owner, attribute, ast.Store())
                case [owner, *_]:
                    yield ast.Subscript(owner, ast.Constant(None), ast.Store())
        elif (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(method := node.value.func, ast.Attribute)
            and method.attr in CHANGING
        ):
            yield ast.Subscript(method.value, ast.Constant(None), ast.Store())


def _inside(target: ast.expr, imports: Mapping[str, str]) -> str | None:
    """The dotted name of a target, up to where it is indexed; None where that is no part of something imported."""
    parts: list[str] = []
    while isinstance(target, (ast.Attribute, ast.Subscript)):
        parts = [target.attr, *parts] if isinstance(target, ast.Attribute) else []
        target = target.value
    if not isinstance(target, ast.Name) or target.id not in imports:
        return None
    whole = ".".join([imports[target.id], *parts])
    return whole if "." in whole else None  # a module itself has no entries: os.remove(…) removes none
