"""Content, kept once under its own digest (``a1:blake3:<hex>``).

A file appears under its final name only when it is whole: written beside it, then renamed.
A process killed at any moment leaves at most a file in ``tmp/``, which nobody reads and ``doctor`` removes.
Large files are kept as pieces, so that one that grew or changed a little is stored once (:mod:`nbops.store.chunked`);
readers don't see the difference.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from nbops.core.errors import CorruptArtifactError, UnknownNameError
from nbops.core.full_disk import said_plainly
from nbops.store.chunked import CHUNKED_FROM, Chunked, renewed
from nbops.store.liveness import signed, writer_gone

PREFIX = "a1:blake3:"
_CHUNK = 1 << 20


class PendingArtifact:
    """A file being written; `digest` and `size` are known after the ``with`` block. Who knows the digest of what it
    writes may set it, so that it isn't read again."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path = file, path
        self.digest = ""
        self.size = 0

    @property
    def name(self) -> str:
        """The digest without what stands before its hex digits."""
        return self.digest.removeprefix(PREFIX)

    @name.setter
    def name(self, name: str) -> None:
        self.digest = PREFIX + name


class ArtifactStore:
    """Artifacts in a local folder.

    Parameters
    ----------
    root : Path
        Made at the first write.
    durable : bool
        Wait for the disk, so that content survives a power cut too. Without it a cut may leave the newest files
        empty or short, which :meth:`verified` finds out.
    """

    def __init__(self, root: Path, *, durable: bool = False) -> None:
        self.root = root
        self.durable = durable
        self.chunked = Chunked(root, lambda place: self.writing(place=place))

    def path(self, digest: str) -> Path:
        """Where the content of `digest` lies. It need not be there; of a large file, only :meth:`verified` puts it
        together."""
        name = _name(digest)
        return self.root / name[:2] / name[2:]

    def has(self, digest: str) -> bool:
        return self.path(digest).exists() or self.chunked.list_of(_name(digest)).exists()

    def size(self, digest: str) -> int:
        """The content's size in bytes. Raises FileNotFoundError if it isn't kept."""
        path = self.path(digest)
        return path.stat().st_size if path.exists() else self.chunked.size(_name(digest))

    @contextmanager
    def writing(self, suffix: str = "", *, place: Callable[[str], Path] | None = None) -> Iterator[PendingArtifact]:
        """Write content in pieces (to ``.file``, or by other means to ``.path``); it is kept when the block
        ends without an error. `place` says where, of the hex digest; by default where :meth:`path` does."""
        with self._said_plainly():
            path = self.root / "tmp" / (signed(secrets.token_hex(8)) + suffix)
            try:
                file = path.open("wb")
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("wb")
            pending = PendingArtifact(file, path)
            try:
                yield pending
                pending.file.flush()
                if self.durable:
                    os.fsync(pending.file.fileno())
                pending.file.close()
                pending.digest, pending.size = pending.digest or digest_of(path), path.stat().st_size
                self._keep(path, place(pending.name) if place else self.path(pending.digest))
            finally:
                path.unlink(missing_ok=True)  # before closing, which may fail where there is no room for the rest
                pending.file.close()

    def put_bytes(self, content: bytes) -> str:
        """Keep `content`; return its digest."""
        from blake3 import blake3

        digest = PREFIX + blake3(content).hexdigest()
        if len(content) < CHUNKED_FROM and not self.durable:  # each cell's text: with the fewest calls of the system
            if not renewed(self.path(digest)):
                self._put_small(content, self.path(digest))
        elif not self._renewed(digest):
            with self.writing() as pending:
                pending.file.write(content)
                pending.digest = digest
        return digest

    def put_file(self, source: Path) -> str:
        """Keep a copy of a file's content; return its digest."""
        return self.add_file(source)[0]

    def add_file(self, source: Path) -> tuple[str, int]:
        """Keep a copy of a file's content; its digest, and how many bytes had to be written for it."""
        digest = digest_of(source)
        if self._renewed(digest):
            return digest, 0
        if source.stat().st_size >= CHUNKED_FROM:
            name, written = self.chunked.put(source)
            return PREFIX + name, written
        with self.writing() as pending, source.open("rb") as file:
            shutil.copyfileobj(file, pending.file, _CHUNK)
        return pending.digest, pending.size  # of what was copied, should the file have changed meanwhile

    def add_copy(
        self, source: Path, same: Callable[[Path], bool], pause: Callable[[], None] = lambda: None
    ) -> tuple[str, int, int] | None:
        """Keep a copy of a file, if `same` finds that it is what it should be: its digest, its size, and how many
        bytes had to be written for it. None if it isn't. `pause` is called before each piece of a large one."""
        with self._said_plainly():
            copy = self.root / "tmp" / signed(secrets.token_hex(8))
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, copy)
                if not same(copy):
                    return None
                size = copy.stat().st_size
                digest = digest_of(copy)
                if self._renewed(digest):
                    return digest, size, 0
                if size >= CHUNKED_FROM:
                    name, written = self.chunked.put(copy, pause)
                    return PREFIX + name, size, written
                if self.durable:
                    with copy.open("rb") as file:
                        os.fsync(file.fileno())
                self._keep(copy, self.path(digest))
                return digest, size, size
            finally:
                copy.unlink(missing_ok=True)

    def renew(self, digest: str) -> bool:
        """Is it kept? Then it isn't removed as left over before the row that will refer to it is written."""
        return self._renewed(digest)

    def verified(self, digest: str) -> Path:
        """The path of content that was just found to have its digest.

        Raises
        ------
        UnknownNameError
            If it isn't kept.
        CorruptArtifactError
            If it has changed.
        """
        path = self.path(digest)
        if not path.exists():
            return self._assembled(digest)
        found = digest_of(path)
        if found != digest:
            raise self._damaged(digest, f"the content of {path} has the digest {found}")
        return path

    def check(self, digest: str) -> None:
        """As :meth:`verified`, without putting large content together."""
        if self.path(digest).exists():
            self.verified(digest)
        else:
            for _ in self._pieces(digest):
                pass

    def copy(self, digest: str, target: Path) -> None:
        """Write verified content to a file. Raises as :meth:`verified`."""
        if self.path(digest).exists():
            shutil.copyfile(self.verified(digest), target)
            return
        with target.open("wb") as file:
            file.writelines(self._pieces(digest))

    def read_bytes(self, digest: str) -> bytes:
        """Verified content."""
        return self.verified(digest).read_bytes()

    def digests(self) -> Iterator[str]:
        """Everything kept."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            for file in sorted(folder.iterdir()):
                yield PREFIX + folder.name + file.name
        for name in self.chunked.names():
            yield PREFIX + name

    def put_at(self, digest: str) -> float:
        """When content was last put, in seconds since the epoch. Raises FileNotFoundError if it isn't kept."""
        return self._lies(digest).stat().st_mtime

    def leftovers(self) -> list[Path]:
        """Files of writers that were killed (or are still writing)."""
        return sorted((self.root / "tmp").glob("*"))

    def abandoned(self) -> list[Path]:
        """Those leftovers whose writers are known to be gone."""
        return [file for file in self.leftovers() if writer_gone(file.name)]

    def set_aside(self, digest: str) -> Path:
        """Put damaged content out of the way, so that it can be made again; where it lies now."""
        path = self._lies(digest)
        folder = self.root / "damaged"
        with self._said_plainly():
            folder.mkdir(exist_ok=True)
            for piece in [] if path == self.path(digest) else self._damaged_pieces(digest):
                piece.replace(folder / piece.name)
            path.replace(folder / path.name)
        return folder / path.name

    def remove(self, digest: str, *, put_before: float) -> bool:
        """Remove content for good, unless it was put (again) at or after `put_before`, in seconds since the epoch.
        Pieces are left to :meth:`remove_unused`.

        Returns
        -------
        bool
            False if it is kept, or was not there.
        """
        return self._remove(self._lies(digest), put_before)

    def remove_unused(self, *, put_before: float) -> int:
        """Remove pieces that no content has any more, and what was put together of pieces for readers, unless it was
        put or asked for since; how many bytes these were."""
        freed = 0
        for path in [*self.chunked.unused(), *self.chunked.whole.glob("*")]:
            size = path.stat().st_size
            freed += size if self._remove(path, put_before) else 0
        return freed

    def _remove(self, path: Path, put_before: float) -> bool:
        aside = self.root / "tmp" / signed(secrets.token_hex(8))
        with self._said_plainly():
            aside.parent.mkdir(exist_ok=True)
            try:  # first out of the way: whoever puts it from now on doesn't find it, and writes it anew
                path.replace(aside)
            except FileNotFoundError:
                return False
            if aside.stat().st_mtime >= put_before:
                aside.replace(path)
                return False
            aside.unlink()
            return True

    def _lies(self, digest: str) -> Path:
        """Where it lies, whole or as a list of pieces."""
        path = self.path(digest)
        return path if path.exists() else self.chunked.list_of(_name(digest))

    def _assembled(self, digest: str) -> Path:
        """Content kept in pieces as a file that was just found to have its digest."""
        path = self.chunked.assembled(_name(digest))
        if renewed(path) and digest_of(path) == digest:
            return path
        path.unlink(missing_ok=True)
        with self.writing(place=self.chunked.assembled) as pending:
            pending.file.writelines(self._pieces(digest))
            pending.digest = digest
        return path

    def _pieces(self, digest: str) -> Iterator[bytes]:
        name = _name(digest)
        if not self.chunked.list_of(name).exists():
            raise UnknownNameError("artifact", digest, hint=f"it is not in {self.root}")
        try:
            yield from self.chunked.read(name)
        except CorruptArtifactError as error:
            raise self._damaged(digest, str(error)) from error

    def _damaged_pieces(self, digest: str) -> list[Path]:
        try:
            return self.chunked.damaged(_name(digest))
        except CorruptArtifactError:  # the list itself
            return []

    def _damaged(self, digest: str, how: str) -> CorruptArtifactError:
        return CorruptArtifactError(
            f"the artifact {digest} is damaged: {how}; restore it from a backup, or 'nbops doctor --repair' sets it"
            " aside, to be made again by its run"
        )

    def _renewed(self, digest: str) -> bool:
        """Is it kept? Then it is as young as if it were written now."""
        if renewed(self.path(digest)):
            return True
        name = _name(digest)
        if not self.chunked.list_of(name).exists():
            return False
        for part, _ in self.chunked.parts(name):  # a piece that is gone is written again
            if not renewed(self.chunked.piece(part)):
                return False
        return renewed(self.chunked.list_of(name))

    def _put_small(self, content: bytes, final: Path) -> None:
        aside = self.root / "tmp" / signed(secrets.token_hex(8))
        with self._said_plainly():
            try:
                file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            except FileNotFoundError:
                aside.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            try:
                with os.fdopen(file, "wb") as opened:
                    opened.write(content)
                self._moved(aside, final)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise

    def _keep(self, path: Path, final: Path) -> None:
        if renewed(final):
            return
        path.chmod(0o444)
        self._moved(path, final)

    def _moved(self, path: Path, final: Path) -> None:
        try:
            path.replace(final)
        except FileNotFoundError:
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)

    def _said_plainly(self) -> AbstractContextManager[None]:
        return said_plainly(
            f"an artifact below {self.root}",
            if_full="free some space, nothing already kept is lost",
            if_refused="check its permissions",
        )


def _name(digest: str) -> str:
    if not digest.startswith(PREFIX):
        raise UnknownNameError("artifact", digest, hint=f"a digest begins with {PREFIX!r}")
    return digest.removeprefix(PREFIX)


def digest_of(path: Path) -> str:
    """``a1:blake3:<hex>`` of a file's content, streamed; a mapped file would count as this process's memory."""
    from blake3 import blake3

    hasher = blake3()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(_CHUNK, os.fstat(file.fileno()).st_size + 1)))
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return PREFIX + hasher.hexdigest()
