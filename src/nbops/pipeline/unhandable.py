"""Which values can't be handed from one notebook to the next, as far as the text that makes them tells.

What isn't told here may still be refused by :func:`nbops.pipeline.handover.output` when it is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from nbops.notebook.names import full_name

_FILE, _CONNECTION, _SET, _ITERATOR = "an open file", "a connection", "a set", "an iterator"
_FIGURE, _LOCK, _TIME = "a figure", "a lock", "a date or time"
_MADE_BY = {
    "open": _FILE,
    "gzip.open": _FILE,
    "io.open": _FILE,
    "zipfile.ZipFile": _FILE,
    "h5py.File": _FILE,
    "pandas.ExcelFile": _FILE,
    "pandas.ExcelWriter": _FILE,
    "pandas.HDFStore": _FILE,
    "sqlite3.connect": _CONNECTION,
    "duckdb.connect": _CONNECTION,
    "psycopg.connect": _CONNECTION,
    "psycopg2.connect": _CONNECTION,
    "sqlalchemy.create_engine": _CONNECTION,
    "requests.Session": _CONNECTION,
    "httpx.Client": _CONNECTION,
    "boto3.client": _CONNECTION,
    "set": _SET,
    "frozenset": _SET,
    "iter": _ITERATOR,
    "map": _ITERATOR,
    "filter": _ITERATOR,
    "zip": _ITERATOR,
    "enumerate": _ITERATOR,
    "reversed": _ITERATOR,
    "range": "a range",
    "bytes": "bytes",
    "bytearray": "bytes",
    "logging.getLogger": "a logger",
    "threading.Lock": _LOCK,
    "threading.RLock": _LOCK,
    "numpy.random.default_rng": "a random generator",
    "random.Random": "a random generator",
    "matplotlib.pyplot.figure": _FIGURE,
    "datetime.datetime.now": _TIME,
    "datetime.date.today": _TIME,
    "pandas.Timestamp": _TIME,
    "time.localtime": _TIME,
    "decimal.Decimal": "a Decimal",
    "types.SimpleNamespace": "a SimpleNamespace",
}
_NODES: dict[type[ast.expr], str] = {
    ast.Set: _SET,
    ast.SetComp: _SET,
    ast.GeneratorExp: "a generator",
    ast.Lambda: "a function",
}
_REMADE = {
    "pathlib.Path": "a path",
    "pathlib.PurePath": "a path",
    "re.compile": "a pattern",
    "datetime.timedelta": _TIME,
    "datetime.date": _TIME,
    "datetime.datetime": _TIME,
}


def unhandable(made: ast.expr, imports: Mapping[str, str], classes: Iterable[str]) -> str | None:
    """What the value of an expression is, in words, if it can't be handed over; None if it can, or isn't known.

    Parameters
    ----------
    imports : mapping
        Names that imports have bound, with the dotted names they stand for.
    classes : iterable of str
        The notebook's own classes that inherit from nothing: what they make is no estimator.
    """
    if isinstance(made, ast.Constant) and isinstance(made.value, (bytes, complex)):
        return f"a {type(made.value).__name__} value"
    if isinstance(made, ast.Call):
        name = full_name(made.func, imports)
        return f"an instance of {name}" if name in classes else _MADE_BY.get(name) or _REMADE.get(name)
    return _NODES.get(type(made))


def remade(made: ast.expr, imports: Mapping[str, str], known: Iterable[str]) -> bool:
    """Is this a value that each step may as well make itself: a lambda, a path, a pattern, a written date? `known` are
    the names of such values."""
    if isinstance(made, ast.BinOp):
        return remade(made.left, imports, known)
    if isinstance(made, ast.Call):
        return full_name(made.func, imports) in _REMADE
    return isinstance(made, ast.Lambda) or (isinstance(made, ast.Name) and made.id in known)
