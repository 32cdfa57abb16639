"""What a family's module gives back: a fingerprint before it is written in its public form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Part:
    """A column (or the one body). `digest` holds the type and the values, not the name."""

    name: str
    dtype: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Body:
    kind: str
    digest: bytes
    shape: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()


def unique_names(labels: list[object]) -> list[str]:
    """Names for people: the label's text; a later one of the same text gets ``[2]``, so that none hides another."""
    seen: dict[str, int] = {}
    names = []
    for label in labels:
        name = label if isinstance(label, str) else str(label)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} [{seen[name]}]")
    return names
