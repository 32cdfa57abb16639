"""What a sweep goes over: ``lr=0.01,0.1``, ``depth=2..8``, ``rate=log:0.001..0.1``, as the notebook's types have it."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbops.core.canonical import canonical
from nbops.core.errors import ParameterError, UsageError
from nbops.notebook.parameters import Parameter, coerce

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"^(?P<log>log:)?(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})$")
MOST_TRIALS = 100_000
"""Of one sweep: each is a run in the store, and an execution of half a second at the least."""

_DRAWS = 50  # per point that is wanted, before a space counts as drawn out


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One parameter: these `values`, or a range from `low` to `high` (of integers where `whole`)."""

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False

    @property
    def varies(self) -> bool:
        return len(self.values) != 1

    @property
    def countable(self) -> Sequence[Any]:
        """Its values, where they can be counted: written out, or a range of integers (however many)."""
        if self.values:
            return self.values
        return range(int(self.low), int(self.high) + 1) if self.whole and not self.log else ()

    @property
    def size(self) -> int:
        """How many those are."""
        found = self.countable  # len() of a range ends at the machine's integers
        return found.stop - found.start if isinstance(found, range) else len(found)

    def draw(self, rng: random.Random) -> Any:
        if self.values:
            return rng.choice(self.values)
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
            return min(max(round(drawn), int(self.low)), int(self.high)) if self.whole else drawn
        return rng.randint(int(self.low), int(self.high)) if self.whole else rng.uniform(self.low, self.high)


def space(schema: Sequence[Parameter], given: Mapping[str, str], where: str) -> tuple[Dimension, ...]:
    """The dimensions that ``-p name=…`` options write; a single value is a dimension, too.

    Raises
    ------
    ParameterError
        For what the notebook doesn't take: every value and both ends of every range are checked.
    """
    known = {parameter.name: parameter for parameter in schema}
    coerce(schema, {name: _first(text) for name, text in given.items()}, where)  # names, and what must be given
    found = []
    for name, text in given.items():
        one = [known[name]]
        match = _RANGE.match(text.strip())
        if match and known[name].kind.base not in ("str", "date", "datetime"):
            ends = [coerce(one, {name: match[end]}, where)[name] for end in ("low", "high")]
            whole = all(isinstance(end, int) for end in ends)
            if ends[0] >= ends[1] or (match["log"] and ends[0] <= 0):
                raise ParameterError(f"{where}: {name}={text}: a range goes up{', from above 0' * bool(match['log'])}")
            found.append(Dimension(name=name, low=ends[0], high=ends[1], whole=whole, log=bool(match["log"])))
        else:
            values = [coerce(one, {name: part}, where)[name] for part in _parts(text)]
            found.append(Dimension(name=name, values=tuple({canonical(v): v for v in values}.values())))
    return tuple(found)


def grid(dimensions: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Every combination.

    Raises
    ------
    UsageError
        If a range has too many values to be counted, or all together are too many to be tried.
    """
    for each in dimensions:
        if not each.size:
            raise UsageError(
                f"{each.name} goes over a range that has no grid; write its values ({each.name}=0.1,0.2,…),"
                " or draw from it with --random N or --optuna N"
            )
    if (points := math.prod(each.size for each in dimensions)) > MOST_TRIALS:
        factors = " × ".join(f"{each.name} {each.size:,}" for each in dimensions if each.varies)
        raise UsageError(
            f"every combination is {points:,} trials ({factors}), and a sweep has {MOST_TRIALS:,} at most;"
            " draw from them with --random N, or have --optuna N choose"
        )
    names = [each.name for each in dimensions]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*(d.countable for d in dimensions))]


def drawn(dimensions: Sequence[Dimension], n: int, seed: int) -> list[dict[str, Any]]:
    """`n` different points, the same for the same seed; fewer where there aren't as many.

    Raises
    ------
    UsageError
        If they are too many to be tried.
    """
    if n > MOST_TRIALS:
        raise UsageError(f"{n:,} trials are too many: a sweep has {MOST_TRIALS:,} at most")
    rng = random.Random(seed)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(n * _DRAWS):
        point = {each.name: each.draw(rng) for each in dimensions}
        found.setdefault(canonical(point), point)
        if len(found) == n:
            break
    return list(found.values())


def _first(text: str) -> str:
    match = _RANGE.match(text.strip())
    return match["low"] if match else next(_parts(text))


def _parts(text: str) -> Iterator[str]:
    """A text taken apart at commas that stand in no bracket and no quotes."""
    depth, quote, start, parts = 0, "", 0, []
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and not text[start:i].strip():
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    for part in parts:
        bare = part.strip() if len(parts) > 1 else part
        quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\""
        yield bare[1:-1] if quoted else bare
