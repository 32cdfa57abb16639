"""Where a notebook that failed may go on: the newest kept state that leads to what an uninterrupted run leads to.

A state is no such place if a cell before it has changed since, or if what it couldn't keep (a connection, a generator,
what was patched into a module) can't be made again by running its cell once more: because that cell changes something
else in place, because what it reads is no longer what it was, or because what it made was used up by later cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from nbops.checkpoints.chance import draws
from nbops.checkpoints.folder import Boundary, digests
from nbops.checkpoints.patches import imported, patches, setups
from nbops.checkpoints.pickling import HOOKED, SHARES
from nbops.notebook.names import Names, names
from nbops.notebook.outside import reads_outside

_CONNECTS = ("sqlite3.", "psycopg", "sqlalchemy.", "requests.", "httpx.", "pymongo.", "redis.", "duckdb", "_thread.")
_DB_WRITES = re.compile(
    r"\.(?:to_sql|executemany|executescript|commit)\s*\("
    r"|\.execute\(\s*\w?[\'\"]{1,3}\s*(?:insert|update|delete|create|drop|alter|merge|replace|copy)\b",
    re.IGNORECASE,
)
_COMMANDS = ("subprocess.", "os.system", "os.popen", "get_ipython().system", "get_ipython().getoutput")
_APPENDS = re.compile(r"open\([^)]*,\s*(?:mode\s*=\s*)?['\"][^'\"]*a[^'\"]*['\"]")
_DEFINES = re.compile(r"\b(?:def|class|lambda)\b")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Go on before the cell at place `cell`; `again` are places of cells to run once more first, {place: names they
    make}. `repeated` are the effects outside the notebook that this repeats."""

    cell: int
    again: Mapping[int, tuple[str, ...]]
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NoPlan:
    """Why there is no place to go on from; `effects` if the only reason is that these would be repeated."""

    why: str
    effects: tuple[str, ...] = ()


def plan(
    sources: Sequence[str],
    boundaries: Iterable[Boundary],
    *,
    failed: int,
    effects: Mapping[int, str],
    repeat_effects: bool = False,
) -> Plan | NoPlan:
    """Choose the boundary.

    Parameters
    ----------
    sources : sequence of str
        The text of each cell by place; empty for a cell that isn't code.
    boundaries : iterable of Boundary
        The kept states, the newest first.
    failed : int
        The place of the cell that failed: it runs again in any case.
    effects : mapping
        What of the world outside a cell has changed, by place.
    repeat_effects : bool
        Whether these may be repeated.
    """
    now, whys = digests(sources), []
    for boundary in boundaries:
        if boundary.cell > failed:
            continue
        changed = next((i for i, (a, b) in enumerate(zip(boundary.sources, now, strict=False)) if a != b), None)
        if changed is not None or len(now) < boundary.cell:
            whys.append(f"cell {(changed or 0) + 1} has changed since")
            continue
        again, why = _again(sources, boundary)
        if why:
            whys.append(f"before cell {boundary.cell + 1}: {why}")
            continue
        again = _set_up(sources, boundary, again, effects)
        repeated = told(effects, {*again, *range(boundary.cell, failed + 1)})
        if repeated and not repeat_effects:
            return NoPlan(why="cells that would run again have had effects outside the notebook", effects=repeated)
        return Plan(cell=boundary.cell, again=again, repeated=repeated)
    return NoPlan(why="; ".join(dict.fromkeys(whys)) or "no state was kept before the cell that failed")


def told(effects: Mapping[int, str], places: Iterable[int]) -> tuple[str, ...]:
    """The effects of cells, each as "cell 3 adds to a file"."""
    return tuple(f"cell {place + 1} {effects[place]}" for place in sorted(places) if place in effects)


def effect(source: str) -> str | None:
    """What a cell changes of the world outside the notebook, as far as its text tells; None if nothing is seen."""
    if any(found.reason == "url" for found in reads_outside(source)):
        return "talks to the network"
    if _DB_WRITES.search(source):
        return "writes to a database"
    if any(call.startswith(_COMMANDS) for call in names(source).calls) or _shell(source):
        return "starts a command"
    if _APPENDS.search(source):
        return "adds to a file"
    return None


def _shell(source: str) -> bool:
    return any(line.lstrip().startswith("!") for line in source.splitlines())


def _again(sources: Sequence[str], boundary: Boundary) -> tuple[dict[int, tuple[str, ...]], str]:
    """The cells that have to run once more, or why that wouldn't do."""
    cells = [names(source) for source in sources]
    before = range(boundary.cell)
    modules = imported(sources[: boundary.cell])
    makers = {place: found for place in before if (found := patches(sources[place], modules))}
    todo = [name for name in boundary.unsaved if _needed(name, sources, cells, boundary)]
    todo += [read for place in makers for read in cells[place].reads if read in boundary.unsaved]
    done: set[str] = set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        maker = next((place for place in reversed(before) if name in cells[place].writes), None)
        if boundary.unsaved[name] == HOOKED:
            return {}, f"{name!r} couldn't be kept: {HOOKED}"
        if maker is None:
            return {}, f"{name!r} couldn't be kept ({boundary.unsaved[name]}), and no cell is seen to make it"
        makers[maker] = (*makers.get(maker, ()), name)
        todo += [read for read in cells[maker].reads if read in boundary.unsaved]
    for maker, made in makers.items():  # a frame and an array that share memory are made again together
        owners = set().union(*(_owners(boundary.unsaved.get(name, "")) for name in made))
        makers[maker] = (*made, *sorted(owners & cells[maker].writes))
    for maker in makers:
        wanted = cells[maker].mutates & modules.keys() | set(makers[maker])
        drawn = draws(sources, maker, wanted)
        random = drawn and f"it draws random numbers ({drawn}), which would be others now"
        why = random or _not_again(maker, sources, cells, boundary, modules.keys())
        if why:
            return {}, f"cell {maker + 1} would have to make {', '.join(map(repr, makers[maker]))} again, but {why}"
    return dict(sorted(makers.items())), ""


def _set_up(
    sources: Sequence[str], boundary: Boundary, again: Mapping[int, tuple[str, ...]], effects: Mapping[int, str]
) -> dict[int, tuple[str, ...]]:
    """With the cells that set up logging and the like, as far as they may run once more: no result hangs on it, so
    where they may not, the state is none the worse a place to go on from."""
    cells = [names(source) for source in sources]
    modules = imported(sources[: boundary.cell])
    found = dict(again)
    for place in range(boundary.cell):
        made = setups(sources[place], modules)
        safe = place not in effects and not cells[place].reads & boundary.unsaved.keys()
        if made and (place in found or (safe and not _not_again(place, sources, cells, boundary, modules.keys()))):
            found[place] = (*found.get(place, ()), *made)
    return dict(sorted(found.items()))


def _needed(name: str, sources: Sequence[str], cells: Sequence[Names], boundary: Boundary) -> bool:
    """Is it mentioned after the boundary, or in a function that may be called there?"""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return any(
        word.search(source)
        for place, source in enumerate(sources)
        if place >= boundary.cell or (_DEFINES.search(source) and name not in cells[place].writes)
    )


def _owners(reason: str) -> set[str]:
    return set(reason.removeprefix(SHARES).split(", ")) if reason.startswith(SHARES) else set()


def _not_again(
    maker: int, sources: Sequence[str], cells: Sequence[Names], boundary: Boundary, modules: Set[str]
) -> str:
    cell, between = cells[maker], range(maker + 1, boundary.cell)
    if cell.unparsable or cell.star_imports:
        return "it isn't understood"
    alone = not cell.reads - modules  # then what it binds itself is nobody else's
    if changed := cell.mutates - boundary.unsaved.keys() - modules - (cell.writes if alone else frozenset()):
        return f"it changes {min(changed)!r} in place"
    for place in between:
        touched = cells[place].writes | cells[place].mutates | cells[place].deletes
        if read := (cell.reads & touched) - modules:
            return f"it reads {min(read)!r}, which cell {place + 1} changes"
    for name, reason in boundary.unsaved.items():
        if name not in cell.writes:
            continue
        for place in between:
            if owner := _owners(reason) & cell.writes & (cells[place].writes | cells[place].mutates):
                return f"cell {place + 1} has changed {min(owner)!r} since, whose memory it shares"
        lasting = reason.startswith(_CONNECTS) and ":memory:" not in sources[maker]
        used = next((p for p in between if re.search(rf"\b{re.escape(name)}\b", sources[p])), None)
        if used is not None and not lasting:
            return f"cell {used + 1} has used it since"
    return ""
