"""Files, databases and URLs that a scope opens.

Python itself reports them (audit events): ``open`` in all its forms, ``sqlite3.connect``, ``urllib``, ``http.client``
(requests and urllib3 are built on it). pyarrow and polars open files in C++ and Rust; those of their functions that
are written in Python are watched by swapped code; ``pyarrow.csv`` and ``pyarrow.OSFile`` are compiled and not seen.

An audit hook can't be removed again. Ours is one function for the process, added with the first scope; without an
open scope, in another thread, or in a forked child it does nothing.
"""

from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.capture.instruments.code_swap import Swaps
from nbops.capture.instruments.noise import is_noise, is_temporary
from nbops.capture.instruments.urls import public_url, request_url
from nbops.capture.instruments.watch import CallProbe, Current, Watch, argument
from nbops.core.runs import FileUse
from nbops.workspace import relative

_MOST_FILES = 500
_EVENTS = frozenset(
    {
        "open",
        "os.rename",
        "sqlite3.connect",
        "sqlite3.connect/handle",
        "urllib.Request",
        "http.client.send",
        "socket.connect",
    }
)
_MOST_CONNECTIONS = 1000
_Stamp = tuple[int, int]  # size and mtime_ns
_databases: dict[int, str] = {}  # by the connection's id: it can't be referred to weakly


def database(connection: Any) -> str:
    """What a sqlite3 connection that was opened in a tracked cell is of; "" for others."""
    return _databases.get(id(connection), "")


def _open_databases(root: str, home: str) -> set[str]:
    """The files that connections are of, by their name in records."""
    names = set(_databases.values()) - {"", ":memory:"}
    return {name for name in names if not is_noise(os.path.join(root, name), root, home)}  # noqa: PTH118


@dataclass(kw_only=True, eq=False)
class _Opened:
    read: bool = False
    written: bool = False
    stamp: _Stamp | None = None  # when it was first read


class ScopeFiles:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        workspace = watch.scope.workspace
        self.root = str(workspace.root).rstrip(os.sep) + os.sep
        self.home = str(workspace.home).rstrip(os.sep) + os.sep
        self._opened: dict[str, _Opened] = {}
        self._folders: set[str] = set()  # that something was written into
        self._elsewhere: dict[str, FileUse] = {}
        self._databases = {name: self._database(name) for name in _open_databases(self.root, self.home)}
        self.connecting = ""  # what sqlite3 is about to connect to

    def opened(self, name: Any, *, read: bool, written: bool) -> None:
        """A file is about to be opened."""
        path = os.path.abspath(os.fsdecode(name))  # noqa: PTH100 - keeps symbolic links as the user wrote them
        if is_noise(path, self.root, self.home):
            return
        if path not in self._opened and len(self._opened) >= _MOST_FILES:
            self.watch.note(f"more than {_MOST_FILES} files were opened; the first {_MOST_FILES} are recorded")
            return
        if os.path.isdir(path):  # noqa: PTH112
            return
        stamp = _stamp(path)
        if is_temporary(path, self.root) and (stamp is None or stamp[1] >= self.watch.began_ns - 10_000_000):
            return  # made in this cell, for this cell
        use = self._opened.setdefault(path, _Opened())
        if read and not use.written and not use.read:  # reading what the cell itself wrote is no input
            use.read, use.stamp = True, stamp
        use.written = use.written or written

    def writing_into(self, folder: str) -> None:
        """A library is about to write files into a folder, under names of its own."""
        path = os.path.abspath(folder)  # noqa: PTH100
        if not is_noise(path, self.root, self.home):
            self._folders.add(path)

    def connected(self, path: str, cause: str) -> None:
        """Something that is no file was reached."""
        self.watch.unlike(cause)
        self._elsewhere.setdefault(path, FileUse(path=path, mode="read", digest=None, reason=f"a {cause}"))

    def connecting_to(self, name: str) -> None:
        """sqlite3 is about to open a file, or to make it."""
        self._databases.setdefault(name, self._database(name))
        self.connected(name, "database")

    def _database(self, name: str) -> tuple[_Stamp, ...]:
        """What tells that a SQLite file was written to: the state of it, and of its log; nothing where it is empty."""
        path = os.path.join(self.root, name)  # noqa: PTH118
        stamps = tuple(stamp for end in ("", "-wal") if (stamp := _stamp(path + end)) is not None)
        return stamps if any(size for size, _ in stamps) else ()

    def finish(self) -> tuple[FileUse, ...]:
        """The files, as they are now."""
        uses: list[FileUse] = []
        for path, use in self._opened.items():
            now = _stamp(path)
            name = relative(self.watch.scope.workspace, Path(path))
            if use.read and use.stamp is not None:
                if now == use.stamp:
                    uses.append(self._use(name, path, "read", now))
                else:
                    reason = "it was changed or removed by the cell's end: what was read is not known any more"
                    uses.append(FileUse(path=name, mode="read", digest=None, size=use.stamp[0], reason=reason))
            if use.written and os.path.isdir(path):  # noqa: PTH112
                self._folders.add(path)
            elif use.written and now is not None:
                uses.append(self._use(name, path, "write", now))
        for folder in sorted(self._folders):
            uses += self._written_into(folder)
        for name, was in self._databases.items():
            if (after := self._database(name)) and after != was:
                size = sum(size for size, _ in after)
                uses.append(FileUse(path=name, mode="write", digest=None, size=size, reason="a database"))
                if not was:
                    self._elsewhere.pop(name, None)  # there was nothing to be read
        return (*uses, *self._elsewhere.values())

    def _written_into(self, folder: str) -> list[FileUse]:
        """What a library has written into a folder (a partitioned dataset), told by the times of its files."""
        ws, reason = self.watch.scope.workspace, "a folder: its files are recorded one by one"
        uses = [FileUse(path=relative(ws, Path(folder)), mode="write", digest=None, reason=reason)]
        for file in sorted(Path(folder).rglob("*")):
            stamp = _stamp(str(file))
            if stamp is None or stamp[1] < self.watch.began_ns - 10_000_000 or not file.is_file():
                continue
            if (known := self._opened.get(str(file))) is not None and known.written:
                continue
            if len(uses) >= _MOST_FILES:
                self.watch.note(f"more than {_MOST_FILES} files were written into {uses[0].path}; not all are recorded")
                break
            uses.append(self._use(relative(ws, file), str(file), "write", stamp))
        return uses

    def _use(self, name: str, path: str, mode: str, stamp: _Stamp | None) -> FileUse:
        if not os.path.isfile(path):  # noqa: PTH113 - a pipe or device must not be read
            return FileUse(path=name, mode=mode, digest=None, reason="not a regular file")
        found = self.watch.fingerprint(Path(path))
        return FileUse(path=name, mode=mode, digest=found.digest, size=stamp[0] if stamp else None, reason=found.reason)


def _stamp(path: str) -> _Stamp | None:
    try:
        known = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return known.st_size, known.st_mtime_ns


class _AuditHook:
    """The process's one audit hook; `current` is whose scopes it reports to."""

    def __init__(self) -> None:
        self.added = False
        self.current: Current | None = None

    def report_to(self, current: Current | None) -> None:
        self.current = current
        if not self.added and current is not None:
            self.added = True
            wanted, hear = _EVENTS, self.hear

            # Asked at every event of the process, each assignment of a `__code__` included: a plain function that looks
            # at the event first takes a third of what a bound method takes. What it names must outlive the module.
            def hook(event: str, args: tuple[Any, ...]) -> None:
                if event in wanted:
                    hear(event, args)

            sys.addaudithook(hook)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        current = self.current
        if event == "sqlite3.connect/handle":
            _databases.pop(id(args[0]), None)  # another one had this id
        if current is None or current.watch is None or not current.watch.mine:
            return
        watch = current.watch
        watch.busy = True
        try:
            self._heard(watch, event, args)
        except Exception as error:  # noqa: BLE001 - raised here, it would make the user's open() fail
            watch.failed("an opened file", error)
        finally:
            watch.busy = False

    def _heard(self, watch: Watch, event: str, args: tuple[Any, ...]) -> None:
        files: ScopeFiles = watch.files
        if event == "open":
            name, _, flags = args
            if isinstance(name, (str, bytes)) and isinstance(flags, int):
                access = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
                read = access == os.O_RDONLY or (access == os.O_RDWR and not flags & os.O_TRUNC)
                files.opened(name, read=read, written=access != os.O_RDONLY)
        elif event == "os.rename":
            if args[2] == args[3] == -1:  # its names are no relative ones of another folder
                files.opened(args[1], read=False, written=True)
        elif event == "sqlite3.connect":
            name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
            files.connecting = ":memory:"
            if name not in ("", ":memory:"):
                path = os.path.abspath(name.removeprefix("file:").partition("?")[0])  # noqa: PTH100
                files.connecting = relative(watch.scope.workspace, Path(path))
                if not is_noise(path, files.root, files.home):
                    files.connecting_to(files.connecting)
        elif event == "sqlite3.connect/handle":
            _databases[id(args[0])] = files.connecting
            while len(_databases) > _MOST_CONNECTIONS:
                del _databases[next(iter(_databases))]
        elif event == "urllib.Request":
            if not str(args[0]).startswith(("file:", "data:")):
                files.connected(public_url(str(args[0])), "url")
        elif event == "http.client.send":
            url = request_url(args[0], args[1])
            if url is not None:
                files.connected(public_url(url), "url")
        elif event == "socket.connect" and isinstance(args[1], tuple) and len(args[1]) >= 2:
            watch.unlike("url")


AUDIT = _AuditHook()


class NamedFileProbe(CallProbe):
    """A function of a compiled library (pyarrow, polars) that reads or writes a file by its name."""

    what = "a file"

    def __init__(self, current: Current, position: int, names: tuple[str, ...], mode: str) -> None:
        super().__init__(current)
        self.position, self.names, self.mode = position, names, mode

    def before(self, watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = argument(args, kwargs, self.position, *self.names)
        for name in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(name, (str, bytes, os.PathLike)):
                text = os.path.expanduser(os.fsdecode(name))  # noqa: PTH111
                if "://" in text:
                    watch.files.connected(public_url(text), "url")
                elif self.mode == "read" and os.path.isdir(text):  # noqa: PTH112
                    for file in sorted(f for f in Path(text).rglob("*") if f.is_file()):
                        watch.files.opened(str(file), read=True, written=False)
                elif self.mode == "read" and glob.has_magic(text) and not os.path.exists(text):  # noqa: PTH110
                    for found in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207
                        watch.files.opened(found, read=True, written=False)
                elif os.path.isdir(text):  # noqa: PTH112
                    watch.files.writing_into(text)
                else:
                    watch.files.opened(text, read=self.mode == "read", written=self.mode == "write")


_COMPILED = (
    ("pyarrow.parquet", "read_table", 0, ("source",), "read"),
    ("pyarrow.parquet", "ParquetFile.__init__", 1, ("source",), "read"),
    ("pyarrow.parquet", "ParquetDataset.__init__", 1, ("path_or_paths",), "read"),
    ("pyarrow.parquet", "read_pandas", 0, ("source",), "read"),
    ("pyarrow.parquet", "write_table", 1, ("where",), "write"),
    ("pyarrow.parquet", "ParquetWriter.__init__", 1, ("where",), "write"),
    ("pyarrow.parquet", "write_to_dataset", 1, ("root_path",), "write"),
    ("pyarrow.feather", "read_table", 0, ("source",), "read"),
    ("pyarrow.feather", "read_feather", 0, ("source",), "read"),
    ("pyarrow.feather", "write_feather", 1, ("dest",), "write"),
    ("pyarrow.dataset", "dataset", 0, ("source",), "read"),
    ("pandas.io.parquet", "read_parquet", 0, ("path",), "read"),  # through pa.OSFile
    ("pandas.io.parquet", "to_parquet", 1, ("path",), "write"),
    ("pandas.io.feather_format", "read_feather", 0, ("path",), "read"),
    ("pandas.io.feather_format", "to_feather", 1, ("path",), "write"),
    ("pandas.io.orc", "read_orc", 0, ("path",), "read"),
    ("pandas.io.orc", "to_orc", 1, ("path",), "write"),
    *(
        (f"polars.io.{module}", f"{how}_{kind}", 0, ("source",), "read")
        for module, kind in (
            ("csv.functions", "csv"),
            ("parquet.functions", "parquet"),
            ("ipc.functions", "ipc"),
            ("ndjson", "ndjson"),
        )
        for how in ("read", "scan")
    ),
    ("polars.io.json.read", "read_json", 0, ("source",), "read"),
    *(
        ("polars.dataframe.frame", f"DataFrame.write_{kind}", 1, ("file",), "write")
        for kind in ("csv", "parquet", "ipc", "json", "ndjson")
    ),
    *(
        ("polars.lazyframe.frame", f"LazyFrame.sink_{kind}", 1, ("path",), "write")
        for kind in ("csv", "parquet", "ipc", "ndjson")
    ),
)
COMPILED_MODULES = tuple(dict.fromkeys(module for module, *_ in _COMPILED))


def watch_compiled(current: Current, swaps: Swaps) -> None:
    """The functions of those libraries' modules that are imported already."""
    for module, dotted, position, names, mode in _COMPILED:
        found = sys.modules.get(module)
        owner, _, method = dotted.rpartition(".")
        holder: Any = getattr(found, owner, None) if owner else found
        function = vars(holder).get(method) if holder is not None else None
        swaps.watch(function, NamedFileProbe(current, position, names, mode))
