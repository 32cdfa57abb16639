"""One SQLite file that several processes read and write, and every way it can fail, said in our words.

Plain DB-API rather than an SQL toolkit: a tracked cell and ``nbops runs`` must not pay a quarter of a second
for an import, and two ways to the same tables would be one too many. The statements keep to the SQL that
SQLite and PostgreSQL share (named parameters, ``ON CONFLICT``, JSON as text, times as ISO text).

Contract (of :class:`nbops.store.postgres.PostgresDatabase` too, which is the same for a PostgreSQL server):

* nothing is created before the first write; reading a store that isn't there finds it empty;
* a write is one transaction that takes the write lock at its start, so events are numbered in commit order;
* a connection belongs to the process and thread that opened it (a forked child opens its own);
* the schema's version is checked when a connection opens; older stores are migrated in one transaction.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from nbops.core import clock
from nbops.core.errors import (
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
)

NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "fuse.sshfs",
    "fuse.s3fs",
    "afs",
    "lustre",
}
"""Where SQLite's write-ahead log is unsafe: its shared memory file isn't shared between machines."""

LOCK_TIMEOUT_S = 10.0
PAGE = 500  # rows of a whole table that are read at once
LOG_PAGES = 4_000
"""Pages (16 MB) of the write-ahead log at which a commit moves them into the database, which waits for the disk: at
SQLite's own 1,000 every thirtieth tracked cell would. The last connection that closes does it in any case."""


def migrations() -> list[tuple[int, str]]:
    """(number, SQL text) of every migration, ascending."""
    folder = resources.files("nbops.store") / "migrations"
    found = [(int(f.name[:4]), f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(found)


class Row(Protocol):
    """A row of an answer: its values by name or place, in order when iterated; ``dict(row)`` works."""

    def __getitem__(self, key: int | str, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def keys(self) -> list[str]: ...


class Reader:
    """Runs queries. Base of :class:`Database` (each query by itself) and :class:`Transaction`."""

    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        """A DB-API cursor that has executed `sql`."""
        raise NotImplementedError

    def rows(self, sql: str, **params: Any) -> list[Row]:
        found: list[Row] = self._run(sql, params).fetchall()
        return found

    def row(self, sql: str, **params: Any) -> Row | None:
        found: Row | None = self._run(sql, params).fetchone()
        return found

    def tables(self) -> list[str]:
        """The names of our tables."""
        return [
            r[0]
            for r in self.rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
            )
        ]

    def every_row(self, table: str) -> Iterator[Row]:
        """The rows of a table in the order they were inserted, read a page at a time: also of a very large table."""
        after = -1
        while True:
            page = self.rows(
                f'SELECT rowid AS "_row", * FROM "{table}" WHERE rowid > :after ORDER BY rowid LIMIT {PAGE}',
                after=after,
            )
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["_row"]

    def references(self, to: str) -> list[tuple[str, str]]:
        """(table, column) of every foreign key to a table."""
        return [
            (table, key["from"])
            for table in self.tables()
            for key in self.rows(f'PRAGMA foreign_key_list("{table}")')
            if key["table"] == to
        ]


class Transaction(Reader):
    """Exists only between BEGIN and COMMIT: a function that takes one can't write outside a transaction."""

    def __init__(self, connection: Any, at: datetime) -> None:
        self._connection = connection
        self.at = clock.to_text(at)

    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        return self._connection.execute(sql, params)

    def write(self, sql: str, **params: Any) -> int:
        """Execute, and return how many rows changed."""
        return int(self._run(sql, params).rowcount)

    def write_many(self, sql: str, params: list[dict[str, Any]]) -> None:
        self._connection.executemany(sql, params)

    def event(self, noun: str, name: str, what: str) -> None:
        """Tell those who follow the store (the side panel, other processes) that something changed."""
        self.write(
            "INSERT INTO events (at, noun, name, what) VALUES (:at, :noun, :name, :what)",
            at=self.at,
            noun=noun,
            name=name,
            what=what,
        )


class Database(Reader):
    """A store's metadata.

    `name` is what messages call it (no credentials), `location` what NBOPS_STORE takes to find it again.

    Parameters
    ----------
    path : Path
        The SQLite file. It and its folder are made at the first write.
    durability : {"normal", "full"}
        "normal" survives kill -9 at any moment; a power cut may cost the last transactions. "full" waits
        for the disk at each commit.
    read_only : bool
        Refuse writes.
    lock_timeout_s : float, optional
        Seconds to wait for another process that is writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: str = "normal",
        read_only: bool = False,
        lock_timeout_s: float | None = None,
        system: clock.Clock | None = None,
    ) -> None:
        self.path = path
        self.name = self.location = str(path)
        self.lock_timeout_s = LOCK_TIMEOUT_S if lock_timeout_s is None else lock_timeout_s
        self.durability = durability
        self.read_only = read_only
        self._clock = system or clock.SystemClock()
        self._local = threading.local()
        self._inherited: list[Any] = []

    def exists(self) -> bool:
        return self.path.exists()

    def _run(self, sql: str, params: dict[str, Any]) -> Any:
        return self._connection(write=False).execute(sql, params)

    def rows(self, sql: str, **params: Any) -> list[Row]:
        with self._said_plainly():  # fetching reads too, and meets damage and locks
            return super().rows(sql, **params)

    def row(self, sql: str, **params: Any) -> Row | None:
        with self._said_plainly():
            return super().row(sql, **params)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing.

        Raises
        ------
        StoreLockedError, StoreReadOnlyError, StoreFullError, StoreVersionError, StoreError
        """
        with self._said_plainly():
            if self.read_only:
                raise StoreReadOnlyError(f"the store {self.path} was opened read-only; nothing was recorded")
            connection = self._connection(write=True)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection, self._clock.now())
                connection.commit()
            except BaseException:  # a commit that fails (disk full, a reader of a rollback journal) leaves it open
                connection.rollback()
                raise

    def events_after(self, seq: int, limit: int = 1000) -> list[Row]:
        """Events with a number above `seq`, ascending; none is ever numbered below one already seen."""
        return self.rows(
            "SELECT seq, at, noun, name, what FROM events WHERE seq > :seq ORDER BY seq LIMIT :limit",
            seq=seq,
            limit=limit,
        )

    def newest_event(self) -> int:
        """The number of the newest event; 0 where there is none yet."""
        row = self.row("SELECT max(seq) AS seq FROM events")
        return int(row["seq"] or 0) if row else 0

    def journal_mode(self) -> str:
        """How SQLite keeps transactions whole here: ``wal``, or ``delete`` on a network file system."""
        return "delete" if _file_system(self.path.parent) in NETWORK_FILE_SYSTEMS else "wal"

    def integrity(self) -> list[str]:
        """What SQLite's own check finds wrong; empty when all is well."""
        return [r[0] for r in self.rows("PRAGMA integrity_check") if r[0] != "ok"]

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            connection.close()
        self._local.connection = None

    # A connection is kept per thread, and never used in a process that inherited it by fork.
    def _connection(self, *, write: bool) -> sqlite3.Connection:
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            # Inherited by fork: never used, and never closed either (closing could undo the parent's locks).
            self._inherited.append(getattr(local, "connection", None))
            local.connection, local.pid, local.passing = None, os.getpid(), False
        # One that passes stands for a store that isn't there (yet), or is read as it stands.
        if local.connection is not None and local.passing and (write or self.path.exists()):
            local.connection.close()
            local.connection = None
        if local.connection is None:
            local.passing = False
            if not write and not self.path.exists():
                local.connection, local.passing = self._empty(), True
            else:
                try:
                    local.connection = self._open(f"mode={'ro' if self.read_only else 'rwc'}")
                except sqlite3.OperationalError as error:
                    if write or not self._settled_and_unwritable(error):
                        raise
                    local.connection, local.passing = self._open("mode=ro&immutable=1", writable=False), True
        connection: sqlite3.Connection = local.connection
        return connection

    def _empty(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.row_factory = sqlite3.Row
        _migrate(connection, 0)
        return connection

    def _open(self, how: str, *, writable: bool | None = None) -> sqlite3.Connection:
        writable = not self.read_only if writable is None else writable
        if writable and not self.path.exists():
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreReadOnlyError(
                    f"the store {self.path} can't be made ({error.strerror}); point NBOPS_HOME to a folder of yours"
                ) from error
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?{how}",
            uri=True,
            timeout=self.lock_timeout_s,
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        try:
            self._prepare(connection, writable)
        except BaseException:
            connection.close()
            raise
        return connection

    def _settled_and_unwritable(self, error: sqlite3.OperationalError) -> bool:
        """A whole store in a folder that we can't write: SQLite can't make its shared memory file there, and no
        process that could write it is doing so now. It is read as it stands, opened anew for each query."""
        name = error.sqlite_errorname
        wal = self.path.with_name(self.path.name + "-wal")
        return name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) and self.path.exists() and not wal.exists()

    def _prepare(self, connection: sqlite3.Connection, writable: bool) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        newest = migrations()[-1][0]
        version = _version(connection)
        if version > newest:
            raise StoreVersionError(
                f"the store {self.path} has schema version {version}, this nbops knows {newest}; upgrade nbops"
            )
        if not writable:
            if version < newest:
                raise StoreVersionError(
                    f"the store {self.path} has schema version {version}, not {newest}, and is opened read-only;"
                    " open it once with write access to migrate it"
                )
            return
        try:
            connection.execute(f"PRAGMA journal_mode = {self.journal_mode()}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self.durability == 'full' else 'NORMAL'}")
        except sqlite3.OperationalError as error:
            # A folder that can't be written still lets us read; the first write will say it. Busy: another process
            # is just setting the journal mode, which stays in the file.
            if not error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_BUSY")):
                raise
        if version < newest:
            connection.execute("BEGIN IMMEDIATE")
            try:
                _migrate(connection, _version(connection))  # another process may have been faster
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise StoreLockedError(
                    f"the store {self.path} is locked by another process for more than {self.lock_timeout_s:g} s;"
                    " try again"
                ) from error
            if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
                raise StoreReadOnlyError(
                    f"the store {self.path} can't be written ({error}); check the permissions of the file and its"
                    " folder, or point NBOPS_HOME to a folder of yours"
                ) from error
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise StoreFullError(
                    f"the store {self.path} could not be written ({error}): the disk or a quota is full; free some"
                    " space, nothing already recorded is lost"
                ) from error
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                raise StoreError(
                    f"the store {self.path} is damaged ({error}); restore it from a backup, or move the file away (with"
                    " its -wal and -shm): 'nbops doctor --rebuild' then makes it anew, of the records in notebooks"
                ) from error
            raise StoreError(f"the store {self.path}: {error}") from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for number, text in migrations():
        if number > version:
            for statement in text.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _file_system(folder: Path) -> str:
    """The type of the file system a folder is on ("" where the system doesn't tell)."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    place = folder.absolute()
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, name, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if place.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, name
    return kind
