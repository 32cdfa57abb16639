"""Secrets in code: a cell or module without them that is the same code, for it is read, sliced and done again later.

Only what stands in quotes is replaced, and comments: a text by its shape wherever it is, and whole where a name says
that it is a secret (:mod:`nbops.notebook.secret_places`). Names, calls and structure stay. What Python can't parse,
and lines that only IPython knows, are texts like any other (:func:`nbops.core.redaction.redact_text`).
"""

from __future__ import annotations

import ast
import bisect
import functools
import io
import re
import tokenize
from collections.abc import Iterator, Sequence

from nbops.core.hushed import hushed
from nbops.core.redaction import REDACTED, may_hold_secret, redact_text, without_hidden
from nbops.notebook.secret_places import LEAVES, plainly_none, whole_secrets
from nbops.notebook.syntax import parsed, python_source

_QUOTED = re.compile(r"(?s)(?P<prefix>[A-Za-z]*)(?P<quote>\"{3}|'{3}|[\"'])(?P<body>.*)(?P=quote)")
_PUT_IN = "\ue000"  # for an expression in an f-string while its text is looked at

_Place = tuple[int, int]  # (line from 1, character from 0), as tokenize counts
_Token = tuple[_Place, _Place, str]


def redact_code(source: str) -> str:
    """The code without secrets; the very text where it has none."""
    return _redacted(without_hidden(source))[0]


def literal_secrets(source: str) -> frozenset[str]:
    """The texts in the code that the name they go under gives away: they are secret under any other name too."""
    return _redacted(without_hidden(source))[1]


def holes(text: str) -> list[int]:
    """The lines (from 1) of a text as kept that lack something the code needs: not those of comments and docstrings."""
    if REDACTED not in text:
        return []
    tree, lines = parsed(text), text.split("\n")
    if tree is None:
        return [number for number, line in enumerate(lines, 1) if REDACTED in line]
    turned = python_source(text).split("\n")
    only_ipython = {n for n, line in enumerate(lines, 1) if REDACTED in line and line not in turned[n - 1 : n]}
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    needed = {
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and id(node) not in said and REDACTED in _as_text(node.value))
        or (isinstance(node, ast.List) and ast.unparse(node) == REDACTED)  # as earlier versions left it
    }
    return sorted(only_ipython | needed)


@functools.lru_cache(maxsize=64)  # a cell's text is asked for more than once
def _redacted(source: str) -> tuple[str, frozenset[str]]:
    """(the code without secrets, the texts that were taken out whole)"""
    if not may_hold_secret(source):
        return source, frozenset()
    tree = parsed(source)
    if tree is None or "\r" in source.replace("\r\n", "\n"):
        return redact_text(source), frozenset()
    code = _Code(source)
    try:
        secrets = code.take_out(tree)
        new = code.text()
    except (tokenize.TokenError, SyntaxError, RecursionError):  # what Python parses and tokenize doesn't
        return redact_text(source), frozenset()
    if new == source:
        return source, secrets
    after = parsed(new)
    if after is None or _kinds(after) != _kinds(tree):
        return redact_text(source), secrets
    return new, secrets


def _kinds(tree: ast.Module) -> list[type[ast.AST]]:
    return [type(node) for node in ast.walk(tree)]


class _Code:
    """A text under edit. Positions are those of the text as Python reads it, whose lines are the same but for those
    that only IPython knows."""

    def __init__(self, source: str) -> None:
        self._lines = source.split("\n")
        self._python = python_source(source)
        self._turned = self._python.split("\n")
        self._edits: list[_Token] = []

    @functools.cached_property
    def _tokens(self) -> tuple[list[_Token], list[_Token]]:
        return _tokens(self._python)

    def take_out(self, tree: ast.Module) -> frozenset[str]:
        """Note what is to be replaced; the texts that are secrets whole."""
        whole = whole_secrets(tree)
        for node in _texts(tree):
            if node in whole or _holds(self._looks(node)):
                self._take_out(node, whole=node in whole)
        marked = "\n".join(line[line.index("#") :] for line in self._turned if "#" in line)
        if _holds(marked):
            comments = self._tokens[1]
            old = [text for _, _, text in comments]
            new = redact_text("\n".join(old)).split("\n")  # a private key goes over several
            self._replace(comments, new if len(new) == len(old) else [f"# {REDACTED}"] * len(old))
        return frozenset(_as_text(n.value) for n in whole if isinstance(n, ast.Constant)) - {""}

    def text(self) -> str:
        """The text with every edit in lines that are Python as they stand; the others are looked at as texts."""
        lines = list(self._lines)
        alike = [line in self._turned[i : i + 1] for i, line in enumerate(lines)]
        if not all(alike):
            for (first, _), (last, _), _ in self._tokens[0]:  # a string is in one piece
                if not all(alike[first - 1 : last]):
                    alike[first - 1 : last] = [False] * len(alike[first - 1 : last])
        for (first, start), (last, end), text in sorted(self._edits, reverse=True):
            if last <= len(alike) and all(alike[first - 1 : last]):
                lines[first - 1 : last] = [lines[first - 1][:start] + text + lines[last - 1][end:]]
                alike[first - 1 : last] = [True]
        found: list[str] = []
        run: list[str] = []
        for line, same in zip(lines, alike, strict=True):
            if same:
                found += [*([redact_text("\n".join(run))] if run else []), line]
                run = []
            else:
                run.append(line)
        return "\n".join([*found, *([redact_text("\n".join(run))] if run else [])])

    def _take_out(self, node: ast.expr, *, whole: bool) -> None:
        first, last = self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)
        if isinstance(node, ast.Constant) and not isinstance(node.value, (str, bytes)):
            self._edits.append((first, last, f'"{REDACTED}"'))
            return
        strings = self._tokens[0]
        starts = [start for start, _, _ in strings]
        tokens = strings[bisect.bisect_left(starts, first) : bisect.bisect_left(starts, last)]
        texts = [text for _, _, text in tokens]
        self._replace(tokens, [_blank(text) for text in texts] if whole else _by_shape(texts))

    def _looks(self, node: ast.expr) -> str:
        """The value of a text; of an f-string the lines it stands in."""
        if isinstance(node, ast.Constant):
            return _as_text(node.value)
        return "\n".join(self._turned[node.lineno - 1 : node.end_lineno])

    def _replace(self, tokens: Sequence[_Token], new: Sequence[str]) -> None:
        self._edits += [(a, b, text) for (a, b, old), text in zip(tokens, new, strict=True) if text != old]

    def _place(self, line: int | None, column: int | None) -> _Place:
        line, column = line or 1, column or 0
        text = self._turned[line - 1]  # the tree counts bytes
        return line, column if text.isascii() else len(text.encode()[:column].decode("utf-8", "replace"))


def _texts(tree: ast.Module) -> Iterator[ast.expr]:
    """Texts and numbers of a tree; an f-string as one."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield node
        elif type(node) not in LEAVES:
            stack.extend(ast.iter_child_nodes(node))


def _tokens(python: str) -> tuple[list[_Token], list[_Token]]:
    """(strings, comments); an f-string is one, which Python 3.12 takes apart."""
    strings, comments = [], []
    lines = python.split("\n")
    opened: list[_Place] = []
    for token in tokenize.generate_tokens(io.StringIO(python).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            opened.append(token.start)
        elif name == "FSTRING_END":
            start = opened.pop()
            if not opened:
                strings.append((start, token.end, _between(lines, start, token.end)))
        elif name == "STRING" and not opened:
            strings.append((token.start, token.end, token.string))
        elif name == "COMMENT" and not opened:
            comments.append((token.start, token.end, token.string))
    return strings, comments


def _between(lines: Sequence[str], start: _Place, end: _Place) -> str:
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "\n".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])


def _by_shape(tokens: Sequence[str]) -> list[str]:
    """String tokens that stand side by side, without what looks like a secret in them."""
    new = [_shaped(token) for token in tokens]
    value = "".join(_value(token) for token in new)
    return [_blank(token) for token in tokens] if _holds(value) else new


def _shaped(token: str) -> str:
    prefix, quote, body = _QUOTED.fullmatch(token).group("prefix", "quote", "body")  # type: ignore[union-attr]
    if "f" in prefix.lower():
        return prefix + quote + "".join(_without(list(_pieces(body)))) + quote
    new = prefix + quote + redact_text(body) + quote
    try:
        with hushed(Warning):
            ast.literal_eval(new)
    except (SyntaxError, ValueError):  # what was taken out ended within an escape
        return _blank(token)
    return new


def _without(pieces: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The pieces of an f-string, each without secrets; looked at as one text first, for what each is part of."""
    together = redact_text("".join(piece if kind == "text" else _PUT_IN for kind, piece in pieces)).split(_PUT_IN)
    split = "".join("" if kind == "text" else _PUT_IN for kind, _ in pieces).count(_PUT_IN) + 1 == len(together)
    at = 0
    for kind, piece in pieces:
        if kind == "text":
            yield together[at] if split else redact_text(piece)
            continue
        at += 1
        yield redact_code(piece) if kind == "code" and _alone(piece) else piece


def _alone(code: str) -> bool:
    return parsed(code.strip()) is not None and "\n" not in code


def _blank(token: str) -> str:
    prefix, quote, body = _QUOTED.fullmatch(token).group("prefix", "quote", "body")  # type: ignore[union-attr]
    if "f" not in prefix.lower():
        return prefix + quote + REDACTED + quote if body else token
    if "://" in body:  # an address, in which what is secret has its place
        return _shaped(token)
    pieces = _pieces(body)
    new = (
        REDACTED if kind == "text" and re.search(r"\w{3}", piece) and not plainly_none("", piece) else piece
        for kind, piece in pieces
    )
    return prefix + quote + "".join(new) + quote


def _pieces(body: str) -> Iterator[tuple[str, str]]:
    """An f-string's body as ("text" | "code" | "rest", piece): `rest` is a brace, a conversion, a format."""
    at = begin = 0
    while at < len(body):
        if body.startswith(("{{", "}}"), at):
            at += 2
        elif body.startswith("\\N{", at):
            at = body.find("}", at) + 1 or len(body)
        elif body[at] != "{":
            at += 1
        else:
            yield "text", body[begin:at]
            yield "rest", "{"
            code_end = _code_end(body, at + 1)
            yield "code", body[at + 1 : code_end]
            begin = at = _closing(body, code_end)
            yield "rest", body[code_end:at]
    yield "text", body[begin:]


def _code_end(body: str, at: int) -> int:
    """Where the expression that begins there ends: at its conversion, format or brace."""
    depth = 0
    while at < len(body):
        char = body[at]
        if char in "\"'":
            closing = body.find(char, at + 1)
            at = closing if closing >= 0 else len(body)
        elif char in "([{":
            depth += 1
        elif depth == 0 and (char in ":}" or (char == "!" and body[at + 1 : at + 2] != "=")):
            return at
        elif char in ")]}":
            depth -= 1
        at += 1
    return len(body)


def _closing(body: str, at: int) -> int:
    depth = 1
    while at < len(body) and depth:
        depth += {"{": 1, "}": -1}.get(body[at], 0)
        at += 1
    return at


def _value(token: str) -> str:
    try:
        with hushed(Warning):
            return _as_text(ast.literal_eval(token))
    except (SyntaxError, ValueError):  # an f-string
        return ""


def _holds(text: str) -> bool:
    return may_hold_secret(text) and redact_text(text) != text


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""
