"""Rows that could not be scored, kept with the reason, in a form that a person can correct and score again: CSV.

Columns: ``reason``, ``source_file``, ``source_row`` (from 0), ``source_text`` (the line itself, where it didn't
fit the header), then the input's own columns as text. An input column with one of these names gets a ``_``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nbops.datafiles.read import MalformedLine
from nbops.store.artifacts import ArtifactStore, PendingArtifact

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "quarantine.csv"
_OURS = ("reason", "source_file", "source_row", "source_text")


class Quarantine:
    """Takes rejected rows; the artifact is made with the first of them. `digest` is known after the ``with``
    block, None if every row was good."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.rows = 0
        self._artifacts = artifacts
        self._stack = ExitStack()
        self._pending: PendingArtifact | None = None
        self._columns: list[str] = []

    @property
    def digest(self) -> str | None:
        return self._pending.digest if self._pending else None

    @property
    def size(self) -> int:
        return self._pending.size if self._pending else 0

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, file: Path, rows: pa.RecordBatch, numbers: Sequence[int], reasons: Sequence[str]) -> None:
        """Keep rows of `file`; `numbers` are theirs in it, `reasons` one sentence each."""
        cells = [rows.column(name).to_pylist() for name in rows.schema.names]
        self._write(
            rows.schema.names,
            (
                (reason, file.name, number, "", *(_text(column[at]) for column in cells))
                for at, (number, reason) in enumerate(zip(numbers, reasons, strict=True))
            ),
        )
        self.rows += len(reasons)

    def add_malformed(self, file: Path, names: list[str], lines: Sequence[MalformedLine]) -> None:
        """Keep lines that have too few or too many fields."""
        empty = [""] * len(names)
        self._write(
            names,
            (
                (f"{line.found} fields, the header has {line.expected}", file.name, line.row, line.text, *empty)
                for line in lines
            ),
        )
        self.rows += len(lines)

    def _write(self, names: list[str], rows: Any) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self._pending is None:
            self._pending = self._stack.enter_context(self._artifacts.writing())
            self._columns = list(names)
            writer.writerow([*_OURS, *(name + "_" if name in _OURS else name for name in names)])
        # the files of one input have the same columns, perhaps in another order
        order = [*range(len(_OURS)), *(len(_OURS) + names.index(name) for name in self._columns)]
        writer.writerows([row[at] for at in order] for row in rows)
        self._pending.file.write(text.getvalue().encode())


def _text(value: Any) -> str:
    return "" if value is None else str(value)
