"""Between the paths of the wire (relative to the server's root, as Jupyter's contents have them) and files; and the
workspace that a file is of.

Nothing outside the server's root is named or opened, be it by ``..``, by an absolute path or through a link.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from pathlib import Path

from nbops.core.errors import UnknownNameError
from nbops.settings import FILE
from nbops.workspace import Workspace, find, open_workspace


class Places:
    """The server's root, and the workspaces that were asked for below it, each opened once."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[int | None, Workspace]] = {}

    def file(self, contents_path: str) -> Path:
        """The file or folder of a contents path, whether it is there or not.

        Raises
        ------
        UnknownNameError
            If it isn't below the root.
        """
        if "\0" in contents_path:
            raise UnknownNameError("path", contents_path)
        unseen = "it can't be looked at: too long a name, links in a circle, or not for the server to read"
        try:
            wanted = (self.root / contents_path.strip("/")).resolve()
            if not wanted.is_relative_to(self.root):
                hint = "only what lies below the server's root can be named"
                raise UnknownNameError("path", contents_path, hint=hint)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                wanted.stat()
        except (OSError, RuntimeError):
            raise UnknownNameError("path", contents_path, hint=unseen) from None
        return wanted

    def contents_path(self, ws: Workspace, recorded: str | None) -> str | None:
        """Where the server shows a path that was recorded; None if it lies outside its root."""
        if not recorded:
            return None
        path = (ws.root / recorded).resolve()
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else None

    def workspace(self, contents_path: str, identity: str | None) -> Workspace:
        """The workspace of a file or folder, in the name of a user (None: the server's own)."""
        here = self.file(contents_path)
        place = find(here if here.exists() else here.parent)
        toml = place.root / FILE
        stamp = toml.stat().st_mtime_ns if toml.is_file() else None
        key = str(place.root), str(place.database)
        with self._lock:
            known = self._open.get(key)
            if known is None or known[0] != stamp:
                known = stamp, open_workspace(place.root)
                self._open[key] = known
        return known[1] if identity is None else dataclasses.replace(known[1], identity=identity)

    def opened(self) -> list[Workspace]:
        """Every workspace that was asked for: whose stores are followed."""
        with self._lock:
            return [ws for _, ws in self._open.values()]
