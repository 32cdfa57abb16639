"""Databases: query text, the database without credentials, and the result by its fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest
from instrumented_cells import PREPARE, Cells

import needs
from nbops.fingerprints.fingerprint import fingerprint


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    made.plain("""
import sqlite3
with sqlite3.connect("rides.db") as c: df.to_sql("rides", c, index=False)
c.close()
""")
    yield made
    made.instruments.uninstall()


def queries(seen):
    return [a for a in seen.artifacts if a.kind == "query"]


def test_pandas_reads_by_a_query(cells):
    seen = cells.run("""
c = sqlite3.connect("rides.db")
z = pd.read_sql("select a, b from rides where a > 0", c)
whole = pd.read_sql_query(sql="select * from rides", con=c)
chunks = [len(chunk) for chunk in pd.read_sql("select b from rides", c, chunksize=50)]
c.close()
""")
    first, second, third = queries(seen)
    assert cells.workspace.artifacts.read_bytes(first.digest) == b"select a, b from rides where a > 0"
    z = fingerprint(cells.namespace["z"])
    assert first.about == {
        "database": "sqlite:///rides.db",
        "query": "select a, b from rides where a > 0",
        "line": 3,
        "result": z.digest,
        "shape": list(z.shape),
    }
    assert second.about["result"] == fingerprint(cells.namespace["whole"]).digest
    assert "result" not in third.about  # it came in pieces
    assert (seen.uncacheable, seen.notes) == (("database",), ())


def test_the_same_query_with_another_result_is_another_record(cells):
    seen = cells.run("""
c = sqlite3.connect("rides.db")
one = pd.read_sql("select count(*) as n from rides", c)
again = pd.read_sql("select count(*) as n from rides", c)
c.execute("delete from rides where a > 0")
two = pd.read_sql("select count(*) as n from rides", c)
c.close()
""")
    counts = [q for q in queries(seen) if "count" in q.about["query"]]
    assert [q.about["result"] for q in counts] == [fingerprint(cells.namespace[n]).digest for n in ("one", "two")]


def test_what_the_text_calls_on_a_sqlite_connection(cells):
    cells.plain('c = sqlite3.connect("rides.db")')
    seen = cells.run("""
cursor = c.cursor()
wanted = "select a from rides where b > ?"
rows = c.execute(wanted, (0,)).fetchall()
cursor.execute("select b from rides")
table = "rides"
n = c.execute(f"select count(*) from {table}").fetchone()[0]
class Other:
    def execute(self, text): return text
Other().execute("nothing of ours")
""")
    cells.plain("c.close()")
    found = queries(seen)
    assert [q.about["query"] for q in found] == [
        "select a from rides where b > ?",
        "select b from rides",
        "f'select count(*) from {table}'",
    ]
    assert found[0].about["result"] == fingerprint(cells.namespace["rows"]).digest
    assert found[0].about["shape"] == [len(cells.namespace["rows"])]
    assert {q.about["database"] for q in found} == {"sqlite:///"}  # it was opened where nobody looked


def test_sqlalchemy(cells):
    try:
        import sqlalchemy  # noqa: F401
    except ImportError:
        needs.missing("sqlalchemy")
    seen = cells.run("""
from sqlalchemy import create_engine, text
engine = create_engine("sqlite:///rides.db")
with engine.connect() as link:
    rows = link.execute(text("select a from rides where b > :least"), {"least": 0}).fetchall()
    link.execute(text("delete from rides where a > 1"))
    link.commit()
frame = pd.read_sql_query("select * from rides", engine)
engine.dispose()
""")
    select, delete, read = queries(seen)
    assert select.about["query"] == "select a from rides where b > ?"
    assert select.about["result"] == fingerprint([tuple(r) for r in cells.namespace["rows"]]).digest
    assert (delete.about["query"], "result" in delete.about) == ("delete from rides where a > 1", False)
    assert read.about["result"] == fingerprint(cells.namespace["frame"]).digest
    assert {q.about["database"] for q in (select, delete, read)} == {"sqlite:///rides.db"}
    assert seen.notes == ()


def test_credentials_and_secrets_are_left_out(cells):
    from nbops.capture.instruments.queries import database_of

    cells.namespace["Url"] = type("Url", (), {"drivername": "postgresql", "__str__": lambda self: ""})
    cells.run("1")
    said: list[str] = []

    class Watch:
        class files:  # noqa: N801
            connected = staticmethod(lambda path, cause: said.append(path))

    assert database_of(Watch, "postgresql://app:hunter2Zq@db.example.org:5432/rides") == said[0]
    assert said == ["postgresql://db.example.org:5432/rides"]
    seen = cells.run("""
c = sqlite3.connect("rides.db")
z = pd.read_sql("select a from rides where 'password=hunter2Zq' <> ''", c)
c.close()
""")
    (query,) = queries(seen)
    assert b"hunter2Zq" not in cells.workspace.artifacts.read_bytes(query.digest)
    assert "hunter2Zq" not in query.about["query"]


def test_polars_reads_and_writes(cells, tmp_path):
    try:
        import polars
    except ImportError:
        needs.missing("polars")
    seen = cells.run("""
import polars as pl
p = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
p.write_csv("p.csv"); p.write_parquet("p.parquet"); p.lazy().sink_ipc("p.ipc")
""")
    assert sorted((f.path, f.mode, f.digest) for f in seen.files) == [
        (name, "write", fingerprint(tmp_path / name).digest) for name in ("p.csv", "p.ipc", "p.parquet")
    ]
    seen = cells.run("""
one, two = pl.read_csv("p.csv"), pl.scan_parquet("p.parq*").collect()
c = sqlite3.connect("rides.db"); three = pl.read_database("select a from rides", c); c.close()
""")
    assert sorted((f.path, f.mode) for f in seen.files if f.digest) == [("p.csv", "read"), ("p.parquet", "read")]
    (query,) = queries(seen)
    assert query.about["result"] == fingerprint(cells.namespace["three"]).digest is not None
    assert polars.DataFrame({"a": [1]}).equals(polars.DataFrame({"a": [1]}))
