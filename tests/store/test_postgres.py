"""What is PostgreSQL's own: a server that goes away, rights, credentials, and how statements are translated."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from nbops.core.errors import StoreAwayError, StoreError, StoreReadOnlyError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline.execute import run_notebook
from nbops.store import dialect, records, run_search, runs
from nbops.store.postgres import PostgresDatabase
from nbops.workspace import open_workspace
from postgres_server import Server


@pytest.fixture
def store(postgres_server: Server) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(postgres_server.database())
    yield opened
    opened.close()


def note(store: PostgresDatabase, what: str) -> None:
    with store.transaction() as tx:
        tx.event("test", "x", what)


def noted(store: PostgresDatabase) -> list[str]:
    return [event["what"] for event in store.events_after(0)]


def test_a_server_that_goes_away_and_comes_back(store: PostgresDatabase, postgres_server: Server) -> None:
    note(store, "before")
    postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreAwayError, match="can't be reached"):
                noted(store)
            with pytest.raises(StoreAwayError, match="is its server running"):
                note(store, "lost")
    finally:
        postgres_server.start()
    assert noted(store) == ["before"]
    note(store, "after")
    assert noted(store) == ["before", "after"]
    postgres_server.stop()
    postgres_server.start()
    note(store, "it was away unnoticed")
    assert noted(store)[-1] == "it was away unnoticed"


def test_a_server_that_goes_away_in_the_middle_of_a_write(store: PostgresDatabase, postgres_server: Server) -> None:
    note(store, "before")
    with pytest.raises(StoreAwayError), store.transaction() as tx:
        tx.event("test", "x", "half")
        postgres_server.stop()
        try:
            tx.event("test", "x", "other half")
        finally:
            postgres_server.start()
    assert noted(store) == ["before"]


def test_a_parameter_longer_than_an_index_takes_is_kept_and_found(store: PostgresDatabase) -> None:
    noise = base64.b85encode(random.Random(0).randbytes(8_000)).decode()  # nothing that could be packed
    texts = {"end in a": noise + "a", "end in b": noise + "b"}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with store.transaction() as tx:
        for name, text in texts.items():
            runs.save(
                tx,
                Run(id=name, kind=RunKind.BLOCK, name=name, experiment="e", status=RunStatus.COMPLETED, started_at=at),
            )
            runs.set_params(tx, name, {"text": text})
    found = run_search.search(store, filter=f"params.text = {json.dumps(texts['end in b'])}").items
    assert [row.run.id for row in found] == ["end in b"] and found[0].params == {"text": texts["end in b"]}


def test_a_follower_loses_no_event_of_writers_that_interleave(store: PostgresDatabase) -> None:
    """The one that wrote first commits last: had it its number already, a follower would never see it."""
    note(store, "first")
    wrote, go = threading.Event(), threading.Event()

    def slow() -> None:
        with store.transaction() as tx:
            tx.event("test", "x", "slow")
            wrote.set()
            go.wait(10)
        store.close()

    def quick() -> None:
        note(store, "quick")
        store.close()

    writers = [threading.Thread(target=slow), threading.Thread(target=quick)]
    writers[0].start()
    wrote.wait(10)
    writers[1].start()
    seen = [e["seq"] for e in store.events_after(0)]
    go.set()
    for writer in writers:
        writer.join()
    seen += [e["seq"] for e in store.events_after(seen[-1])]
    assert seen == [e["seq"] for e in store.events_after(0)]
    assert noted(store) == ["first", "slow", "quick"]


def test_the_connection_of_a_thread_that_has_ended_is_closed(store: PostgresDatabase) -> None:
    def connections() -> int:
        (row,) = store.rows("SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%of a thread%'")
        return int(row["n"]) - 1  # the one that asks

    note(store, "x")
    thread = threading.Thread(target=lambda: store.rows("SELECT 'of a thread'"))
    thread.start()
    thread.join()
    while connections():  # the server takes a moment to notice
        threading.Event().wait(0.05)


def test_errors_are_said_without_the_password(postgres_server: Server) -> None:
    url = postgres_server.database()
    given = url.replace("nbops@", "nbops:hunter2Zq@")
    with_password = PostgresDatabase(given)
    note(with_password, "trusted here, whatever the password")
    with_password.close()
    assert "hunter2Zq" in with_password.location and "hunter2Zq" not in with_password.name
    for wrong, sentence in [
        (given.replace("@/postgres", "@/nothing"), "database .nothing.* does not exist"),
        (given.replace("nbops:", "nobody:"), "are address, database, user and password"),
        (given.replace("host=/", "host=/nowhere/"), "can't be reached"),
        ("postgresql://me:hunter2Zq@127.0.0.1:1/x?connect_timeout=1", "can't be reached"),
        ("postgresql://me@127.0.0.1:1/x?password=hunter2Zq", "can't be reached"),
    ]:
        with pytest.raises(StoreError, match=sentence) as error:
            noted(PostgresDatabase(wrong))
        assert "hunter2Zq" not in str(error.value)


def test_a_user_who_may_only_read(store: PostgresDatabase) -> None:
    note(store, "x")
    with store.transaction() as tx:
        schema = tx.rows("SELECT current_schema() AS name")[0]["name"]
        tx.write("CREATE ROLE reader LOGIN")
        tx.write(f"GRANT USAGE ON SCHEMA {schema} TO reader")
        tx.write(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
    guest = PostgresDatabase(store.location.replace("nbops@", "reader@"))
    assert noted(guest) == ["x"]
    with pytest.raises(StoreReadOnlyError, match="ask for the rights"):
        note(guest, "y")
    guest.close()


def test_a_store_without_tables_is_read_as_empty_and_made_by_the_first_write(store: PostgresDatabase) -> None:
    assert not store.exists() and noted(store) == [] and store.tables() == []
    note(store, "x")
    assert store.exists() and "events" in store.tables()
    with store.transaction() as tx:
        tx.write("UPDATE schema_version SET version = 0")
        for table in tx.tables():
            tx.write(f'DROP TABLE "{table}" CASCADE')
    reader = PostgresDatabase(store.location, read_only=True)
    assert noted(reader) == [] and not reader.exists()
    reader.close()
    store.close()
    note(store, "y")
    assert noted(store) == ["y"]


def test_a_tracked_notebook_is_recorded_on_the_server(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_STORE", postgres_server.database())
    (tmp_path / "nbops.toml").touch()
    cell = nbformat.v4.new_code_cell("import nbops\nlr = 0.1\nnbops.log_metric('loss', float('nan'))")
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), tmp_path / "n.ipynb")
    ws = open_workspace(tmp_path)
    run = run_notebook(ws, tmp_path / "n.ipynb", require_tracking=True)
    (record,) = records.of_run(ws.store, run.id)
    assert record.params == {"lr": 0.1}
    assert [repr(m.value) for m in records.metrics(ws.store, run.id)] == ["nan"]
    (notebook,) = records.artifacts(ws.store, run.id, "notebook")
    assert ws.artifacts.path(notebook.digest).is_relative_to(tmp_path / ".nbops" / "artifacts")
    assert list((tmp_path / ".nbops").glob("*.sqlite*")) == []
    ws.store.close()


def test_psycopg_is_imported_only_for_such_a_store(tmp_path: Path) -> None:
    code = "import sys; sys.modules['psycopg'] = None; from nbops.workspace import open_workspace; open_workspace()"
    plain = {k: v for k, v in os.environ.items() if not k.startswith("NBOPS_")}
    ran = subprocess.run([sys.executable, "-c", code], env=plain, cwd=tmp_path, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    plain["NBOPS_STORE"] = "postgresql:///x"
    ran = subprocess.run([sys.executable, "-c", code], env=plain, cwd=tmp_path, check=False, capture_output=True)
    assert b"pip install 'nbops[postgres]'" in ran.stderr


def test_statements_are_translated_and_what_is_quoted_is_left() -> None:
    assert dialect.statement("SELECT ':a', \":b\", x % 2 FROM t WHERE c = :c AND d LIKE '%x' OR e::text = :e") == (
        "SELECT ':a', \":b\", x %% 2 FROM t WHERE c = %(c)s AND d LIKE '%%x' OR e::text = %(e)s"
    )
    assert dialect.definition("CREATE TABLE t (\n  seq INTEGER PRIMARY KEY AUTOINCREMENT, x REAL DEFAULT 'REAL')") == (
        f"CREATE TABLE t ({dialect._ROWID}\n"
        "  seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, x DOUBLE PRECISION DEFAULT 'REAL')"
    )
    assert dialect.definition("-- a TEXT\nCREATE TABLE t (") == f"\nCREATE TABLE t ({dialect._ROWID}"
    assert dialect.definition("CREATE INDEX a ON b (c)") == "CREATE INDEX a ON b (c)"
    assert dialect.parameters({"a": float("nan"), "b": True, "c": 1.5}) == {"a": None, "b": 1, "c": 1.5}
