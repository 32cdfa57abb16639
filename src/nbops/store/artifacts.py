"""Content, kept once under its own digest (``a1:blake3:<hex>``).

A file appears under its final name only when it is whole: written beside it, then renamed.
A process killed at any moment leaves at most a file in ``tmp/``, which nobody reads and ``doctor`` removes.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nbops.core.errors import CorruptArtifactError, StoreFullError, StoreReadOnlyError, UnknownNameError
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

    def path(self, digest: str) -> Path:
        """Where the content of `digest` lies. It need not be there."""
        if not digest.startswith(PREFIX):
            raise UnknownNameError("artifact", digest, hint=f"a digest begins with {PREFIX!r}")
        name = digest.removeprefix(PREFIX)
        return self.root / name[:2] / name[2:]

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    @contextmanager
    def writing(self, suffix: str = "") -> Iterator[PendingArtifact]:
        """Write content in pieces (to ``.file``, or by other means to ``.path``); it is kept when the block
        ends without an error."""
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
                self._keep(path, pending.digest)
            finally:
                path.unlink(missing_ok=True)  # before closing, which may fail where there is no room for the rest
                pending.file.close()

    def put_bytes(self, content: bytes) -> str:
        """Keep `content`; return its digest."""
        from blake3 import blake3

        digest = PREFIX + blake3(content).hexdigest()
        if not self._renewed(digest):
            with self.writing() as pending:
                pending.file.write(content)
                pending.digest = digest
        return digest

    def put_file(self, source: Path) -> str:
        """Keep a copy of a file's content; return its digest."""
        digest = digest_of(source)
        if not self._renewed(digest):
            with self.writing() as pending, source.open("rb") as file:
                shutil.copyfileobj(file, pending.file, _CHUNK)
            digest = pending.digest  # of what was copied, should the file have changed meanwhile
        return digest

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
            raise UnknownNameError("artifact", digest, hint=f"it is not in {self.root}")
        found = digest_of(path)
        if found != digest:
            raise CorruptArtifactError(
                f"the artifact {digest} at {path} is damaged: its content has the digest {found};"
                " restore it from a backup, or 'nbops doctor --repair' sets it aside, to be made again by its run"
            )
        return path

    def read_bytes(self, digest: str) -> bytes:
        """Verified content."""
        return self.verified(digest).read_bytes()

    def digests(self) -> Iterator[str]:
        """Everything kept."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            for file in sorted(folder.iterdir()):
                yield PREFIX + folder.name + file.name

    def leftovers(self) -> list[Path]:
        """Files of writers that were killed (or are still writing)."""
        return sorted((self.root / "tmp").glob("*"))

    def abandoned(self) -> list[Path]:
        """Those leftovers whose writers are known to be gone."""
        return [file for file in self.leftovers() if writer_gone(file.name)]

    def set_aside(self, digest: str) -> Path:
        """Put damaged content out of the way, so that it can be made again; where it lies now."""
        path = self.path(digest)
        aside = self.root / "damaged" / path.name
        with self._said_plainly():
            aside.parent.mkdir(exist_ok=True)
            path.replace(aside)
        return aside

    def remove(self, digest: str, *, put_before: float) -> bool:
        """Remove content for good, unless it was put (again) at or after `put_before`, in seconds since the epoch.

        Returns
        -------
        bool
            False if it is kept, or was not there.
        """
        path = self.path(digest)
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

    def _renewed(self, digest: str) -> bool:
        """Is it kept? Then it is as young as if it were written now, so that it isn't removed as left over before
        the row that will refer to it is written."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        except OSError:  # somebody else's, or a store that is only read
            return self.has(digest)
        return True

    def _keep(self, path: Path, digest: str) -> None:
        final = self.path(digest)
        if self._renewed(digest):
            return
        path.chmod(0o444)
        try:
            path.replace(final)
        except FileNotFoundError:
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreFullError(
                    f"an artifact could not be written below {self.root} ({error.strerror}); free some space,"
                    " nothing already kept is lost"
                ) from error
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise StoreReadOnlyError(
                    f"an artifact could not be written below {self.root} ({error.strerror}); check its permissions"
                ) from error
            raise


def digest_of(path: Path) -> str:
    """``a1:blake3:<hex>`` of a file's content, streamed."""
    from blake3 import blake3

    hasher = blake3()
    hasher.update_mmap(path)
    return PREFIX + hasher.hexdigest()
