"""How two runs differ: parameters, metrics, data, where distributions moved, code, environment. The answer to "why is
it different", as far as it was recorded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbops.core.deployments import Severity
from nbops.core.difference import Change, Difference
from nbops.core.errors import CorruptArtifactError, UnknownNameError
from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, ModelUse, Run
from nbops.monitor.severity import compare
from nbops.profiles.profile import Profile
from nbops.reproduction.cells import source_text
from nbops.reproduction.named import named
from nbops.store import records, runs
from nbops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class _Side:
    run: Run
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    records: Sequence[CellRecord]


def difference(ws: Workspace, a: str, b: str) -> Difference:
    """What is other in run `b` than in run `a`.

    Parameters
    ----------
    ws : Workspace
    a, b : str
        Two runs, by whatever names them: an id or its beginning, a model version, a notebook
        (:func:`nbops.reproduction.named.named`).

    Returns
    -------
    Difference
        Data is told by its digests: which columns and how many rows; distributions are compared where both runs kept
        a profile of a model's training data; code as unified diffs of the cells' kept (redacted) text.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    mine, theirs = _side(ws, a), _side(ws, b)
    notes: list[str] = []
    changes = [
        *_values("parameter", mine.params, theirs.params),
        *_values("metric", mine.metrics, theirs.metrics),
        *_data(mine.records, theirs.records),
        *_distributions(ws, mine.records, theirs.records, notes),
        *_code(ws, mine, theirs, notes),
        *_environment(mine.run.environment, theirs.run.environment),
    ]
    return Difference(a=mine.run.id, b=theirs.run.id, changes=tuple(changes), notes=tuple(notes))


def _side(ws: Workspace, name: str) -> _Side:
    found, _ = named(ws, name)
    return _Side(
        run=found,
        params=runs.params(ws.store, found.id),
        metrics=records.latest_metrics(ws.store, [found.id])[found.id],
        records=records.of_run(ws.store, found.id),
    )


def _values(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*mine, *theirs]):
        if not _same(mine.get(name), theirs.get(name)):
            yield Change(what=what, name=name, a=mine.get(name), b=theirs.get(name))


def _data(mine: Sequence[CellRecord], theirs: Sequence[CellRecord]) -> Iterator[Change]:
    """Variables and files, each as it was last."""
    here, there = _uses(mine), _uses(theirs)
    for name in dict.fromkeys([*here, *there]):
        x, y = here.get(name), there.get(name)
        if x is not None and y is not None and x.digest == y.digest and (x.digest or x.reason == y.reason):
            continue
        why = _rows(x, y) + x.explain(y) if x and y else "only in one of them"
        yield Change(what="data", name=name, a=x.digest if x else None, b=y.digest if y else None, why=why)


def _uses(found: Sequence[CellRecord]) -> dict[str, Fingerprint]:
    uses = {use.name: use.fingerprint for r in found for use in (*r.reads, *r.writes)}
    files = {
        use.path: Fingerprint(
            kind="file", digest=use.digest, shape=() if use.size is None else (use.size,), reason=use.reason
        )
        for r in found
        for use in r.files
    }
    return uses | files


def _rows(x: Fingerprint, y: Fingerprint) -> str:
    if x.kind == y.kind == "file" or not x.shape or not y.shape or x.shape[0] == y.shape[0] or not x.columns:
        return ""
    return f"{abs(y.shape[0] - x.shape[0]):,} rows {'more' if y.shape[0] > x.shape[0] else 'fewer'}; "


def _distributions(
    ws: Workspace, mine: Sequence[CellRecord], theirs: Sequence[CellRecord], notes: list[str]
) -> Iterator[Change]:
    """Where what a model of the same name was trained on has moved, column by column, as drift is judged."""
    here, there = _profiled(mine), _profiled(theirs)
    said: set[str] = set()
    for name, use in here.items():
        other = there.get(name)
        if other is None or use.profile == other.profile:
            continue
        try:
            before, after = (Profile.from_bytes(ws.artifacts.read_bytes(u.profile or "")) for u in (use, other))
        except (UnknownNameError, CorruptArtifactError) as error:
            notes.append(f"the training data of {name} could not be compared: {error}")
            continue
        found = compare(before, after)
        for column in found:
            if column.severity in (Severity.WARN, Severity.ALERT) and column.why not in said:
                said.add(column.why)
                yield Change(
                    what="distribution",
                    name=f"{name}: {column.column}",
                    why=column.why.removeprefix(f"{column.column}: "),
                )
        if any(c.severity is Severity.UNKNOWN for c in found) and not any("too few" in n for n in notes):
            unknown = [c.column for c in found if c.severity is Severity.UNKNOWN]
            notes.append(f"distributions not judged ({name}): {', '.join(unknown[:5])}{' …' * (len(unknown) > 5)}")


def _profiled(found: Sequence[CellRecord]) -> dict[str, ModelUse]:
    return {use.name: use for r in found for use in r.models if use.profile}


def _code(ws: Workspace, mine: _Side, theirs: _Side, notes: list[str]) -> Iterator[Change]:
    left, right = [r.source for r in mine.records], [r.source for r in theirs.records]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            a = mine.records[i1 + offset] if i1 + offset < i2 else None
            b = theirs.records[j1 + offset] if j1 + offset < j2 else None
            yield _cell(ws, a, b, notes)
    modules_a, modules_b = mine.run.detail.get("modules") or {}, theirs.run.detail.get("modules") or {}
    for name in sorted({*modules_a, *modules_b}):
        if modules_a.get(name) != modules_b.get(name):
            texts = [_kept(ws, m.get(name)) for m in (modules_a, modules_b)]
            yield _changed(name, texts[0], texts[1], modules_a.get(name) is None, modules_b.get(name) is None)
    commits = [side.run.code.get("commit") for side in (mine, theirs)]
    if commits[0] != commits[1]:
        yield Change(what="code", name="git", a=commits[0], b=commits[1])


def _cell(ws: Workspace, a: CellRecord | None, b: CellRecord | None, notes: list[str]) -> Change:
    texts = [source_text(ws.artifacts, r)[0] if r is not None else None for r in (a, b)]
    here = a if a is not None else b
    name = f"cell [{here.execution_count or ' '}]" if here is not None else ""
    if any(t is None and r is not None for t, r in zip(texts, (a, b), strict=True)):
        notes.append(f"{name}: its text was not kept, so there is no diff of it")
    return _changed(name, texts[0], texts[1], a is None, b is None)


def _changed(name: str, a: str | None, b: str | None, new: bool, gone: bool) -> Change:
    """A cell or module that differs, with the diff if both texts are there (one that isn't there counts as empty)."""
    first, second = "" if new else a, "" if gone else b
    if first is None or second is None:
        return Change(what="code", name=name, why="differs")
    lines = list(
        difflib.unified_diff(first.splitlines(), second.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=2)
    )
    added = sum(x.startswith("+") for x in lines[2:])
    removed = sum(x.startswith("-") for x in lines[2:])
    why = "new" if new else "gone" if gone else f"+{added} −{removed} lines"
    if not lines:  # equal but for what was redacted, or white space at the end
        why = "differs in what was not kept (redacted), or in white space at its end"
    return Change(what="code", name=name, why=why, detail="\n".join(lines))


def _kept(ws: Workspace, digest: str | None) -> str | None:
    try:
        return ws.artifacts.read_bytes(digest).decode("utf-8", "replace") if digest else None
    except (UnknownNameError, CorruptArtifactError):
        return None


def _environment(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Change]:
    here = _versions(mine)
    there = _versions(theirs)
    for name in _both(here, there):
        if here[name] != there[name]:
            yield Change(what="environment", name=name, a=here[name], b=there[name])


def _versions(environment: Mapping[str, Any]) -> dict[str, Any]:
    python = environment.get("python")
    return ({"Python": python} if python else {}) | dict(environment.get("packages", {}))


# A package that only one of them has imported says nothing of the environment.
def _both(a: Iterable[str], b: Iterable[str]) -> list[str]:
    there = set(b)
    return [name for name in a if name in there]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and a != a and b != b:
        return True
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)
