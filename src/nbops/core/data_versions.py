"""`DataVersion`: one content that a name had. What the catalogue says of it, of two of them, of what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nbops.core.deletion import DeletedRun
from nbops.core.fingerprint import Column


@dataclass(frozen=True, kw_only=True)
class DataVersion:
    """`name` is a file's path, a URL or a variable; numbers ascend in the order in which the name's contents were first
    recorded, each distinct digest once. `shape` is as in :class:`nbops.core.fingerprint.Fingerprint`. `made_by` and
    `used_by` count executions of cells. `tags` are what people call this version."""

    name: str
    number: int
    kind: str
    digest: str
    shape: tuple[int, ...]
    first_seen: datetime | None
    last_seen: datetime | None
    made_by: int
    used_by: int
    tags: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """``NAME@N``."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, kw_only=True)
class CellUse:
    """An execution of a cell: record `seq` of `run`; `cell` says which one in words."""

    run: str
    seq: int
    notebook: str | None
    cell: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DataDetail:
    """A version in full. `same_as` are the other names its content had; `content` says whether it is kept, and if not,
    why; `models` were trained on it. `about` is what people say of the name, `description` of this version."""

    version: DataVersion
    columns: tuple[Column, ...]
    made: tuple[CellUse, ...]
    used: tuple[CellUse, ...]
    same_as: tuple[str, ...]
    content: str = ""
    models: tuple[str, ...] = ()
    about: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class ColumnValues:
    """What a column holds. `missing` counts nulls and NaN; `distinct` is exact where `exact`. Numbers have `quantiles`
    (0, ¼, ½, ¾, 1) and a `mean`; others their `frequent` values with counts, times `least` and `most`. `withheld`: no
    value may be kept of it."""

    name: str
    type: str
    missing: int
    distinct: int = 0
    exact: bool = True
    quantiles: tuple[float, ...] = ()
    mean: float | None = None
    frequent: tuple[tuple[str, int], ...] = ()
    least: str | None = None
    most: str | None = None
    withheld: bool = False


@dataclass(frozen=True, kw_only=True)
class DataProfile:
    """A version's values, summed up; `how` says where that is from."""

    version: DataVersion
    rows: int
    columns: tuple[ColumnValues, ...]
    how: str


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """A column that both versions have: its type before and after; `values` is None where only that isn't known."""

    name: str
    was: str
    now: str
    values: bool | None


@dataclass(frozen=True, kw_only=True)
class DataDifference:
    """From version `a` to version `b`. `explained` is one sentence."""

    a: DataVersion
    b: DataVersion
    same: bool
    explained: str
    added: tuple[Column, ...] = ()
    removed: tuple[Column, ...] = ()
    changed: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unreferenced:
    """Kept content that nothing refers to; `size` in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class OldCheckpoints:
    """The kept states of a notebook's run that nobody goes on from, `why` so; `size` in bytes."""

    run: str
    size: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What nothing refers to below `folder`, the deleted runs whose time is over, old checkpoints. `fresh` counts what
    may belong to a writer that isn't done and is left alone; `referenced` what is in use; `removed` says whether it is
    gone now. Of large artifacts the pieces that others have too stay: `pieces_freed` are the bytes of those that
    went."""

    folder: str
    artifacts: tuple[Unreferenced, ...]
    fresh: int
    referenced: int
    removed: bool
    runs: tuple[DeletedRun, ...] = ()
    pieces_freed: int = 0
    checkpoints: tuple[OldCheckpoints, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(a.size for a in self.artifacts)
