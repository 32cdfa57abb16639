"""Queries of databases: their text (redacted), the database without credentials, and the result by its fingerprint.

Seen are pandas' and polars' readers, SQLAlchemy's executions (``all`` and ``fetchall`` give their result), and what the
cell's text calls on a connection of :mod:`sqlite3`, which is compiled and tells Python nothing of its statements.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import sqlite3
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.capture.instruments.code_swap import Swaps
from nbops.capture.instruments.files import database
from nbops.capture.instruments.urls import public_url
from nbops.capture.instruments.watch import IGNORE, CallProbe, Current, Watch, argument, cell_line
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact
from nbops.workspace import relative

_MOST_QUERIES = 50
_SHOWN = 200  # characters of a query in the record; the artifact has it whole
_EXECUTES = ("execute", "executemany", "executescript")


@dataclasses.dataclass(kw_only=True, eq=False)
class Query:
    """`result` is the digest of what came back; None where nobody asked for it in a way that is seen."""

    text: str
    database: str
    line: int | None
    result: str | None = None
    shape: tuple[int, ...] = ()
    context: Any = None  # a weak reference to SQLAlchemy's execution


class ScopeQueries:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.made: list[Query] = []

    def add(self, query: Query) -> None:
        if len(self.made) < _MOST_QUERIES:
            self.made.append(query)
        else:
            self.watch.note(f"more than {_MOST_QUERIES} queries were made; the first {_MOST_QUERIES} are recorded")

    def came_back(self, query: Query, result: Any) -> None:
        found = self.watch.fingerprint(result)
        query.result = found.digest
        query.shape = found.shape or ((len(result),) if isinstance(result, (list, tuple)) else ())

    def finish(self, namespace: Mapping[str, Any]) -> None:
        """Each query becomes an artifact; the same one with the same result once."""
        if ".execute" in self.watch.scope.code:
            self._of_sqlite(namespace)
        seen = set()
        for number, query in enumerate(self.made, 1):
            text = redact_text(query.text.strip())
            about = {
                "database": query.database,
                "query": re.sub(r"\s+", " ", text)[:_SHOWN],
                "line": query.line,
                **({"result": query.result, "shape": list(query.shape)} if query.result else {}),
            }
            key = (text, query.database, query.result)
            if not text or key in seen:
                continue
            seen.add(key)
            content = text.encode("utf-8", "replace")
            digest = self.watch.scope.workspace.artifacts.put_bytes(content)
            self.watch.artifacts.append(
                Artifact(
                    name=f"query-{number}.sql",
                    kind="query",
                    digest=digest,
                    size=len(content),
                    media="application/sql",
                    about=about,
                )
            )

    def _of_sqlite(self, namespace: Mapping[str, Any]) -> None:
        from nbops.notebook.syntax import parsed

        tree = parsed(self.watch.scope.code)
        for statement in tree.body if tree else ():
            calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
            for call in sorted(calls, key=lambda n: (n.lineno, n.col_offset)):
                assert isinstance(call.func, ast.Attribute)
                where = _sqlite(call.func.value, namespace) if call.func.attr in _EXECUTES and call.args else None
                text = _text(call.args[0], namespace) if where is not None else None
                if where is None or text is None:
                    continue
                query = Query(text=text, database=where, line=call.lineno)
                value = _assigned(statement, namespace)
                if type(value) in (list, tuple):
                    self.came_back(query, value)
                self.add(query)


class ReaderProbe(CallProbe):
    """A function that takes a query and a connection, and gives back a table."""

    what = "a query"

    def __init__(self, current: Current, names: tuple[str, ...], connections: tuple[str, ...]) -> None:
        super().__init__(current)
        self.names, self.connections = names, connections

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        args, kwargs = seen
        given = argument(args, kwargs, 0, *self.names)
        connection = argument(args, kwargs, 1, *self.connections)
        query = Query(text=str(given), database=database_of(watch, connection), line=cell_line())
        watch.unlike("database")
        if hasattr(result, "columns"):  # no generator of chunks
            watch.queries.came_back(query, result)
        watch.queries.add(query)


class ExecuteProbe(CallProbe):
    """SQLAlchemy's dialect hands a statement to the driver. The values bound to it aren't looked at."""

    what = "a query"

    def before(self, watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        statement = argument(args, kwargs, 2, "statement")
        context = argument(args, kwargs, 4, "context") or (args[-1] if args else None)
        engine = getattr(context, "engine", None)
        if not isinstance(statement, str) or statement.lstrip().upper().startswith("PRAGMA"):
            return IGNORE
        watch.unlike("database")
        query = Query(text=statement, database=database_of(watch, engine), line=cell_line())
        query.context = weakref.ref(context) if engine is not None else None
        watch.queries.add(query)
        return IGNORE


class RowsProbe(CallProbe):
    """SQLAlchemy's ``result.all()`` and ``fetchall()``."""

    what = "a query's result"

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        context = getattr(argument(seen[0], seen[1], 0, "self"), "context", None)
        for query in reversed(watch.queries.made):
            if context is not None and query.context is not None and query.context() is context:
                watch.queries.came_back(query, [tuple(row) for row in result])
                return


def database_of(watch: Watch, connection: Any) -> str:
    """What a connection, engine or URL is of: without credentials, below the workspace by its relative path."""
    if isinstance(connection, sqlite3.Connection):
        return f"sqlite:///{database(connection)}"
    url = connection if isinstance(connection, str) else getattr(getattr(connection, "engine", connection), "url", None)
    if url is None:
        return type(connection).__module__.partition(".")[0]
    name = getattr(url, "database", None)
    if str(getattr(url, "drivername", "")).startswith("sqlite") and name:
        return f"sqlite:///{relative(watch.scope.workspace, Path(name).absolute()) if name != ':memory:' else name}"
    said = public_url(str(url))
    if not said.startswith("sqlite:"):
        watch.files.connected(said, "database")
    return said


def watch_queries(current: Current, swaps: Swaps) -> None:
    """What of pandas, polars and SQLAlchemy is imported already."""
    for module, function, names, connections in _READERS:
        found = getattr(sys.modules.get(module), function, None)
        swaps.watch(found, ReaderProbe(current, names, connections))
    dialect = getattr(sys.modules.get("sqlalchemy.engine.default"), "DefaultDialect", None)
    for method in ("do_execute", "do_executemany", "do_execute_no_params"):
        swaps.watch(getattr(dialect, method, None), ExecuteProbe(current))
    rows = getattr(sys.modules.get("sqlalchemy.engine.result"), "Result", None)
    for method in ("all", "fetchall"):
        swaps.watch(getattr(rows, method, None), RowsProbe(current))


_READERS = (
    ("pandas.io.sql", "read_sql", ("sql",), ("con",)),
    ("pandas.io.sql", "read_sql_query", ("sql",), ("con",)),
    ("pandas.io.sql", "read_sql_table", ("table_name",), ("con",)),
    ("polars.io.database.functions", "read_database", ("query",), ("connection",)),
    ("polars.io.database.functions", "read_database_uri", ("query",), ("uri",)),
)
QUERY_MODULES = (
    *dict.fromkeys(module for module, *_ in _READERS),
    "sqlalchemy.engine.default",
    "sqlalchemy.engine.result",
)


def _sqlite(receiver: ast.expr, namespace: Mapping[str, Any]) -> str | None:
    """The database of what ``execute`` is called on, if that is a connection or cursor of sqlite3."""
    while isinstance(receiver, (ast.Call, ast.Attribute)):
        receiver = receiver.func if isinstance(receiver, ast.Call) else receiver.value
    value = namespace.get(receiver.id) if isinstance(receiver, ast.Name) else None
    if isinstance(value, sqlite3.Cursor):
        value = value.connection
    if value is sqlite3:  # sqlite3.connect(…).execute(…)
        return "sqlite:///"
    return f"sqlite:///{database(value)}" if isinstance(value, sqlite3.Connection) else None


def _text(node: ast.expr, namespace: Mapping[str, Any]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        value = namespace.get(node.id)
        return value if isinstance(value, str) else None
    return ast.unparse(node)


def _assigned(statement: ast.stmt, namespace: Mapping[str, Any]) -> Any:
    """What the statement bound to its one name."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return namespace.get(statement.targets[0].id)
    return None
