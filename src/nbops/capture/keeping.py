"""Which content of data that a cell read or wrote is kept, and the keeping of it, off the cell's time.

The policy is ``[store]`` of nbops.toml. Files are kept by default if they are small enough; tables and arrays in memory
only where `keep` names them: they follow from files and code, and writing one takes the cell's time. What isn't kept is
said in the record; over a quota nothing fails.

Small files are copied at the cell's end, within `AT_ONCE_S`; others between cells, by a thread that lives as long as
there is something to copy: while a cell runs it waits, at most `PATIENCE_S`, so a cell's own time stays its own. A file
is never linked, as its owner may write to it: it is copied, and the copy counts only if it has the fingerprint that the
record says.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.capture.frames import NotKept, keep_frame
from nbops.core.errors import NbopsError
from nbops.core.redaction import redact_text, secret_name
from nbops.core.runs import DataUse, FileUse
from nbops.store import data_contents
from nbops.store.data_contents import FILE, Content
from nbops.workspace import Workspace

log = logging.getLogger("nbops")

AT_ONCE_BYTES = 1_000_000
AT_ONCE_S = 0.02
PATIENCE_S = 30.0
_LOOK_S = 0.02
AT_END_S = 10.0
"""How long the end of the process may wait for what is being copied."""

SECRETS = (
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.kdbx",
    "id_rsa*",
    "id_ed25519*",
    ".netrc",
    ".pgpass",
)
"""Files that are never kept, whatever nbops.toml says: what they are for is to be secret."""

_HEADER_LINES = 3  # as many as columns of two levels take, with a name of the index
_FIELD = re.compile(r"([^\s<>,:]+)\s*:")  # of a nested type: struct<email: string>
_WORD = re.compile(r"[^\W\d][\w-]{0,40}")
_SETTINGS = {".cfg", ".conf", ".env", ".ini", ".json", ".toml", ".txt", ".yaml", ".yml", ""}
_LOOKED_THROUGH = 100_000  # bytes of such a file


@dataclass(frozen=True, kw_only=True)
class _Job:
    path: Path
    digest: str
    size: int
    run: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """`files` are the uses with what isn't kept of them, `contents` what was kept at once, to be written with the
    record; `later` is for :meth:`Keeper.start` once that is written. `notes` are sentences for the record."""

    files: tuple[FileUse, ...] = ()
    contents: tuple[Content, ...] = ()
    later: tuple[_Job, ...] = ()
    notes: tuple[str, ...] = ()


class Keeper:
    """Keeps content for one session. `busy` says whether a cell is running now."""

    def __init__(self, workspace: Workspace, busy: Callable[[], bool]) -> None:
        self.workspace = workspace
        self._busy = busy
        self._waiting: deque[_Job] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._until: float | None = None  # when the process ends, nothing is begun after this

    def keep(self, run: str, files: Sequence[FileUse], data: Iterable[DataUse], namespace: Mapping[str, Any]) -> Kept:
        """Decide what of a cell's files and data is kept, and keep what is small."""
        plan = _Plan(self.workspace, run, {job.digest: job.size for job in self._waiting})
        uses = tuple(plan.file(use) for use in files)
        if self.workspace.settings.store.keep:
            for use in {use.name: use for use in data}.values():  # of a name what it means now, which comes last
                plan.frame(use, namespace.get(use.name))
        return Kept(
            files=uses,
            contents=tuple(plan.contents.values()),
            later=tuple(plan.later.values()),
            notes=tuple(plan.notes),
        )

    def start(self, later: Iterable[_Job]) -> None:
        """Copy in the background, from now on."""
        self._waiting.extend(later)
        with self._lock:
            if self._waiting and self._thread is None:
                thread = threading.Thread(target=self._work, name="nbops-keep", daemon=True)
                with suppress(RuntimeError):  # none can be had: what waits is copied at the process's end
                    thread.start()
                    self._thread = thread

    def finish(self) -> None:
        """The process ends: wait for what is being copied, and copy the rest while there is time."""
        self._until = time.monotonic() + AT_END_S
        thread = self._thread
        if thread is not None:
            thread.join(AT_END_S)
        while self._waiting and time.monotonic() < self._until:
            self._copy(self._waiting.popleft())
        if self._waiting:
            log.warning("not kept, as the process ended: %s", ", ".join(str(job.path) for job in self._waiting))

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._waiting or (self._until is not None and time.monotonic() > self._until):
                        self._thread = None
                        return
                    job = self._waiting.popleft()
                self._copy(job)
        finally:
            with suppress(Exception):  # what isn't closed goes with the thread
                self.workspace.store.close()  # this thread's connection

    def _pause(self) -> None:
        """Let a cell that runs have its time, for a while."""
        until = time.monotonic() + PATIENCE_S
        while self._until is None and self._busy() and time.monotonic() < until:
            time.sleep(_LOOK_S)

    def _copy(self, job: _Job) -> None:
        try:
            self._pause()
            found = copied(self.workspace, job.path, job.digest, run=job.run, pause=self._pause)
            if found is None:
                log.warning("not kept, as it changed before it was copied: %s", job.path)
                return
            with self.workspace.store.transaction() as tx:
                data_contents.add(tx, [found])
                tx.event("data", job.digest, "kept")
        except Exception as error:  # what can't be kept must not reach the user's code
            log.warning("not kept: %s: %s", job.path, error, exc_info=error)


class _Plan:
    """What is decided for one cell."""

    def __init__(self, workspace: Workspace, run: str, waiting: Mapping[str, int]) -> None:
        self.workspace, self.run, self.waiting = workspace, run, waiting
        self.policy = workspace.settings.store
        self.contents: dict[str, Content] = {}
        self.later: dict[str, _Job] = {}
        self.notes: list[str] = []
        self._why: dict[str, str | None] = {}
        self._room: tuple[float, float] | None = None
        self._end = time.perf_counter() + AT_ONCE_S

    def file(self, use: FileUse) -> FileUse:
        """Keep a file now or later; the use with the reason if it isn't kept."""
        if use.digest is None or use.size is None or "://" in use.path:
            return use
        if use.digest not in self._why:
            try:
                self._why[use.digest] = self._keep(use.path, use.digest, use.size)
            except Exception as error:
                log.warning("not kept: %s: %s", use.path, error, exc_info=error)
                self._why[use.digest] = _failed(error)
        why = self._why[use.digest]
        return use if why is None else dataclasses.replace(use, not_kept=why)

    def frame(self, use: DataUse, value: Any) -> None:
        """Keep a table or an array, if `keep` names it."""
        try:
            self._keep_frame(use, value)
        except Exception as error:
            log.warning("not kept: %s: %s", use.name, error, exc_info=error)
            self.notes.append(f"{use.name} is {_failed(error)}")

    def _keep_frame(self, use: DataUse, value: Any) -> None:
        digest = use.fingerprint.digest
        if value is None or digest is None or digest in self.contents or not _any(use.name, self.policy.keep):
            return
        if _any(use.name, self.policy.never_keep) or self._known(digest):
            return
        names = [n for c in use.fingerprint.columns for n in (c.name, *_FIELD.findall(c.dtype or ""))]
        withheld = [name for name in names if self.workspace.settings.capture.withholds(name)]
        if withheld:
            self.notes.append(f"{use.name} is not kept: {_column(withheld)} is in [capture] no_values")
            return
        try:
            form, artifact, size = keep_frame(self.workspace.artifacts, value, digest, self._over_quota)
        except NotKept as why:
            self.notes.append(f"{use.name} is {why}")
            return
        self._take(Content(digest=digest, artifact=artifact, form=form, size=size, stored=size, run=self.run))

    def _keep(self, name: str, digest: str, size: int) -> str | None:
        path = self.workspace.root / name
        if self._known(digest) or digest in self.waiting:
            return None
        why = self._forbidden(name, path, size) or self._over_quota(size)
        if why is not None:
            return why
        if size > AT_ONCE_BYTES or time.perf_counter() > self._end:
            self.later[digest] = _Job(path=path, digest=digest, size=size, run=self.run)
            self._use_room(size)
            return None
        found = copied(self.workspace, path, digest, run=self.run)
        if found is None:
            return "not kept: it changed before it was copied"
        self._take(found)
        return None

    def _known(self, digest: str) -> bool:
        kept = data_contents.find(self.workspace.store, digest)
        return kept is not None and self.workspace.artifacts.renew(kept.artifact)

    def _forbidden(self, name: str, path: Path, size: int) -> str | None:
        if secret_name(Path(name).stem) or _any(name, SECRETS):
            return "not kept: its name says that it is a secret"
        if _any(name, self.policy.never_keep):
            return "not kept: never_keep"
        if not _any(name, self.policy.keep) and size >= self.policy.keep_under_mb * 1e6:
            return f"not kept: larger than keep_under_mb ({self.policy.keep_under_mb:g})"
        withheld = self.workspace.settings.capture.no_values
        return (withheld_column(path, self.workspace) if withheld else None) or _secret_inside(path, size)

    def _over_quota(self, size: int) -> str | None:
        if self._room is None:
            store, waiting = self.workspace.store, sum(self.waiting.values())
            self._room = (
                self.policy.quota_per_run_mb * 1e6 - data_contents.stored_bytes(store, self.run) - waiting,
                self.policy.quota_mb * 1e6 - data_contents.stored_bytes(store) - waiting,
            )
        for room, key in zip(self._room, ("quota_per_run_mb", "quota_mb"), strict=True):
            if size > room:
                return f"not kept: quota ({key} is {getattr(self.policy, key):g})"
        return None

    def _take(self, content: Content) -> None:
        self.contents[content.digest] = content
        self._use_room(content.stored)

    def _use_room(self, size: int) -> None:
        if self._room is not None:
            self._room = (self._room[0] - size, self._room[1] - size)


def copied(
    workspace: Workspace, path: Path, digest: str, *, run: str, pause: Callable[[], None] = lambda: None
) -> Content | None:
    """Keep a copy of a file; None if it isn't what has this fingerprint any more. `pause` is called often.

    Raises
    ------
    StoreError, OSError
    """
    from nbops.fingerprints.files import of_file
    from nbops.fingerprints.streams import tagged
    from nbops.fingerprints.work import NotHashableHonestly, Work

    class Pausing(Work):
        def check(self) -> None:
            pause()

    def same(copy: Path) -> bool:  # one thread: at the process's end no pool can be had
        try:
            return tagged(of_file(copy, Pausing(lambda *_: b"", threads=1)).digest) == digest
        except NotHashableHonestly:
            return False

    kept = workspace.artifacts.add_copy(path, same, pause)
    if kept is None:
        return None
    artifact, size, stored = kept
    return Content(digest=digest, artifact=artifact, form=FILE, size=size, stored=stored, run=run)


def withheld_column(path: Path, workspace: Workspace) -> str | None:
    """Why a file isn't kept for the columns it has or may have, whose values are not to be kept."""
    from nbops.datafiles.read import columns, possible_columns

    try:
        names = [*columns(path), *possible_columns(path, _HEADER_LINES)]
    except NbopsError:
        return "not kept: [capture] no_values is set, and its columns can't be told"
    found = [name for name in names if workspace.settings.capture.withholds(name)]
    return f"not kept: {_column(found)} is in [capture] no_values" if found else None


def _secret_inside(path: Path, size: int) -> str | None:
    """Does a small file of settings hold what looks like a credential, or a table have a column of secrets?"""
    from nbops.datafiles.read import possible_columns

    with suppress(NbopsError):
        found = [name for name in possible_columns(path) if secret_name(name)]
        return f"not kept: {_column(found)} says that it holds secrets" if found else None
    if path.suffix.lower() not in _SETTINGS or size > _LOOKED_THROUGH:
        return None
    with suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
        if redact_text(text) != text:
            return "not kept: it holds what looks like a credential"
    return None


def _column(names: Sequence[str]) -> str:
    """The first of some names that is a plain word: where a file has no header, anything else may be a value."""
    plain = next((name for name in names if _WORD.fullmatch(name)), None)
    return f"its column {plain!r}" if plain is not None else "a column of it"


def _failed(error: Exception) -> str:
    return redact_text(f"not kept: {error}" if str(error) else f"not kept: {type(error).__name__}")[:200]


def _any(name: str, patterns: Iterable[str]) -> bool:
    """Does a path (or its last part) or a variable's name match one of the shell patterns?"""
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(last, p) for p in patterns)
