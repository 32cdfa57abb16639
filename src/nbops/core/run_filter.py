"""The words of ``nbops runs list --filter`` and of the panel's filter field, read into a tree.

::

    metrics.mae < 50 and params.lr = 0.1            comparisons: = != < <= > >=, ~ and !~ (holds the text)
    status = FAILED or not kind = step              name, status, kind, experiment, notebook, id, tag, started_at,
                                                    seconds, parent
    ridge                                           a word alone: in the name, the notebook, the experiment or the id
    params.`my name` ~ "two words"                  names in backticks, values in quotes

``and`` binds closer than ``or``; terms side by side are joined by ``and``; parentheses group.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nbops.core.errors import UsageError, suggestion

FIELDS = ("name", "status", "kind", "experiment", "notebook", "id", "tag", "started_at", "seconds", "parent")
OPERATORS = ("<=", ">=", "!=", "!~", "==", "=", "<", ">", "~")
_TOKEN = re.compile(
    r"""\s*(?:(?P<op><=|>=|!=|!~|==|=|<|>|~)|(?P<paren>[()])|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<word>(?:params|metrics)\.`[^`]+`|[^\s()<>=!~"']+))"""
)
MOST_TERMS = 200
"""Fields and words that a filter may have: a database holds only so deep an expression."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`space` is "run", "params" or "metrics"; `value` is a number, a text, a truth value or None (``null``)."""

    space: str
    field: str
    operator: str
    value: float | int | str | bool | None


@dataclass(frozen=True, kw_only=True)
class Word:
    text: str


@dataclass(frozen=True, kw_only=True)
class Not:
    term: Term


@dataclass(frozen=True, kw_only=True)
class Both:
    terms: tuple[Term, ...]


@dataclass(frozen=True, kw_only=True)
class Either:
    terms: tuple[Term, ...]


Term = Comparison | Word | Not | Both | Either


def parse_filter(text: str) -> Term | None:
    """The tree of a filter; None for an empty one.

    Raises
    ------
    UsageError
        Says what was expected, and at which character.
    """
    tokens = list(_tokens(text))
    if not tokens:
        return None
    reading = _Reading(text, tokens)
    term = reading.either()
    if reading.at < len(tokens):
        raise reading.wrong(f"{reading.now!r} is not expected here")
    return term


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            where = place + len(text[place:]) - len(text[place:].lstrip())
            raise UsageError(
                f"filter {text!r}: {text[where]!r} at character {where + 1} can't be read; is a quote open?"
            )
        kind = found.lastgroup or ""
        yield _Token(kind, found[kind], found.start(kind))
        place = found.end()


class _Reading:
    """A descent over the tokens, a method a rule."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text, self.tokens, self.at = text, tokens, 0
        self.depth = self.terms = 0

    @property
    def now(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def wrong(self, why: str) -> UsageError:
        place = self.tokens[self.at].place if self.at < len(self.tokens) else len(self.text)
        return UsageError(f"filter {self.text!r}: {why}, at character {place + 1}")

    def either(self) -> Term:
        terms = [self.both()]
        while self._keyword("or"):
            self.at += 1
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else Either(terms=tuple(terms))

    def both(self) -> Term:
        terms = [self.single()]
        while self.at < len(self.tokens) and self.now != ")" and not self._keyword("or"):
            if self._keyword("and"):
                self.at += 1
            terms.append(self.single())
        return terms[0] if len(terms) == 1 else Both(terms=tuple(terms))

    def single(self) -> Term:
        if self.at == len(self.tokens):
            raise self.wrong("something is missing")
        token = self.tokens[self.at]
        if self._keyword("not"):
            self.at += 1
            return Not(term=self._deeper(self.single))
        if token.text == "(" and token.kind == "paren":
            self.at += 1
            term = self._deeper(self.either)
            if self.now != ")":
                raise self.wrong("a ')' is missing")
            self.at += 1
            return term
        if token.kind not in ("word", "quoted") or self._keyword("and") or self._keyword("or"):
            raise self.wrong(f"a field, a word or '(' is expected, not {token.text!r}")
        self.terms += 1
        if self.terms > MOST_TERMS:
            raise self.wrong(f"it has more than {MOST_TERMS} fields and words")
        self.at += 1
        if self.at < len(self.tokens) and self.tokens[self.at].kind == "op":
            return self._comparison(token)
        return Word(text=_unquoted(token))

    def _comparison(self, field: _Token) -> Comparison:
        self.at -= 1
        space, name = self._field(field)
        self.at += 1
        operator = self.now
        self.at += 1
        if self.at == len(self.tokens) or self.tokens[self.at].kind not in ("word", "quoted"):
            raise self.wrong(f"a value is expected after {operator!r}")
        value = self._value(self.tokens[self.at])
        self.at += 1
        return Comparison(space=space, field=name, operator="=" if operator == "==" else operator, value=value)

    def _field(self, token: _Token) -> tuple[str, str]:
        space, dot, name = token.text.partition(".")
        if dot and space in ("params", "metrics") and name:
            return space, name.strip("`")
        if token.text in FIELDS:
            return "run", token.text
        known = [*FIELDS, "params.NAME", "metrics.NAME"]
        near = suggestion(token.text, known, limit=len(known))
        own = "" if dot else f"; your own are called metrics.{token.text} or params.{token.text}"
        raise self.wrong(f"there is no field {token.text!r}{own}{near}")

    def _value(self, token: _Token) -> float | int | str | bool | None:
        if token.kind == "quoted":
            return _unquoted(token)
        if _NUMBER.fullmatch(token.text):
            number = float(token.text)
            if math.isinf(number):
                raise self.wrong("the number is too large")
            return int(token.text) if re.fullmatch(r"[-+]?\d+", token.text) else number
        words: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}
        return words.get(token.text.lower(), token.text)

    def _keyword(self, word: str) -> bool:
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return token.kind == "word" and token.text.lower() == word

    def _deeper(self, rule: Callable[[], Term]) -> Term:
        self.depth += 1
        if self.depth > 50:
            raise self.wrong("it is nested too deep")
        made = rule()
        self.depth -= 1
        return made


def _unquoted(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1]) if token.kind == "quoted" else token.text
