"""``nbops data gc``: kept content that nothing refers to, and its removal.

Wrongly kept content costs disk, wrongly removed content is lost: so whatever might be a reference is one. Content
counts as referred to if its digest stands

* in any column of any row of the store, those of deleted runs whose time is not over among them,
* in a notebook below the workspace's root (whose records ``nbops doctor --rebuild`` may restore),
* in other content that is referred to (the detail of a record, an executed notebook, a manifest),

or if it is the content of data whose digest stands there, or the detail of a record that was too small to name it.
Deleted runs whose time is over go first, for good; the checkpoints that nobody goes on from
(:mod:`nbops.checkpoints.leftovers`) go too. What was put less than an hour ago, or since the oldest run that is
still open began, may belong to a writer that isn't done and is left alone.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nbops.catalog.deletion import over
from nbops.checkpoints.leftovers import leftovers
from nbops.checkpoints.leftovers import remove as remove_checkpoints
from nbops.core.canonical import parse
from nbops.core.data_versions import Garbage, OldCheckpoints, Unreferenced
from nbops.core.errors import CorruptArtifactError, RefusedError, StoreError
from nbops.core.runs import RunStatus
from nbops.store import data_contents, deleted_runs, mentions, runs
from nbops.store.artifacts import PREFIX
from nbops.workspace import Workspace

FRESH_S = 3600.0

_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_CHUNK = 1 << 20
_OVERLAP = 66  # bytes: a digest with what stands on either side of it
_DETAIL = b'{"artifacts":['  # how the canonical text of a record begins
_OPEN = (RunStatus.CREATED, RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.STOPPING)
_SQLITE = b"SQLite format 3\0"
_NOT_ENTERED = {".ipynb_checkpoints", ".venv", "venv", "node_modules", ".git", "__pycache__", "site-packages"}


def collect(ws: Workspace, *, remove: bool = False, alone: bool = False) -> Garbage:
    """What nothing refers to, the deleted runs whose time is over, and old checkpoints; with `remove` all are gone
    afterwards.
    `alone`: the caller knows that no other store keeps content in the same place.

    Raises
    ------
    StoreError
        If the store isn't there: then nothing says what is referred to.
    RefusedError
        If another store may refer to the same content and it is to be removed.
    """
    kept = dict(_kept(ws))
    if kept and not ws.store.exists():
        raise StoreError(
            f"there is no store {ws.store.path} that says what the content below {ws.artifacts.root} belongs to;"
            " restore it from a backup, or 'nbops doctor --rebuild' it from the notebooks"
        )
    gone = over(ws)
    if remove and not alone and (kept or gone):
        _must_be_alone(ws)
    put_before = _put_before(ws)
    expired = {run.id for run in gone}
    used = _reached(ws, set(kept), _named(ws, kept, expired))
    waited_for = {digest for digest, (_, put) in kept.items() if put >= put_before} - used
    left_alone = _reached(ws, set(kept) - used, waited_for)
    left = {digest: size for digest, (size, _) in kept.items() if digest not in used | left_alone}
    old, freed = leftovers(ws, ws.store) if ws.store.exists() else [], 0
    if remove:
        left, freed = _remove(ws, left, expired, put_before)
        old = _let_go(ws) if old else []
    return Garbage(
        folder=str(ws.artifacts.root),
        artifacts=tuple(Unreferenced(digest=d, size=s) for d, s in sorted(left.items(), key=lambda i: (-i[1], i[0]))),
        fresh=len(left_alone),
        referenced=len(used),
        removed=remove,
        runs=tuple(gone),
        pieces_freed=freed,
        checkpoints=tuple(old),
    )


def _let_go(ws: Workspace) -> list[OldCheckpoints]:
    """Remove old checkpoints, asked for once more: an attempt that goes on from one opens its run first."""
    with ws.store.transaction() as tx:
        old = leftovers(ws, tx)
        for each in old:
            remove_checkpoints(ws, each)
    return old


def _remove(ws: Workspace, left: dict[str, int], expired: set[str], put_before: float) -> tuple[dict[str, int], int]:
    """What of `left` was removed, and how many bytes of pieces that nothing has any more."""
    if left or expired:
        with ws.store.transaction() as tx:  # nobody writes a row while this is asked and done
            for run in expired:
                deleted_runs.remove(tx, run)
            now = _with_contents(mentions.mentioned(tx), data_contents.artifacts(tx))
            left = {
                digest: size
                for digest, size in left.items()
                if _hex(digest) not in now and ws.artifacts.remove(digest, put_before=put_before)
            }
            for digest in left:
                data_contents.forget(tx, digest)
    return left, ws.artifacts.remove_unused(put_before=put_before)


def _with_contents(named: set[str], contents: dict[str, str]) -> set[str]:
    """Hex digests, and those of the artifacts that hold the data among them."""
    return named | {_hex(artifact) for data, artifact in contents.items() if _hex(data) in named}


def _kept(ws: Workspace) -> Iterator[tuple[str, tuple[int, float]]]:
    """(digest, (size in bytes, when it was last put, in seconds since the epoch))"""
    for digest in ws.artifacts.digests():
        try:
            yield digest, (ws.artifacts.size(digest), ws.artifacts.put_at(digest))
        except FileNotFoundError:  # another removes at the same time
            continue


def _must_be_alone(ws: Workspace) -> None:
    """Refuse where the rows of another store may refer to the same content."""
    folder = ws.store.path.parent
    if ws.artifacts.root.resolve() != (folder / "artifacts").resolve():
        raise RefusedError(
            f"{ws.artifacts.root} doesn't lie beside the store {ws.store.path}, so other stores may keep their content"
            " there too: nothing was removed; if you know of none, say so with --alone"
        )
    others = [f.name for f in folder.iterdir() if f != ws.store.path and f.is_file() and _begins(f, _SQLITE)]
    if others:
        raise RefusedError(
            f"beside the store {ws.store.path} lies another database, {others[0]!r}, that may refer to the same"
            " content: nothing was removed; move it elsewhere if it doesn't, or say so with --alone"
        )


def _put_before(ws: Workspace) -> float:
    """The time before which no writer that isn't done has put anything, in seconds since the epoch."""
    found = [run for status in _OPEN for run in runs.listed(ws.store, status=status, limit=1_000_000)]
    begun = [run.started_at.timestamp() for run in found if not run.status.ended]
    return min([time.time() - FRESH_S, *begun])


def _named(ws: Workspace, kept: Iterable[str], expired: set[str]) -> set[str]:
    """Those of `kept` that the store or a notebook names."""
    found = mentions.mentioned(ws.store, but_deleted=expired)
    for notebook in _notebooks(ws):
        found |= _mentions(_blocks(notebook))
    found = _with_contents(found, data_contents.artifacts(ws.store))
    return {digest for digest in kept if _hex(digest) in found or _is_detail(ws, digest)}


def _reached(ws: Workspace, kept: set[str], start: set[str]) -> set[str]:
    """`start`, and those of `kept` that its content names, and what these name, …"""
    reached, waiting, contents = set(start), list(start), data_contents.artifacts(ws.store)
    while waiting:
        named = {PREFIX + found for found in _with_contents(_mentions(_content(ws, waiting.pop())), contents)}
        new = (named & kept) - reached
        reached |= new
        waiting += new
    return reached


def _mentions(content: Iterable[bytes]) -> set[str]:
    """The hex part of every digest that stands in it."""
    found: set[str] = set()
    tail = b""
    for block in content:
        found.update(match.decode() for match in _HEX.findall(tail + block))
        tail = (tail + block)[-_OVERLAP:]
    return found


def _content(ws: Workspace, digest: str) -> Iterator[bytes]:
    path = ws.artifacts.path(digest)
    if path.exists():
        yield from _blocks(path)
        return
    with suppress(CorruptArtifactError, FileNotFoundError):  # which doctor says
        yield from ws.artifacts.chunked.read(_hex(digest))


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while block := stream.read(_CHUNK):
                yield block
    except FileNotFoundError:
        pass


def _is_detail(ws: Workspace, digest: str) -> bool:
    """Is it the whole of a record that a known run has, though the record itself has no room to name it?"""
    file = ws.artifacts.path(digest)
    if not _begins(file, _DETAIL):
        return False
    try:
        run = parse(file.read_text(encoding="utf-8")).get("run")
    except (ValueError, AttributeError):
        return False
    return isinstance(run, str) and runs.exists(ws.store, run)


def _begins(file: Path, start: bytes) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(start)) == start
    except FileNotFoundError:
        return False


def _notebooks(ws: Workspace) -> Iterator[Path]:
    for at, folders, names in os.walk(ws.root):
        folders[:] = [name for name in folders if name not in _NOT_ENTERED]
        yield from (Path(at) / name for name in names if name.endswith(".ipynb"))


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2]
