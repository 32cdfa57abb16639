"""How two runs differ: parameters, metrics, data, where distributions moved, code, environment. The answer to "why is
it different", as far as it was recorded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.catalog.table import whole_profile
from nbops.core.deployments import Severity
from nbops.core.difference import Change, Difference
from nbops.core.errors import CorruptArtifactError, NbopsError, UnknownNameError
from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, ModelUse, Run, RunKind
from nbops.monitor.severity import compare
from nbops.profiles.profile import Profile
from nbops.reproduction.cells import recorded, source_text
from nbops.reproduction.named import named
from nbops.store import records, runs
from nbops.workspace import Workspace

_TABLES = (".csv", ".tsv", ".parquet", ".pq")
_MOST_BYTES = 100_000_000  # of a file that is read again to be compared
_MOST_FILES = 5


@dataclass(frozen=True, kw_only=True)
class _Side:
    """`steps` names the steps of a pipeline's run by their runs' ids; it is empty for any other run."""

    run: Run
    steps: Mapping[str, str]
    modules: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    records: Sequence[CellRecord]

    def called(self, record: CellRecord, name: str) -> str:
        """A name of a record's, with the step it is of."""
        step = self.steps.get(record.run)
        return f"{step}: {name}" if step else name


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
        a profile of a model's training data, and of files whose content is kept; code as unified diffs of the cells'
        kept (redacted) text.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    mine, theirs = _side(ws, a), _side(ws, b)
    notes: list[str] = []
    changes = [
        *_values("parameter", mine.params, theirs.params),
        *_values("metric", mine.metrics, theirs.metrics),
        *_data(mine, theirs),
        *_distributions(ws, mine, theirs, notes),
        *_code(ws, mine, theirs, notes),
        *_environment(mine.run.environment, theirs.run.environment),
    ]
    return Difference(a=mine.run.id, b=theirs.run.id, changes=tuple(changes), notes=tuple(notes))


def _side(ws: Workspace, name: str) -> _Side:
    found, _ = named(ws, name)
    family = [found] if found.kind is not RunKind.PIPELINE else _steps(ws, found)
    blocks = [c for r in family for c in runs.children(ws.store, r.id) if c.kind is RunKind.BLOCK]
    parts = [*family, *blocks]
    metrics = records.latest_metrics(ws.store, [r.id for r in parts])
    return _Side(
        run=found,
        steps={r.id: r.name for r in family} if found.kind is RunKind.PIPELINE else {},
        modules={path: made for r in family for path, made in (r.detail.get("modules") or {}).items()},
        params={k: v for r in [*parts, found] for k, v in runs.params(ws.store, r.id).items()},
        metrics={k: v for r in parts for k, v in metrics[r.id].items()},
        records=[record for r in family for record in recorded(ws.store, r)],
    )


def _steps(ws: Workspace, run: Run) -> list[Run]:
    """The steps of a pipeline's run; one that was not executed because nothing had changed is the run that made what it
    stands for."""
    steps = [r for r in runs.family(ws.store, run.id) if r.kind is RunKind.STEP]
    return [runs.as_stored(ws.store, str(r.detail["cached_from"])) if "cached_from" in r.detail else r for r in steps]


def _values(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*mine, *theirs]):
        if not _same(mine.get(name), theirs.get(name)):
            yield Change(what=what, name=name, a=mine.get(name), b=theirs.get(name))


def _data(mine: _Side, theirs: _Side) -> Iterator[Change]:
    """Variables and files, each as it was last."""
    here, there = _uses(mine), _uses(theirs)
    for name in dict.fromkeys([*here, *there]):
        x, y = here.get(name), there.get(name)
        if x is not None and y is not None and x.digest == y.digest and (x.digest or x.reason == y.reason):
            continue
        why = _rows(x, y) + x.explain(y) if x and y else f"only in {(mine if x else theirs).run.id[:8]}"
        yield Change(what="data", name=name, a=x.digest if x else None, b=y.digest if y else None, why=why)


def _uses(side: _Side) -> dict[str, Fingerprint]:
    uses = {side.called(r, use.name): use.fingerprint for r in side.records for use in (*r.reads, *r.writes)}
    files = {
        use.path: Fingerprint(
            kind="file", digest=use.digest, shape=() if use.size is None else (use.size,), reason=use.reason
        )
        for r in side.records
        for use in r.files
    }
    return uses | files


def _rows(x: Fingerprint, y: Fingerprint) -> str:
    if x.kind == y.kind == "file" or not x.shape or not y.shape or x.shape[0] == y.shape[0] or not x.columns:
        return ""
    n = abs(y.shape[0] - x.shape[0])
    return f"{n:,} row{'s' * (n != 1)} {'more' if y.shape[0] > x.shape[0] else 'fewer'}; "


def _distributions(ws: Workspace, mine: _Side, theirs: _Side, notes: list[str]) -> Iterator[Change]:
    """Where what a model of the same name was trained on has moved, and files whose content is kept; column by column,
    as drift is judged."""
    said: set[str] = set()
    for name, before, after in (*_trainings(ws, mine, theirs, notes), *_files(ws, mine, theirs, notes)):
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


def _trainings(ws: Workspace, mine: _Side, theirs: _Side, notes: list[str]) -> Iterator[tuple[str, Profile, Profile]]:
    here, there = _profiled(mine), _profiled(theirs)
    for name, use in here.items():
        other = there.get(name)
        if other is None or use.profile == other.profile:
            continue
        try:
            before, after = (Profile.from_bytes(ws.artifacts.read_bytes(u.profile or "")) for u in (use, other))
        except (UnknownNameError, CorruptArtifactError) as error:
            notes.append(f"the training data of {name} could not be compared: {error}")
            continue
        yield name, before, after


def _files(ws: Workspace, mine: _Side, theirs: _Side, notes: list[str]) -> Iterator[tuple[str, Profile, Profile]]:
    """Tables that both read from a file of the same name, with other content."""
    here, there = ({f.path: f for r in side.records for f in r.files if f.mode == "read"} for side in (mine, theirs))
    changed = [
        path
        for path, file in here.items()
        if path in there and file.digest and there[path].digest and file.digest != there[path].digest
        if Path(path).suffix.lower() in _TABLES and max(file.size or 0, there[path].size or 0) <= _MOST_BYTES
    ]
    for path in changed[:_MOST_FILES]:
        try:
            before, after = (whole_profile(ws, side[path].digest or "") for side in (here, there))
        except (NbopsError, ValueError, OSError):
            notes.append(f"the distributions of {path} could not be compared: its content is not kept, or is no table")
            continue
        yield path, before, after


def _profiled(side: _Side) -> dict[str, ModelUse]:
    return {side.called(r, use.name): use for r in side.records for use in r.models if use.profile}


def _code(ws: Workspace, mine: _Side, theirs: _Side, notes: list[str]) -> Iterator[Change]:
    left, right = [r.source for r in mine.records], [r.source for r in theirs.records]
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            a = mine.records[i1 + offset] if i1 + offset < i2 else None
            b = theirs.records[j1 + offset] if j1 + offset < j2 else None
            yield _cell(ws, a, b, (mine if a is not None else theirs), notes)
    modules_a, modules_b = mine.modules, theirs.modules
    for name in sorted({*modules_a, *modules_b}):
        if modules_a.get(name) != modules_b.get(name):
            texts = [_kept(ws, m.get(name)) for m in (modules_a, modules_b)]
            yield _changed(name, texts[0], texts[1], modules_a.get(name) is None, modules_b.get(name) is None)
    commits = [side.run.code.get("commit") for side in (mine, theirs)]
    if commits[0] != commits[1]:
        yield Change(what="code", name="git", a=commits[0], b=commits[1])


def _cell(ws: Workspace, a: CellRecord | None, b: CellRecord | None, side: _Side, notes: list[str]) -> Change:
    texts = [source_text(ws, r)[0] if r is not None else None for r in (a, b)]
    here = a if a is not None else b
    name = side.called(here, f"cell [{here.execution_count or ' '}]") if here is not None else ""
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
