"""What a card says of the notebook's state, from records as they come."""

from __future__ import annotations

from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, CellStatus, DataUse
from nbops.lineage.ledger import Ledger


def record(
    cell: str, count: int, reads: dict[str, str] | None = None, writes: dict[str, str] | None = None
) -> CellRecord:
    def uses(given: dict[str, str] | None) -> tuple[DataUse, ...]:
        return tuple(
            DataUse(name=name, fingerprint=Fingerprint(kind="x", digest=d or None)) for name, d in (given or {}).items()
        )

    return CellRecord(
        run="r",
        seq=count,
        cell_id=cell,
        source="j1:sha256:0",
        execution_count=count,
        status=CellStatus.OK,
        reads=uses(reads),
        writes=uses(writes),
    )


def test_from_top_to_bottom_nothing_is_said_and_neither_when_done_again() -> None:
    ledger = Ledger()
    for start in (1, 4):
        assert ledger.after(record("make", start, writes={"df": "1"})) == ()
        assert ledger.after(record("mend", start + 1, {"df": "1"}, {"df": "2"})) == ()
        assert ledger.after(record("use", start + 2, {"df": "2"})) == ()


def test_a_name_made_again_otherwise_makes_the_cells_below_stale() -> None:
    ledger = Ledger()
    ledger.after(record("make", 1, writes={"df": "1"}))
    ledger.after(record("use", 2, {"df": "1"}))
    ledger.after(record("other", 3, {"q": "7"}))
    assert ledger.after(record("make", 4, writes={"df": "9"})) == ("stale now: In [2] used 'df' as it was before",)
    assert ledger.after(record("use", 5, {"df": "9"})) == ()


def test_a_cell_that_uses_what_first_ran_after_it() -> None:
    ledger = Ledger()
    ledger.after(record("make", 1, writes={"df": "1"}))
    ledger.after(record("use", 2, {"df": "1"}))
    ledger.after(record("mend", 3, {"df": "1"}, {"df": "2"}))
    assert ledger.after(record("use", 4, {"df": "2"})) == (
        "out of order: it used 'df' of In [3], which first ran after it",
    )


def test_a_cell_run_again_on_its_own_result() -> None:
    ledger = Ledger()
    ledger.after(record("make", 1, writes={"df": "1"}))
    ledger.after(record("double", 2, {"df": "1"}, {"df": "2"}))
    assert ledger.after(record("double", 3, {"df": "2"}, {"df": "4"})) == (
        "out of order: it ran on its own earlier 'df'",
    )


def test_what_has_no_digest_is_not_judged() -> None:
    ledger = Ledger()
    ledger.after(record("make", 1, writes={"df": ""}))
    ledger.after(record("use", 2, {"df": ""}))
    assert ledger.after(record("make", 3, writes={"df": ""})) == ()
