"""Two executions of the same cells, compared by what their records hold: digests of data, models and files, the
values of metrics and parameters, how each cell ended.

Digests are equal or not: there is no tolerance for data that isn't kept. Metrics are numbers and have one. What has no
digest on one of the sides is "not compared", never "identical".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nbops.core.fingerprint import Fingerprint
from nbops.core.reproduction import CellComparison, Divergence, Finding, Verdict
from nbops.core.runs import SEARCH_TABLE, CellRecord, DataUse, FileUse, Metric, ModelUse
from nbops.reproduction.cells import Key
from nbops.reproduction.layout import Layout

OUTSIDE = {
    "url": "a URL",
    "database": "a database",
    "clock": "the time of day",
    "random": "unseeded random numbers",
}
"""Why a cell may come out otherwise, in the words of `CellRecord.uncacheable`."""
_WORST = (Verdict.DIFFERENT, Verdict.WITHIN, Verdict.IDENTICAL, Verdict.NOT_COMPARED)
_DATED = frozenset({".gz", ".pdf", ".svg", ".ps", ".eps"})  # files that hold when they were made
Alike = Callable[[str, str], Sequence[str]]
_INPUT = "input"
_TABLES = ("dataframe", "arrow table", "arrow record batch")
_TIMES = re.compile(r"(?:mean_|std_)?(?:fit|score)_time")  # what scikit-learn calls them, in results and their tables
_ITEM = re.compile(r".*\['([^']*)'\]")


def compared(
    then: Mapping[Key, CellRecord],
    now: Mapping[Key, CellRecord],
    *,
    where: Layout,
    rtol: float,
    lines: Mapping[int, str],
    alike: Alike = lambda _then, _now: (),
) -> tuple[CellComparison, ...]:
    """Each cell of the first execution with the same cell of the second.

    Parameters
    ----------
    rtol : float
        Metrics count as equal within this relative difference (of the larger one).
    lines : mapping
        The first line of each cell's code, for the report: {number of the cell: text}.
    alike : callable
        Given the digests of two model files: in what they differ, if that is nothing of the fit, and in nothing else.
    """
    found: dict[int, list[Finding]] = {}
    for key in sorted({*then, *now}):
        found.setdefault(key[0], []).extend(_cell(then.get(key), now.get(key), where, rtol, alike))
    return tuple(
        CellComparison(
            cell=number,
            line=lines.get(number, ""),
            verdict=worst(f.verdict for f in findings),
            findings=tuple(findings),
        )
        for number, findings in found.items()
    )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several: different, then within tolerance, then identical; "not compared" where nothing was."""
    there = set(verdicts)
    return next((v for v in _WORST if v in there), Verdict.NOT_COMPARED)


def first_divergence(cells: Sequence[CellComparison], outside: Mapping[int, Iterable[str]]) -> Divergence | None:
    """The first thing that differs, in the order of the cells and of what a cell does. A changed input is a cause,
    not a place: what it first changed is named, and the input only if it changed nothing.

    `outside` says what else each cell depends on ("url", "clock", …)."""
    different = [(c, f) for c in cells for f in c.findings if f.verdict is Verdict.DIFFERENT]
    chosen = next((pair for pair in different if pair[1].what != _INPUT), None) or next(iter(different), None)
    if chosen is None:
        return None
    cell, finding = chosen
    why = finding.why
    reasons = sorted({OUTSIDE.get(reason, reason) for reason in outside.get(cell.cell, ())})
    if reasons:
        why += f" (the cell uses {', '.join(reasons)})"
    return Divergence(cell=cell.cell, what=finding.what, name=finding.name, column=finding.column, why=why)


def _cell(then: CellRecord | None, now: CellRecord | None, where: Layout, rtol: float, alike: Alike) -> list[Finding]:
    if then is None or now is None:
        why = "recorded this time only" if then is None else "not recorded this time"
        return [Finding(what="outcome", name="cell", verdict=Verdict.DIFFERENT, why=why)]
    found = [*_files(_INPUT, "read", then, now, where)]
    found += _data("data read", then.reads, now.reads)
    found += _params(then.params, now.params, where)
    found += _data("data written", then.writes, now.writes)
    found += _models(then, now, alike)
    found += _metrics(then.metrics, now.metrics, rtol)
    found += _files("file written", "write", then, now, where)
    if then.status is not now.status or _name(then.error) != _name(now.error):
        why = f"{then.error or then.status} became {now.error or now.status}"
        found.append(Finding(what="outcome", name="cell", verdict=Verdict.DIFFERENT, why=why))
    return found


def _data(what: str, then: Sequence[DataUse], now: Sequence[DataUse]) -> Iterator[Finding]:
    for name, mine, theirs in _paired({u.name: u.fingerprint for u in then}, {u.name: u.fingerprint for u in now}):
        if mine is None or theirs is None:
            if not name.startswith("Out["):  # numbered as the cells ran, untracked ones too: the data has another name
                yield _only(what, name, mine is None)
        elif mine.digest is None or theirs.digest is None:
            yield Finding(what=what, name=name, verdict=Verdict.NOT_COMPARED, why=mine.reason or theirs.reason or "")
        elif mine.digest == theirs.digest:
            yield Finding(what=what, name=name, verdict=Verdict.IDENTICAL)
        elif times := _only_times(name, mine, theirs):
            why = f"it differs in how long something took ({', '.join(times)}), and in nothing else"
            yield Finding(what=what, name=name, verdict=Verdict.NOT_COMPARED, why=why)
        else:
            column = first_column(mine, theirs)
            yield Finding(what=what, name=name, verdict=Verdict.DIFFERENT, why=mine.explain(theirs), column=column)


def _only_times(name: str, mine: Fingerprint, theirs: Fingerprint) -> list[str]:
    """The columns of a table, or the item of a dict, in which scikit-learn says how long something took, if the two
    differ in nothing else."""
    if mine.shape != theirs.shape or mine.kind != theirs.kind:
        return []
    item = _ITEM.fullmatch(name)
    if item is not None and mine.kind not in _TABLES:
        return [item[1]] if _TIMES.fullmatch(item[1]) else []
    if [c.name for c in mine.columns] != [c.name for c in theirs.columns]:
        return []
    changed = [a.name or "" for a, b in zip(mine.columns, theirs.columns, strict=True) if a != b]
    return changed if all(map(_TIMES.fullmatch, changed)) else []


def first_column(a: Fingerprint, b: Fingerprint) -> str | None:
    """The first column of a table that is other in `b`; None for what has no columns."""
    if a.kind not in _TABLES or b.kind not in _TABLES:
        return None
    there = {c.name: c for c in b.columns}
    changed = (c.name for c in a.columns if c.name and there.get(c.name) != c)
    return next(changed, None) or next((c.name for c in b.columns if c.name not in {x.name for x in a.columns}), None)


def _files(what: str, mode: str, then: CellRecord, now: CellRecord, where: Layout) -> Iterator[Finding]:
    mine_by = {where.below(u.path) or u.path: u for u in then.files if u.mode == mode}
    theirs_by = {where.back(u.path): u for u in now.files if u.mode == mode}
    theirs_by = {where.below(path) or path: u for path, u in theirs_by.items()}
    for name, mine, theirs in _paired(mine_by, _renamed(mine_by, theirs_by)):
        if mine is None or theirs is None:
            yield _only(what, name, mine is None)
        elif mine.digest is None or theirs.digest is None:
            why = mine.reason or theirs.reason or ""
            yield Finding(what=what, name=name, verdict=Verdict.NOT_COMPARED, why=why)
        elif mine.digest == theirs.digest:
            yield Finding(what=what, name=name, verdict=Verdict.IDENTICAL)
        elif what != _INPUT and mine.size == theirs.size and PurePosixPath(name).suffix.lower() in _DATED:
            why = "same size, other content; but such a file holds when it was made"
            yield Finding(what=what, name=name, verdict=Verdict.NOT_COMPARED, why=why)
        else:
            yield Finding(what=what, name=name, verdict=Verdict.DIFFERENT, why=_sizes(mine, theirs))


def _renamed(then: Mapping[str, FileUse], now: Mapping[str, FileUse]) -> dict[str, FileUse]:
    """Files of now by the names of then: libraries give parts of a dataset random ones, in the same folder."""
    gone: dict[tuple[PurePosixPath, str | None], list[str]] = {}
    for name, use in then.items():
        if name not in now and use.digest is not None:
            gone.setdefault((PurePosixPath(name).parent, use.digest), []).append(name)
    found = {}
    for name, use in now.items():
        names = gone.get((PurePosixPath(name).parent, use.digest)) if name not in then else None
        found[names.pop(0) if names else name] = use
    return found


def _params(then: Mapping[str, Any], now: Mapping[str, Any], where: Layout) -> Iterator[Finding]:
    for name in dict.fromkeys([*then, *now]):
        if (name in then) != (name in now):
            yield _only("parameter", name, name not in then)
            continue
        mine, theirs = then[name], where.back(now[name])
        same = mine == theirs and type(mine) is type(theirs)
        yield Finding(
            what="parameter",
            name=name,
            verdict=Verdict.IDENTICAL if same else Verdict.DIFFERENT,
            why="" if same else f"{mine!r:.60} became {theirs!r:.60}",
        )


def _models(then: CellRecord, now: CellRecord, alike: Alike) -> Iterator[Finding]:
    tables = [[a.digest for a in record.artifacts if a.name == SEARCH_TABLE] for record in (then, now)]
    for name, mine, theirs in _paired(_numbered(then.models), _numbered(now.models)):
        if mine is None or theirs is None:
            yield _only("model", name, mine is None)
        elif mine.digest is None or theirs.digest is None:
            why = mine.reason or theirs.reason or "it was not kept"
            yield Finding(what="model", name=name, verdict=Verdict.NOT_COMPARED, why=why)
        elif mine.digest == theirs.digest:
            yield Finding(what="model", name=name, verdict=Verdict.IDENTICAL)
        elif mine.type == theirs.type and (parts := alike(mine.digest, theirs.digest)):
            why = f"but for {', '.join(parts)}, which are not of the fit"
            yield Finding(what="model", name=name, verdict=Verdict.IDENTICAL, why=why)
        elif _is_same_search(mine, theirs) and tables[0] and tables[0] == tables[1]:
            why = (
                "its file keeps how long its fits took; data, parameters and the scores of all candidates are the same"
            )
            yield Finding(what="model", name=name, verdict=Verdict.NOT_COMPARED, why=why)
        else:
            yield Finding(what="model", name=name, verdict=Verdict.DIFFERENT, why=_model_why(mine, theirs))


def _is_same_search(mine: ModelUse, theirs: ModelUse) -> bool:
    return (
        "best_params_" in mine.params
        and (mine.type, mine.params, mine.trained_on) == (theirs.type, theirs.params, theirs.trained_on)
        and mine.trained_on is not None
    )


def _metrics(then: Sequence[Metric], now: Sequence[Metric], rtol: float) -> Iterator[Finding]:
    for name, mine, theirs in _paired(_numbered(then), _numbered(now)):
        if mine is None or theirs is None:
            yield _only("metric", name, mine is None)
            continue
        a, b = mine.value, theirs.value
        if a == b or (a != a and b != b):
            yield Finding(what="metric", name=name, verdict=Verdict.IDENTICAL)
            continue
        near = math.isclose(a, b, rel_tol=rtol)
        relative = abs(a - b) / max(abs(a), abs(b)) if math.isfinite(a) and math.isfinite(b) else math.inf
        yield Finding(
            what="metric",
            name=name,
            verdict=Verdict.WITHIN if near else Verdict.DIFFERENT,
            why=f"{a!r} became {b!r} ({relative:.2g} relative)",
        )


def _model_why(mine: ModelUse, theirs: ModelUse) -> str:
    if mine.type != theirs.type:
        return f"{mine.type} became {theirs.type}"
    params = [k for k in dict.fromkeys([*mine.params, *theirs.params]) if mine.params.get(k) != theirs.params.get(k)]
    if params:
        return f"its parameters differ: {', '.join(params)}"
    if mine.trained_on and theirs.trained_on and mine.trained_on != theirs.trained_on:
        return "it was fitted on other data"
    same = "parameters and data" if mine.trained_on and mine.trained_on == theirs.trained_on else "parameters"
    return f"what was fitted differs, with the same {same}"


def _numbered(uses: Sequence[Any]) -> dict[str, Any]:
    """By name; the second of one name is called ``name (2)``."""
    found: dict[str, Any] = {}
    for use in uses:
        number = sum(u.name == use.name for u in found.values()) + 1
        found[use.name if number == 1 else f"{use.name} ({number})"] = use
    return found


def _paired(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*then, *now]):
        yield name, then.get(name), now.get(name)


def _only(what: str, name: str, new: bool) -> Finding:
    why = "there this time only" if new else "not there this time"
    return Finding(what=what, name=name, verdict=Verdict.DIFFERENT, why=why)


def _sizes(mine: FileUse, theirs: FileUse) -> str:
    if mine.size != theirs.size and mine.size is not None and theirs.size is not None:
        return f"{mine.size:,} bytes became {theirs.size:,}"
    return "same size, other content"


def _name(error: str | None) -> str | None:
    return error.partition(":")[0] if error else None
