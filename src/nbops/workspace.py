"""`Workspace`: the handles everything is done with, and the one resolver that finds it, for the kernel, the
server, the CLI and papermill alike.

In this order: ``NBOPS_HOME`` (the folder of the store) · ``NBOPS_STORE`` (its SQLite file, or a ``postgresql://`` URL;
files then go where they would go without it) · the nearest folder, from the start upwards, that holds ``nbops.toml`` or
``.nbops`` · the git repository's root · the user's data folder. Nothing is made on disk before the first record.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops import settings as settings_
from nbops.core.clock import Clock, SystemClock
from nbops.core.errors import SettingsError
from nbops.settings import Settings
from nbops.store.artifacts import ArtifactStore
from nbops.store.database import Database

HOME = ".nbops"
DATABASE = "nbops.sqlite"
SERVERS = ("postgresql://", "postgres://", "postgresql+psycopg://")


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A bundle of handles, with no verbs.

    `root` is what relative paths are relative to; `home` holds the store; `why` says in words why this one."""

    root: Path
    home: Path
    why: str
    shared: bool  # by folders that are in no project: paths are then recorded whole, or two train.ipynb would be one
    store: Database
    artifacts: ArtifactStore
    settings: Settings
    identity: str
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a workspace is, before anything is opened."""

    root: Path
    home: Path
    database: Path | str  # a SQLite file, or the URL of a PostgreSQL database
    why: str
    shared: bool = False


def find(start: Path | None = None, environ: Mapping[str, str] = os.environ) -> Place:
    """Resolve the workspace for a folder (or a file in it), by default the current one."""
    here = (start or Path.cwd()).absolute()
    if here.is_file():
        here = here.parent
    root, home, why, shared = _by_folder(here)
    if environ.get("NBOPS_HOME"):
        home, why = Path(environ["NBOPS_HOME"]).expanduser().absolute(), "NBOPS_HOME is set"
    database: Path | str = home / DATABASE
    if environ.get("NBOPS_STORE"):
        given = environ["NBOPS_STORE"].removeprefix("sqlite:///")
        why = "NBOPS_STORE is set"
        if given.startswith(SERVERS):
            database = given
        elif "://" in given:
            from nbops.core.redaction import redact_text

            raise SettingsError(
                f"NBOPS_STORE={redact_text(given)!r}: give a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE"
            )
        else:
            database = Path(given).expanduser().absolute()
            if not environ.get("NBOPS_HOME"):
                home = database.parent
    return Place(root=root, home=home, database=database, why=why, shared=shared)


def open_workspace(
    start: Path | None = None,
    *,
    clock: Clock | None = None,
    identity: str | None = None,
    environ: Mapping[str, str] = os.environ,
    read_only: bool = False,
    lock_timeout_s: float | None = None,
) -> Workspace:
    """Find and open the workspace of a folder. `lock_timeout_s`: how long to wait for another process that writes.

    Raises
    ------
    SettingsError
        If its nbops.toml can't be read.
    """
    place = find(start, environ)
    settings = settings_.load(place.root / settings_.FILE)
    artifacts = environ.get("NBOPS_ARTIFACTS") or settings.store.artifacts
    now = clock or SystemClock()
    if settings.store.durability not in ("normal", "full"):
        raise SettingsError(f"[store] durability: {settings.store.durability!r} is neither 'normal' nor 'full'")
    if settings.capture.keep_models not in ("last", "all", "none"):
        raise SettingsError(f"[capture] keep_models: {settings.capture.keep_models!r} is not 'last', 'all' or 'none'")
    return Workspace(
        root=place.root,
        home=place.home,
        why=place.why,
        shared=place.shared,
        store=_database(
            place.database,
            durability=settings.store.durability,
            read_only=read_only,
            lock_timeout_s=lock_timeout_s,
            system=now,
        ),
        artifacts=ArtifactStore(
            place.root / Path(artifacts).expanduser() if artifacts else place.home / "artifacts",
            durable=settings.store.durability == "full",
        ),
        settings=settings,
        identity=identity or environ.get("NBOPS_IDENTITY") or _user(),
        clock=now,
    )


def relative(workspace: Workspace, path: Path) -> str:
    """A path as it is recorded: relative to the root where it lies below it, with forward slashes."""
    absolute = path.absolute()
    if workspace.shared:
        return absolute.as_posix()
    try:
        return absolute.relative_to(workspace.root).as_posix()
    except ValueError:
        return absolute.as_posix()


def _database(place: Path | str, **how: Any) -> Database:
    if isinstance(place, Path):
        return Database(place, **how)
    from nbops.store.postgres import PostgresDatabase

    return PostgresDatabase(place, **how)


def _by_folder(here: Path) -> tuple[Path, Path, str, bool]:
    for folder in (here, *here.parents):
        if (folder / settings_.FILE).is_file():
            return folder, folder / HOME, f"{folder / settings_.FILE} is the nearest nbops.toml", False
        if (folder / HOME).is_dir():
            return folder, folder / HOME, f"{folder / HOME} is the nearest store", False
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return folder, folder / HOME, f"{folder} is the git repository's root", False
    import platformdirs

    home = Path(platformdirs.user_data_dir("nbops", appauthor=False))
    return here, home, "no nbops.toml, .nbops or git repository above this folder: the user's data folder", True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"
