"""Large content kept as pieces that other content may share: the artifact store's second form.

``chunked/ab/cd…`` lists the pieces of one content, named by its digest as a whole; ``pieces/ab/cd…`` are they. A piece
is there before a list names it. Readers of files get the whole, put together in ``whole/`` and removed by
``nbops data gc`` when nobody has asked for it for an hour.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nbops.core.errors import CorruptArtifactError
from nbops.store.pieces import pieces

CHUNKED_FROM = 16_000_000
"""Bytes from which on content is kept as pieces."""

_FORM = "nbops pieces 1"


class Chunked:
    """The pieces and their lists below an artifact store's root. `writing` gives a file that is renamed to where
    :meth:`settle` says, as :class:`nbops.store.artifacts.ArtifactStore` writes all of its files."""

    def __init__(self, root: Path, writing: Callable[[Callable[[str], Path]], AbstractContextManager[Any]]) -> None:
        self.lists, self.pieces, self.whole = root / "chunked", root / "pieces", root / "whole"
        self._writing = writing

    def list_of(self, name: str) -> Path:
        """Where the list of the content with this hex digest lies. It need not be there."""
        return self.lists / name[:2] / name[2:]

    def piece(self, name: str) -> Path:
        return self.pieces / name[:2] / name[2:]

    def assembled(self, name: str) -> Path:
        return self.whole / name

    def put(self, source: Path, pause: Callable[[], None] = lambda: None) -> tuple[str, int]:
        """Keep a file; its hex digest, and how many bytes had to be written for it. `pause` is called before each
        piece."""
        from blake3 import blake3

        whole, written, lines = blake3(), 0, []
        with source.open("rb") as file:
            for content in pieces(file):
                pause()
                whole.update(content)
                name = blake3(content).hexdigest()
                lines.append(f"{name} {len(content)}")
                if not renewed(self.piece(name)):
                    with self._writing(self.piece) as pending:
                        pending.file.write(content)
                        pending.name = name
                    written += len(content)
        name = str(whole.hexdigest())
        with self._writing(self.list_of) as pending:
            pending.file.write("\n".join([_FORM, *lines, ""]).encode())
            pending.name = name
        return name, written

    def parts(self, name: str) -> list[tuple[str, int]]:
        """(hex digest, size) of the pieces of a content.

        Raises
        ------
        CorruptArtifactError
            If the list is damaged.
        """
        try:
            form, *lines = self.list_of(name).read_text(encoding="ascii").splitlines()
            found = [(line[:64], int(line[65:])) for line in lines]
        except (ValueError, UnicodeDecodeError) as error:
            raise CorruptArtifactError(f"the list of pieces {self.list_of(name)} is damaged: {error}") from error
        if form != _FORM:
            raise CorruptArtifactError(
                f"the list of pieces {self.list_of(name)} is damaged, or of a newer nbops: {form!r:.40}"
            )
        return found

    def size(self, name: str) -> int:
        return sum(size for _, size in self.parts(name))

    def read(self, name: str) -> Iterator[bytes]:
        """The content, piece by piece, each checked; at the end the whole is.

        Raises
        ------
        CorruptArtifactError
            If a piece is missing or damaged.
        """
        from blake3 import blake3

        whole = blake3()
        for part, _ in self.parts(name):
            try:
                content = self.piece(part).read_bytes()
            except FileNotFoundError:
                raise CorruptArtifactError(f"its piece {self.piece(part)} is missing") from None
            if blake3(content).hexdigest() != part:
                raise CorruptArtifactError(f"its piece {self.piece(part)} is damaged")
            whole.update(content)
            yield content
        if whole.hexdigest() != name:
            raise CorruptArtifactError(f"its list of pieces {self.list_of(name)} is damaged")

    def names(self) -> Iterator[str]:
        """The hex digests of what is kept in pieces."""
        for folder in sorted(self.lists.glob("[0-9a-f][0-9a-f]")):
            for file in sorted(folder.iterdir()):
                yield folder.name + file.name

    def damaged(self, name: str) -> list[Path]:
        """The pieces of a content that no longer are what they are named after."""
        from blake3 import blake3

        places = [self.piece(part) for part, _ in self.parts(name)]
        return [p for p in places if p.exists() and blake3(p.read_bytes()).hexdigest() != p.parent.name + p.name]

    def unused(self) -> Iterator[Path]:
        """Pieces that no list names, as far as the lists can be read: if one can't, none is known to be unused."""
        try:
            used = {part for name in self.names() for part, _ in self.parts(name)}
        except CorruptArtifactError:
            return
        for folder in sorted(self.pieces.glob("[0-9a-f][0-9a-f]")):
            for file in sorted(folder.iterdir()):
                if folder.name + file.name not in used:
                    yield file


def renewed(path: Path) -> bool:
    """Is it there? Then it is as young as if it were written now, so that it isn't removed as left over before what
    will refer to it is written."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # somebody else's, or a store that is only read
        return path.exists()
    return True
