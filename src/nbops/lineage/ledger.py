"""What a cell's card says of the notebook's state at once: from the records of this kernel as they come, in memory.

It is the cheap part of :mod:`nbops.lineage.badges`, which asks the store and knows the notebook's own order, the cells'
text and what wasn't tracked; here cells stand in the order in which they first ran, only data with a digest counts,
and leakage is not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nbops.core.runs import CellRecord


@dataclass(kw_only=True, eq=False)
class _Cell:
    """A cell as it last ran; `read` and `first_read` are {name: digest}, of the last and the first time; `makers` are
    the cells that had made what it read."""

    place: int
    count: int | None
    first_read: dict[str, str]
    read: dict[str, str] = field(default_factory=dict)
    makers: dict[str, str | None] = field(default_factory=dict)

    @property
    def said(self) -> str:
        return f"In [{self.count}]" if self.count is not None else "a cell"


class Ledger:
    """One per kernel."""

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}
        self._maker: dict[str, str] = {}  # name → key of the cell that last wrote it

    def after(self, record: CellRecord) -> tuple[str, ...]:
        """What is to be said in the card of the execution that `record` is of."""
        key = record.cell_id or record.source
        read = {u.name: u.fingerprint.digest for u in record.reads if u.fingerprint.digest is not None}
        new = key not in self._cells
        cell = self._cells.setdefault(key, _Cell(place=len(self._cells), count=None, first_read=read))
        said = [] if new else [text for name in read if (text := self._order(key, cell, name, read[name]))]
        cell.count, cell.read = record.execution_count, read
        cell.makers = {name: self._maker.get(name) for name in read}
        for use in record.writes:
            self._maker[use.name] = key
            others = [
                other.said
                for one, other in self._cells.items()
                if one != key
                and other.makers.get(use.name) == key
                and other.read.get(use.name) not in (None, use.fingerprint.digest)
            ]
            if others and use.fingerprint.digest is not None:
                said.append(f"stale now: {', '.join(others)} used {use.name!r} as it was before")
        return tuple(said)

    def _order(self, key: str, cell: _Cell, name: str, digest: str) -> str | None:
        maker = self._maker.get(name)
        if maker == key and cell.first_read.get(name, digest) != digest:
            return f"out of order: it ran on its own earlier {name!r}"
        if maker is not None and maker != key and self._cells[maker].place > cell.place:
            return f"out of order: it used {name!r} of {self._cells[maker].said}, which first ran after it"
        return None
