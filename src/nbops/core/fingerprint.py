"""`Fingerprint`: the identity of a piece of data, by content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column (or the one body) of a piece of data: its name, its type in words, its own digest."""

    name: str
    dtype: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What a piece of data is, by content: equal digests mean equal kind, schema, order and values.

    `digest` is ``f1:blake3:<hex>``, or None where the data can't be hashed honestly; `reason` then says why.
    `shape` is ``(n_rows, n_columns)`` for tables, the array's shape for arrays, ``(n_bytes,)`` for files.
    """

    kind: str
    digest: str | None
    shape: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    reason: str | None = None

    def explain(self, other: Fingerprint) -> str:
        """In plain words, how `other` differs from this one."""
        if self.digest is None or other.digest is None:
            return f"cannot be compared: {self.reason or other.reason}"
        if self.digest == other.digest:
            return "identical"
        said = []
        if self.kind != other.kind:
            said.append(f"kind: {self.kind} became {other.kind}")
        if self.shape != other.shape and self.kind == other.kind == "file":
            said.append(f"size: {sum(self.shape):,} bytes became {sum(other.shape):,}")
        elif self.shape != other.shape:
            said.append(f"shape: {_times(self.shape)} became {_times(other.shape)}")
        mine, theirs = {c.name: c for c in self.columns}, {c.name: c for c in other.columns}
        gone, new = [n for n in mine if n not in theirs], [n for n in theirs if n not in mine]
        if gone:
            said.append(f"columns gone: {', '.join(gone)}")
        if new:
            said.append(f"columns new: {', '.join(new)}")
        both = [n for n in mine if n in theirs]
        for name in both:
            if mine[name].dtype != theirs[name].dtype:
                said.append(f"{name}: type {mine[name].dtype} became {theirs[name].dtype}")
        changed = [n for n in both if mine[n].dtype == theirs[n].dtype and mine[n].digest != theirs[n].digest]
        if changed:
            said.append(f"values changed in: {', '.join(changed)}")
        if not said and [c.name for c in self.columns] != [c.name for c in other.columns]:
            said.append("the order of the columns changed")
        return "; ".join(said) or "the content differs"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "digest": self.digest,
            "shape": list(self.shape),
            "columns": [[c.name, c.dtype, c.digest] for c in self.columns],
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fingerprint:
        return cls(
            kind=data["kind"],
            digest=data["digest"],
            shape=tuple(data["shape"]),
            columns=tuple(Column(name=n, dtype=t, digest=d) for n, t, d in data["columns"]),
            reason=data["reason"],
        )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in shape) or "scalar"
