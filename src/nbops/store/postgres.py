"""The same store in a PostgreSQL database, for several machines: ``NBOPS_STORE=postgresql://USER@HOST/DATABASE``.

The contract is that of :mod:`nbops.store.database`. A write takes one advisory lock at its start, as SQLite's does:
what it reads can't be changed by another before it commits, and events, whose numbers come from a sequence, are
numbered in the order of their commits. A writer that stops in the middle (a suspended laptop) loses its
transaction after `IDLE_S` seconds instead of holding up all others.

A server that goes away and comes back is no reason to start anew: a connection that broke is opened again, and what
was only asked is asked once more. A transaction that broke is the caller's to repeat; it was either done whole or not
at all.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from nbops.core.errors import (
    SettingsError,
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
)
from nbops.core.redaction import REDACTED, redact_text
from nbops.store import dialect
from nbops.store.database import Database, Row, Transaction, migrations

if TYPE_CHECKING:
    import psycopg

IDLE_S = 300
"""Seconds after which the server ends a transaction whose writer is silent."""

CONNECT_TIMEOUT_S = 10

_LOCK = 0x6E626F7073  # "nbops": the one advisory lock of a database's writers
_AWAY = ("08", "57P01", "57P02", "57P03", "53300")  # SQLSTATEs of connections that are not to be had now
_MEANING: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("55P03",), StoreLockedError, "is locked by another process; try again"),
    (("25006", "42501"), StoreReadOnlyError, "can't be written; ask for the rights to write and to make tables"),
    (("53100", "53400"), StoreFullError, "could not be written: the disk or a quota is full; nothing recorded is lost"),
)


class Answer:
    """A row, as sqlite3.Row is one: its values by name or place, iterated in order."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: list[str], values: Sequence[Any]) -> None:
        self._names, self._values = names, values

    def __getitem__(self, key: int | str) -> Any:
        return self._values[key if isinstance(key, int) else self._names.index(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def keys(self) -> list[str]:
        return self._names


class PostgresTransaction(Transaction):
    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        return self._connection.execute(dialect.statement(sql), dialect.parameters(params))

    def write_many(self, sql: str, params: list[dict[str, Any]]) -> None:
        if params:
            with self._connection.cursor() as cursor:
                cursor.executemany(dialect.statement(sql), [dialect.parameters(p) for p in params])

    def tables(self) -> list[str]:
        return _tables(self)

    def references(self, to: str) -> list[tuple[str, str]]:
        return _references(self, to)


class PostgresDatabase(Database):
    """A store's metadata in a PostgreSQL database.

    Parameters
    ----------
    url : str
        ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, with any of libpq's options as its query. The password may
        come from PGPASSWORD or ~/.pgpass as well.
    durability : {"normal", "full"}
        "normal" survives the death of any process; a crash of the server's machine may cost the last transactions.
        "full" waits for the server's disk at each commit.

    Raises
    ------
    SettingsError
        If psycopg isn't installed.
    """

    def __init__(self, url: str, **how: Any) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise SettingsError(
                "a store on PostgreSQL needs psycopg, which isn't installed: pip install 'nbops[postgres]'"
            ) from error
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        name = _without_password(self._url)
        super().__init__(Path(name), **how)
        self.name, self.location = name, url

    def exists(self) -> bool:
        with self._said_plainly():
            return bool(self._again(lambda c: not isinstance(c, _Nothing) and _version(c) > 0))

    def rows(self, sql: str, **params: Any) -> list[Row]:
        with self._said_plainly():
            found: list[Row] = self._again(lambda c: _execute(c, sql, params).fetchall())
        return found

    def row(self, sql: str, **params: Any) -> Row | None:
        with self._said_plainly():
            found: Row | None = self._again(lambda c: _execute(c, sql, params).fetchone())
        return found

    def tables(self) -> list[str]:
        return _tables(self) if self.exists() else []

    def references(self, to: str) -> list[tuple[str, str]]:
        return _references(self, to) if self.exists() else []

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._said_plainly():
            if self.read_only:
                raise StoreReadOnlyError(f"the store {self.name} was opened read-only; nothing was recorded")
            connection = self._begun()
            try:
                connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield PostgresTransaction(connection, self._clock.now())
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):  # a connection that is gone has nothing to undo
                    connection.execute("ROLLBACK")
                raise

    def journal_mode(self) -> str:
        return "the server's write-ahead log"

    def integrity(self) -> list[str]:
        """PostgreSQL checks its pages as it reads them; nothing to ask for here."""
        return []

    def close(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            connection.close()
        self._local.connection = None

    def _begun(self) -> psycopg.Connection[Any]:
        """A connection at the start of a transaction; opened anew if the one we had turns out to be broken."""

        def begin(connection: Any) -> Any:
            connection.execute("BEGIN")
            return connection

        begun: psycopg.Connection[Any] = self._again(begin, write=True)
        return begun

    def _again(self, ask: Any, *, write: bool = False) -> Any:
        """What `ask` makes of our connection; asked a second time if it was broken (and so has done nothing)."""
        import psycopg

        kept: Any = getattr(self._local, "connection", None)
        try:
            return ask(self._connection(write=write))
        except psycopg.OperationalError:
            now: Any = getattr(self._local, "connection", None)
            if kept is None or now is not kept or not now.broken:
                raise
            return ask(self._connection(write=write))

    def _connection(self, *, write: bool) -> Any:
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            self._inherited.append(getattr(local, "connection", None))
            local.connection, local.pid, local.passing = None, os.getpid(), False
        connection = local.connection
        if connection is not None and (connection.closed or local.passing):
            connection.close()
            local.connection = None
        if local.connection is None:
            local.connection, local.passing = self._opened(write)
            local.closing = _Closing(local.connection)
        return local.connection

    def _opened(self, write: bool) -> tuple[Any, bool]:
        """(a connection, whether it is for this once, because the store isn't there yet)"""
        import psycopg

        connection = psycopg.connect(
            self._url,
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
            row_factory=_rows,
            **({} if "connect_timeout" in self._url else {"connect_timeout": CONNECT_TIMEOUT_S}),  # type: ignore[arg-type]
        )
        try:
            passing = self._prepared(connection, write)
        except BaseException:
            connection.close()
            raise
        if passing and not write:
            connection.close()
            return _Nothing(self._empty()), True
        return connection, False

    def _prepared(self, connection: Any, write: bool) -> bool:
        """Set up a connection and check the schema; True if there is none yet and none is to be made."""
        newest = migrations()[-1][0]
        version = _version(connection)
        if version > newest:
            raise StoreVersionError(
                f"the store {self.name} has schema version {version}, this nbops knows {newest}; upgrade nbops"
            )
        if self.read_only:
            if 0 < version < newest:
                raise StoreVersionError(
                    f"the store {self.name} has schema version {version}, not {newest}, and is opened read-only;"
                    " open it once with write access to migrate it"
                )
            connection.execute("SET default_transaction_read_only = on")
        connection.execute(
            f"SET lock_timeout = {int(self.lock_timeout_s * 1000)};"
            f" SET idle_in_transaction_session_timeout = {IDLE_S * 1000};"
            f" SET synchronous_commit = {'on' if self.durability == 'full' else 'off'};"
            " SET client_min_messages = warning; SET extra_float_digits = 3"
        )
        if version == 0 and (not write or self.read_only):
            return True
        if version < newest:
            self._migrate(connection)
        return False

    def _migrate(self, connection: Any) -> None:
        with connection.transaction():
            connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            version = _version(connection)  # another process may have been faster
            connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
            for number, text in migrations():
                if number > version:
                    for sql in text.split(";\n"):
                        if sql.strip():
                            connection.execute(dialect.definition(sql))
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [migrations()[-1][0]])

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            state = error.sqlstate or ""
            said = redact_text(" ".join(str(error).split()))
            connection = getattr(self._local, "connection", None)
            broken = connection is not None and getattr(connection, "broken", False)
            for states, kind, meaning in _MEANING:
                if state.startswith(states):
                    raise kind(f"the store {self.name} {meaning} ({said})") from error
            if broken or state.startswith(_AWAY) or (not state and isinstance(error, psycopg.OperationalError)):
                raise StoreAwayError(
                    f"the store {self.name} can't be reached ({said}); is its server running, are address, database,"
                    " user and password (PGPASSWORD, ~/.pgpass) right?"
                ) from error
            raise StoreError(f"the store {self.name}: {said}") from error


class _Closing:
    """Closes a thread's connection when the thread has ended; not in a child that inherited it by fork."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._pid = connection, os.getpid()

    def __del__(self) -> None:
        if self._pid == os.getpid():
            with contextlib.suppress(Exception):
                self._connection.close()


class _Nothing:
    """Answers, in PostgreSQL's place, as a store in which there is nothing."""

    broken = closed = False

    def __init__(self, empty: Any) -> None:
        self._sqlite = empty

    def execute(self, sql: str, params: Any = ()) -> Any:
        return self._sqlite.execute(re.sub(r"%\((\w+)\)s", r":\1", sql).replace("%%", "%"), params)

    def close(self) -> None:
        self._sqlite.close()


def _execute(connection: Any, sql: str, params: dict[str, Any]) -> Any:
    return connection.execute(dialect.statement(sql), dialect.parameters(params))


def _tables(reader: Any) -> list[str]:
    rows = reader.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_version'"
        " ORDER BY tablename"
    )
    return [row["tablename"] for row in rows]


def _references(reader: Any, to: str) -> list[tuple[str, str]]:
    rows = reader.rows(
        "SELECT c.conrelid::regclass::text AS table, a.attname AS column FROM pg_constraint c"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'f' AND c.confrelid = to_regclass(:to) ORDER BY 1, 2",
        to=to,
    )
    return [(row["table"], row["column"]) for row in rows]


def _version(connection: Any) -> int:
    if connection.execute("SELECT to_regclass('schema_version') AS there").fetchone()["there"] is None:
        return 0
    found = connection.execute("SELECT max(version) AS version FROM schema_version").fetchone()
    return int(found["version"] or 0)


def _rows(cursor: Any) -> Any:
    """psycopg's row factory for :class:`Answer`."""
    names = [column.name for column in cursor.description or ()]
    return lambda values: Answer(names, values)


def without_password(location: str) -> str:
    """The URL as it may be told to another machine, which knows the password or doesn't; a path as it is."""
    scheme, found, rest = location.partition("://")
    account, at, place = rest.rpartition("@")
    place = re.sub(r"(?<=[?&])password=[^&]*&?", "", place).rstrip("?&")
    return f"{scheme}://{account.partition(':')[0]}{at}{place}" if found else location


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    hidden = f"{user}:{REDACTED}{at}" if colon else f"{account}{at}"
    return redact_text(f"{scheme}://{hidden}{unquote(place)}")
