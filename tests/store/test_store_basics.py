"""The store keeps what it is given, in order, whole, and says plainly what goes wrong."""

from __future__ import annotations

import dataclasses
import multiprocessing
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nbops.core.errors import (
    AmbiguousError,
    CorruptArtifactError,
    StoreError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
    UnknownNameError,
)
from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.runs import CellRecord, CellStatus, DataUse, Metric, Owner, Run, RunKind, RunStatus
from nbops.store import database, deleted_runs, mentions, records, runs
from nbops.store.artifacts import ArtifactStore
from nbops.store.database import Database
from nbops.store.liveness import alive, this_process
from nbops.store.postgres import PostgresDatabase
from postgres_server import Server

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_run(run_id: str = "aa11", **changes: object) -> Run:
    run = Run(
        id=run_id,
        kind=RunKind.SESSION,
        name="train.ipynb",
        experiment="train.ipynb",
        status=RunStatus.IN_PROGRESS,
        started_at=AT,
        owner=this_process(),
    )
    return dataclasses.replace(run, **changes)  # type: ignore[arg-type]


def a_record(run: str = "aa11", seq: int = 0) -> CellRecord:
    return CellRecord(
        run=run,
        seq=seq,
        cell_id="c1",
        source="j1:sha256:00",
        execution_count=3,
        status=CellStatus.OK,
        params={"lr": 1.0, "n": 2**60, "names": ["a", "f:x"]},
        metrics=(Metric(name="mae", value=float("nan")), Metric(name="loss", value=0.5, step=2)),
        reads=(
            DataUse(
                name="df",
                fingerprint=Fingerprint(
                    kind="pandas.DataFrame",
                    digest="f1:blake3:aa",
                    shape=(3, 1),
                    columns=(Column(name="x", dtype="float64", digest="bb"),),
                ),
            ),
        ),
        started_at=AT,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = Database(tmp_path / "home" / "nbops.sqlite")
    else:
        server: Server = request.getfixturevalue("postgres_server")
        opened = PostgresDatabase(server.database())
    yield opened
    opened.close()


def another(location: str, **how: Any) -> Database:
    """The same store, opened by somebody else."""
    if location.startswith("postgresql:"):
        return PostgresDatabase(location, **how)
    return Database(Path(location), **how)


def test_reading_a_store_that_is_not_there_makes_nothing(store: Database) -> None:
    assert runs.listed(store) == []
    assert mentions.mentioned(store) == set()
    assert not store.exists()
    assert not store.path.parent.exists()


def test_a_run_and_its_record_come_back_as_they_were(store: Database) -> None:
    run, record = a_run(tags=("x",), detail={"n": 1.0}), a_record()
    with store.transaction() as tx:
        runs.save(tx, run)
        digest = records.add(
            tx, record, series=[Metric(name="loss", value=v, step=i) for i, v in enumerate([1, 0.7, 0.5])]
        )
    assert runs.get(store, "aa") == run
    (back,) = records.of_run(store, "aa11")
    assert repr(back) == repr(record)  # repr: NaN is not equal to itself
    assert records.digests(store, "aa11") == {0: digest}
    assert runs.params(store, "aa11") == {"lr": 1.0, "n": 2**60, "names": ["a", "f:x"]}
    assert isinstance(runs.params(store, "aa11")["lr"], float)
    assert [(m.name, m.step) for m in records.metrics(store, "aa11")] == [
        ("loss", 0),
        ("loss", 1),
        ("loss", 2),
        ("mae", None),
    ]


def test_a_cells_text_is_kept_beside_its_record_with_what_no_database_takes_replaced(store: Database) -> None:
    first, second = (dataclasses.replace(a_record(), seq=seq) for seq in (0, 1))
    with store.transaction() as tx:
        runs.save(tx, a_run())
        records.add(tx, first, cell_text="x = '😀 \ud800 \0'")
        records.add(tx, second)
    assert records.cell_text(store, "aa11", 0) == "x = '😀 \ufffd \ufffd'"
    assert records.cell_text(store, "aa11", 1) is None


def test_a_deleted_run_comes_back_as_it_was(store: Database) -> None:
    run, record = a_run(), a_record()
    with store.transaction() as tx:
        runs.save(tx, run)
        records.add(tx, record, cell_text="x = 1")
    before = records.of_run(store, "aa11")
    with store.transaction() as tx:
        deleted_runs.take_out(tx, "aa11", asked="aa11", by="me")
    assert runs.listed(store) == [] == records.of_run(store, "aa11") == records.metrics(store, "aa11")
    with store.transaction() as tx:
        deleted_runs.put_back(tx, "aa11")
    assert runs.get(store, "aa11") == run and repr(records.of_run(store, "aa11")) == repr(before)
    assert records.cell_text(store, "aa11", 0) == "x = 1"
    assert [m.name for m in records.metrics(store, "aa11")] == ["mae"]


def test_a_transaction_that_fails_leaves_nothing(store: Database) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        runs.save(tx, a_run())
        1 / 0  # noqa: B018
    assert runs.listed(store) == []
    assert store.events_after(0) == []


def test_names_that_answer_to_none_or_several(store: Database) -> None:
    with store.transaction() as tx:
        runs.save(tx, a_run("ab12"))
        runs.save(tx, a_run("ab34"))
    with pytest.raises(AmbiguousError, match="ab12, ab34"):
        runs.get(store, "ab")
    with pytest.raises(UnknownNameError, match="no run 'zz'"):
        runs.get(store, "zz")


def test_a_run_of_a_process_that_is_gone_is_shown_as_lost_and_nothing_is_written(store: Database) -> None:
    gone = Owner(host=this_process().host, pid=2**22 + 1, started="1")
    with store.transaction() as tx:
        runs.save(tx, a_run(owner=gone))
    before = store.events_after(0)
    assert runs.get(store, "aa11").status is RunStatus.LOST
    assert runs.as_stored(store, "aa11").status is RunStatus.IN_PROGRESS
    assert len(store.events_after(0)) == len(before)
    assert alive(this_process())
    assert alive(dataclasses.replace(gone, host="another machine"))


def test_a_locked_store(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.transaction() as tx:
        runs.save(tx, a_run())
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.05)
    other = another(store.location)
    with (
        store.transaction(),
        pytest.raises(StoreLockedError, match="locked by another process"),
        other.transaction(),
    ):
        pass
    assert [r.id for r in runs.listed(other)] == ["aa11"]
    other.close()


def test_a_read_only_store_is_read_and_refuses_writes(store: Database) -> None:
    with store.transaction() as tx:
        runs.save(tx, a_run())
    reader = another(store.location, read_only=True)
    assert runs.get(reader, "aa11").id == "aa11"
    with pytest.raises(StoreReadOnlyError), reader.transaction():
        pass
    reader.close()


def test_a_store_of_a_newer_nbops_is_refused(store: Database) -> None:
    with store.transaction() as tx:
        if isinstance(store, PostgresDatabase):
            tx.write("UPDATE schema_version SET version = 9999")
    if not isinstance(store, PostgresDatabase):
        with sqlite3.connect(store.path) as connection:
            connection.execute("PRAGMA user_version = 9999")
        connection.close()
    with pytest.raises(StoreVersionError, match="9999"):
        runs.listed(another(store.location))


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "nbops.sqlite"
    path.write_text("this is no database, whatever its name says " * 100)
    with pytest.raises(StoreError, match="damaged"):
        runs.listed(Database(path))


def _write_runs(location: str, who: int, count: int) -> None:
    store = another(location)
    for i in range(count):
        with store.transaction() as tx:
            runs.save(tx, a_run(f"{who}{i:04d}"))
    store.close()


def test_two_processes_write_one_store_and_events_are_numbered_without_gaps(store: Database) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_runs, args=(store.location, who, 40)) for who in (1, 2)]
    for writer in writers:
        writer.start()
    followed: list[int] = []
    while any(writer.is_alive() for writer in writers):  # a follower is given none below one it has seen
        followed += [e["seq"] for e in store.events_after(followed[-1] if followed else 0)]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    followed += [e["seq"] for e in store.events_after(followed[-1] if followed else 0)]
    assert followed == list(range(1, 81))
    assert len(runs.listed(store, limit=1000)) == 80
    assert [e["seq"] for e in store.events_after(0)] == list(range(1, 81))


def test_a_forked_child_does_not_use_the_parents_connection(store: Database) -> None:
    with store.transaction() as tx:
        runs.save(tx, a_run("parent"))
    child = multiprocessing.get_context("fork").Process(target=_fork_child, args=(store,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert {r.id for r in runs.listed(store)} == {"parent", "child"}


def _fork_child(store: Database) -> None:
    inherited = store._local.connection
    with store.transaction() as tx:
        runs.save(tx, a_run("child"))
    assert store._local.connection is not inherited
    store.close()


def test_artifacts_are_kept_once_and_verified(tmp_path: Path) -> None:
    kept = ArtifactStore(tmp_path / "artifacts")
    digest = kept.put_bytes(b"content")
    (tmp_path / "file").write_bytes(b"content")
    assert kept.put_file(tmp_path / "file") == digest
    with kept.writing() as pending:
        pending.file.write(b"content")
    assert pending.digest == digest
    assert list(kept.digests()) == [digest]
    assert kept.leftovers() == []
    assert kept.read_bytes(digest) == b"content"
    assert kept.read_bytes(kept.put_bytes(b"")) == b""


def test_a_damaged_artifact_is_not_given_out(tmp_path: Path) -> None:
    kept = ArtifactStore(tmp_path)
    digest = kept.put_bytes(b"content")
    path = kept.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"c0ntent")
    with pytest.raises(CorruptArtifactError, match="is damaged"):
        kept.verified(digest)


def test_a_writer_that_fails_keeps_nothing(tmp_path: Path) -> None:
    kept = ArtifactStore(tmp_path)
    with pytest.raises(ZeroDivisionError), kept.writing() as pending:
        pending.file.write(b"half")
        1 / 0  # noqa: B018
    assert list(kept.digests()) == []
    assert kept.leftovers() == []
