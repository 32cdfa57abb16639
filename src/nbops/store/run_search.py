"""Runs by filter, order and page, with what a list shows of each; all of it decided by the database.

What is fast and why: the newest runs, or those with the best metric, come from an index in order, so that a page costs
what it shows. A comparison looks up one row a run by primary key. The number of all that match is counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import UsageError, suggestion
from nbops.core.run_filter import Both, Comparison, Either, Not, Term, Word, parse_filter
from nbops.core.runs import Run
from nbops.store import records
from nbops.store.database import Reader
from nbops.store.runs import shown

SORTS = ("started_at", "name", "status", "kind", "seconds")
MOST = 1000
"""Rows that one page may have."""
_FEW = 5000  # so many are sorted as they are; of more the first ones come from an index
_COLUMNS = {f: f"r.{f}" for f in ("name", "status", "kind", "experiment", "notebook", "id", "started_at", "parent")}
_TESTS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run with its parameters and the last value of each metric. The run is light: what it holds of code,
    environment and detail is left out."""

    run: Run
    params: Mapping[str, Any]
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Page:
    items: tuple[Row, ...]
    total: int
    limit: int
    offset: int


def search(
    reader: Reader,
    *,
    filter: str = "",
    sort: str = "started_at",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
    columns: Sequence[str] | None = None,
) -> Page:
    """A page of runs.

    Parameters
    ----------
    filter : str
        See :mod:`nbops.core.run_filter`.
    sort : str
        started_at, name, status, kind, seconds, metrics.NAME or params.NAME; runs without a value come last.
    limit, offset : int
        At most 1,000 rows, after `offset`.
    columns : sequence of str, optional
        ``params.NAME`` and ``metrics.NAME`` to give with each run; by default all.

    Raises
    ------
    UsageError
        For a filter that can't be read or an unknown column to sort by.
    """
    if not 1 <= limit <= MOST or offset < 0:
        raise UsageError(f"a page has 1 to {MOST:,} rows and begins at 0 or later, not {limit} rows from {offset}")
    made = _Condition()
    term = parse_filter(filter)
    where = made.sql(term) if term is not None else "1 = 1"
    counted = reader.row(f"SELECT count(*) AS n FROM runs r WHERE {where}", **made.params)
    total = int(counted["n"]) if counted else 0
    found = _sorted(reader, where, made.params, total, sort, descending, limit, offset)
    return Page(items=_rows(reader, found, columns), total=total, limit=limit, offset=offset)


def rows_of(reader: Reader, run_ids: Sequence[str]) -> tuple[Row, ...]:
    """These runs, in this order."""
    marks = {f"r{i}": run_id for i, run_id in enumerate(run_ids)}
    names = ", ".join(":" + m for m in marks)
    found = (
        {r["id"]: r for r in reader.rows(f"SELECT id, body FROM runs WHERE id IN ({names})", **marks)} if marks else {}
    )
    return _rows(reader, [found[i] for i in run_ids if i in found], None)


def columns(reader: Reader) -> dict[str, list[str]]:
    """The names of all parameters and metrics there are."""
    return {
        "params": _distinct(reader, "params"),
        "metrics": _distinct(reader, "run_metrics"),
    }


def params_of(reader: Reader, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The parameters of several runs."""
    found: dict[str, dict[str, Any]] = {run_id: {} for run_id in run_ids}
    marks = {f"r{i}": run_id for i, run_id in enumerate(run_ids)}
    if marks:
        names = ", ".join(":" + m for m in marks)
        for row in reader.rows(
            f"SELECT run, key, value FROM params WHERE run IN ({names}) ORDER BY run, rowid", **marks
        ):
            found[row["run"]][row["key"]] = parse(row["value"])
    return found


def _rows(reader: Reader, found: Sequence[Any], columns: Sequence[str] | None) -> tuple[Row, ...]:
    ids = [row["id"] for row in found]
    params, metrics = params_of(reader, ids), records.latest_metrics(reader, ids)
    return tuple(
        Row(
            run=shown(_light(row["body"])),
            params=_chosen(params[row["id"]], "params", columns),
            metrics=_chosen(metrics[row["id"]], "metrics", columns),
        )
        for row in found
    )


def _distinct(reader: Reader, table: str) -> list[str]:
    """The different keys, each found by one step in the index: there may be millions of rows."""
    found: list[str] = []
    row = reader.row(f"SELECT min(key) AS key FROM {table}")
    while row is not None and row["key"] is not None:
        found.append(row["key"])
        row = reader.row(f"SELECT min(key) AS key FROM {table} WHERE key > :key", key=row["key"])
    return found


def _sorted(
    reader: Reader,
    where: str,
    params: Mapping[str, Any],
    total: int,
    sort: str,
    descending: bool,
    limit: int,
    offset: int,
) -> list[Any]:
    way = "DESC" if descending else "ASC"
    space, dot, name = sort.partition(".")
    if not (dot and space in ("metrics", "params") and name):
        if sort not in SORTS:
            known = [*SORTS, "metrics.NAME", "params.NAME"]
            raise UsageError(f"runs can't be sorted by {sort!r}{suggestion(sort, known, limit=len(known))}")
        return reader.rows(
            f"SELECT r.id, r.body FROM runs r WHERE {where} ORDER BY r.{sort} {way}, r.rowid {way}"
            " LIMIT :_limit OFFSET :_offset",
            **params,
            _limit=limit,
            _offset=offset,
        )
    table, value = ("run_metrics", "value") if space == "metrics" else ("params", "number")
    given = {**params, "_key": name}
    if total <= _FEW:
        return reader.rows(
            f"SELECT r.id, r.body FROM runs r LEFT JOIN {table} s ON s.run = r.id AND s.key = :_key WHERE {where}"
            f" ORDER BY s.{value} IS NULL, s.{value} {way}, r.started_at DESC, r.rowid DESC"
            " LIMIT :_limit OFFSET :_offset",
            **given,
            _limit=limit,
            _offset=offset,
        )
    # Those that have the value, in the index's order; then, if the page has room, those that have none.
    found = reader.rows(
        f"SELECT r.id, r.body FROM {table} s JOIN runs r ON r.id = s.run"
        f" WHERE s.key = :_key AND s.{value} IS NOT NULL AND {where} ORDER BY s.{value} {way}, s.run {way}"
        " LIMIT :_limit OFFSET :_offset",
        **given,
        _limit=limit,
        _offset=offset,
    )
    if len(found) == limit:
        return found
    there = reader.row(
        f"SELECT count(*) AS n FROM {table} s JOIN runs r ON r.id = s.run"
        f" WHERE s.key = :_key AND s.{value} IS NOT NULL AND {where}",
        **given,
    )
    return found + reader.rows(
        f"SELECT r.id, r.body FROM runs r WHERE NOT EXISTS (SELECT 1 FROM {table} s WHERE s.run = r.id"
        f" AND s.key = :_key AND s.{value} IS NOT NULL) AND {where} ORDER BY r.started_at DESC, r.rowid DESC"
        " LIMIT :_limit OFFSET :_offset",
        **given,
        _limit=limit - len(found),
        _offset=max(offset - (int(there["n"]) if there else 0), 0),
    )


class _Condition:
    """SQL of a tree; values go into `params`, never into the text."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def sql(self, term: Term) -> str:
        match term:
            case Both(terms=terms):
                return "(" + " AND ".join(self.sql(t) for t in terms) + ")"
            case Either(terms=terms):
                return "(" + " OR ".join(self.sql(t) for t in terms) + ")"
            case Not(term=inner):
                return f"NOT {self.sql(inner)}"
            case Word(text=text):
                return self._word(text)
            case Comparison():
                return self._comparison(term)

    def _word(self, text: str) -> str:
        mark = self._mark(_like(text))
        parts = [f"lower(coalesce(r.{c}, '')) LIKE {mark} ESCAPE '\\'" for c in ("name", "notebook", "experiment")]
        return f"({' OR '.join([*parts, f'r.id LIKE {self._mark(_like(text, start=True))} ESCAPE {_BACKSLASH}'])})"

    def _comparison(self, c: Comparison) -> str:
        if c.space == "run":
            return self._field(c)
        table = "params" if c.space == "params" else "run_metrics"
        # not EXISTS: that would be asked of every run, where this looks once at an index
        exists = f"r.id IN (SELECT v.run FROM {table} v WHERE v.key = {self._mark(c.field)}"
        if c.value is None:
            known = f"{exists} AND v.value {'IS NOT NULL' if table == 'run_metrics' else '<> ' + self._mark('null')})"
            return f"NOT {known}" if c.operator == "=" else known
        negated = c.operator in ("!=", "!~")
        plain = {"!=": "=", "!~": "~"}.get(c.operator, c.operator)
        test = self._metric(plain, c) if table == "run_metrics" else self._param(plain, c)
        return f"{'NOT ' if negated else ''}{exists} AND {test})"

    def _metric(self, operator: str, c: Comparison) -> str:
        if isinstance(c.value, bool) or not isinstance(c.value, (int, float)) or operator == "~":
            raise UsageError(f"metrics.{c.field} is a number; compare it with one, not {c.value!r}")
        return f"v.value {_TESTS[operator]} {self._mark(float(c.value))}"

    def _param(self, operator: str, c: Comparison) -> str:
        if operator == "~":
            return f"lower(v.value) LIKE {self._mark(_like(str(c.value)))} ESCAPE '\\'"
        if isinstance(c.value, (int, float)) and not isinstance(c.value, bool):
            return f"v.number {_TESTS[operator]} {self._mark(float(c.value))}"
        if operator == "=":
            mark = self._mark(canonical(c.value))
            return f"v.number IS NULL AND substr(v.value, 1, 200) = substr({mark}, 1, 200) AND v.value = {mark}"
        return f"v.number IS NULL AND v.value {_TESTS[operator]} {self._mark(canonical(c.value))}"

    def _field(self, c: Comparison) -> str:
        if c.field == "seconds":
            if isinstance(c.value, bool) or not isinstance(c.value, (int, float)) or c.operator not in _TESTS:
                raise UsageError(f"seconds is a number; compare it with one, not {c.value!r}")
            return f"(r.seconds IS NOT NULL AND r.seconds {_TESTS[c.operator]} {self._mark(float(c.value))})"
        if c.field == "tag":
            held = f"r.tags LIKE {self._mark(f'%{_escaped(canonical(str(c.value)))}%')} ESCAPE {_BACKSLASH}"
            return f"NOT {held}" if c.operator.startswith("!") else held
        column = _COLUMNS[c.field]
        if c.value is None:
            return f"{column} IS {'NOT ' if c.operator != '=' else ''}NULL"
        text = str(c.value)
        if c.operator in ("~", "!~"):
            test = f"lower(coalesce({column}, '')) LIKE {self._mark(_like(text))} ESCAPE '\\'"
            return f"NOT {test}" if c.operator == "!~" else test
        if c.field == "status":
            text = text.upper()
        return f"coalesce({column}, '') {_TESTS[c.operator]} {self._mark(text)}"

    def _mark(self, value: Any) -> str:
        name = f"f{len(self.params)}"
        self.params[name] = value
        return f":{name}"


_BACKSLASH = "'\\'"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _like(text: str, *, start: bool = False) -> str:
    return f"{'' if start else '%'}{_escaped(text.lower())}%"


def _light(body: str) -> Run:
    data = parse(body)
    for heavy in ("code", "environment", "detail"):
        data.pop(heavy, None)
    return wire.from_json(Run, data)


def _chosen(values: Mapping[str, Any], space: str, columns: Sequence[str] | None) -> Mapping[str, Any]:
    if columns is None:
        return values
    return {k: v for k, v in values.items() if f"{space}.{k}" in columns}
