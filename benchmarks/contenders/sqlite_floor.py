"""What any tracker that keeps its metadata in SQLite has to do at least: the rows, in transactions, on disk."""

from __future__ import annotations

import json
import sqlite3
import sys
import time


def main(work: str, count: int) -> None:
    connection = sqlite3.connect("floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT, at REAL)")
    connection.execute("CREATE TABLE params (run INTEGER, key TEXT, value TEXT)")
    connection.execute("CREATE TABLE metrics (run INTEGER, key TEXT, step INTEGER, value REAL)")
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        (run if work == "run" else steps)(connection, number)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"versions": {"sqlite": sqlite3.sqlite_version}, "seconds": seconds}))


def run(connection: sqlite3.Connection, number: int) -> None:
    """One transaction of 21 rows."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO runs VALUES (?, 'COMPLETED', ?)", (number, time.time()))
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", [(number, f"p{i}", str(i)) for i in range(10)])
    connection.executemany("INSERT INTO metrics VALUES (?, ?, 0, ?)", [(number, f"m{i}", i / 10) for i in range(10)])
    connection.execute("COMMIT")


def steps(connection: sqlite3.Connection, number: int) -> None:
    """10,000 rows, a commit each."""
    for step in range(10_000):
        connection.execute("INSERT INTO metrics VALUES (?, 'loss', ?, ?)", (number, step, 1 / (step + 1)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
