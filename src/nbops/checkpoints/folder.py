"""Checkpoints on disk: one folder a run, content by digest, one manifest a boundary, written last.

They hold values as they are (a password in a variable as well), so the folder is its owner's alone, and is deleted when
the notebook has come to its end. Nothing else in the store refers to it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

FORMAT = 1
KEPT = 4  # boundaries; content that several share is there once
_MANIFEST = "boundary-{:06d}.json"


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """The state before the cell at place `cell` (0: the first), after all cells before it.

    `sources` are digests of the cells before, by place; `saved` the names whose values are kept, `unsaved` those
    whose are not, with the reason. `stream` is the digest of their pickle, `extras` of the rest of the
    state, `buffers` of what the pickle refers to, each with whether it may be written to.
    `python` and `versions`, of the packages imported by then, must be those of the kernel that it is put into."""

    cell: int
    execution_count: int
    sources: tuple[str, ...]
    saved: tuple[str, ...]
    unsaved: Mapping[str, str] = field(default_factory=dict)
    stream: str = ""
    extras: str = ""
    buffers: tuple[tuple[str, bool], ...] = ()
    size: int = 0
    seconds: float = 0.0
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


def keep(folder: Path, content: bytes | memoryview) -> str:
    """Keep content under its digest; what is there already isn't written again."""
    digest: str = blake3(content, max_threads=blake3.AUTO).hexdigest()
    path = folder / digest
    if not path.exists():
        partial = folder / f".{digest}.{os.getpid()}"
        partial.write_bytes(content)
        partial.replace(path)
    return digest


def content(folder: Path, digest: str) -> bytearray:
    """Kept content, verified.

    Raises
    ------
    OSError, ValueError
    """
    path = folder / digest
    found = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        file.readinto(found)
    if blake3(found, max_threads=blake3.AUTO).hexdigest() != digest:
        raise ValueError(f"{path} is damaged")
    return found


def write(folder: Path, boundary: Boundary) -> None:
    """Add a boundary (its content is there), and let go of the oldest."""
    path = folder / _MANIFEST.format(boundary.cell)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(boundary)))
    partial.replace(path)
    known = boundaries(folder)
    for old in known[KEPT:]:
        (folder / _MANIFEST.format(old.cell)).unlink(missing_ok=True)
    wanted = {digest for b in known[:KEPT] for digest in (b.stream, b.extras, *(d for d, _ in b.buffers))}
    for file in folder.iterdir():
        if file.suffix != ".json" and not file.name.startswith(".") and file.name not in wanted:
            file.unlink(missing_ok=True)


def boundaries(folder: Path) -> list[Boundary]:
    """What is kept, the newest first."""
    found = []
    for path in sorted(folder.glob(_MANIFEST.format(0).replace("000000", "*")), reverse=True):
        data: dict[str, Any] = json.loads(path.read_text())
        if data.get("format") == FORMAT:
            data |= {key: tuple(data[key]) for key in ("sources", "saved")}
            found.append(Boundary(**data | {"buffers": tuple((d, bool(w)) for d, w in data["buffers"])}))
    return found


def make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def digests(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(blake3(source.encode("utf-8", "surrogatepass")).hexdigest()[:16] for source in sources)
