"""Where a tree says by a name that a text is a secret: assigned to ``password`` in whatever form, given or compared as
it, a value under such a key.

The texts that the value itself is made of count (``os.getenv("PASSWORD") or "…"``, ``"…" + "…"``), not those that a
call is given (``os.environ["PASSWORD"]``), nor what is plainly no secret (a placeholder, ``"<pad>"``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from nbops.core.redaction import REDACTED, gives_away, secret_name

# calls that give what they are given, in another form
_SAME = {"str", "bytes", "bytearray", "SecretStr", "SecretBytes", "Secret", "b64decode", "unhexlify", "fromhex", "join"}
_SAME |= {"encode", "decode", "strip", "lower", "upper", "get_secret_value"}
_DEFAULTED = {"getenv", "get", "pop", "setdefault", "getattr"}  # (name, what it is where there is none)
# there names are those of columns and words
_COLUMNS = {
    "columns",
    "rename",
    "renames",
    "mapper",
    "index",
    "dtype",
    "dtypes",
    "schema",
    "converters",
    "labels",
    "hue",
}
_OF_TABLES = {"rename", "astype", "agg", "aggregate", "groupby", "group_by", "select", "drop", "replace", "map", "cast"}
_OF_TABLES |= {
    "with_columns",
    "sort",
    "sort_values",
    "pivot",
    "join",
    "merge",
    "fillna",
    "set_axis",
    "rename_axis",
    "assign",
}
# what states a value, and what has nothing in it: most of a tree is neither
_STATING = {ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.keyword, ast.arguments, ast.Dict, ast.Compare}
_STATING |= {ast.Tuple, ast.List, ast.Set, ast.Call}
LEAVES = {ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass}
_NOTHING = re.compile(
    r"(?i)\W*|[<\[]/?[\w| ]+[>\]]|(?:bearer|basic|token|none|null|true|false|auto|required|optional|changeme|utf-?8)\s*"
)
_PUT_IN = re.compile(r"\{[^{}]*\}|%\(\w+\)\w|%\w|\$\{?[A-Z_][A-Z0-9_]*\}?")
_NUMBERS_TOO = re.compile(r"(?i)pass|pwd|secret")
_PLAIN_WORD = re.compile(r"[a-z]{1,15}|\W{1,3}")


def whole_secrets(tree: ast.Module) -> set[ast.expr]:
    """The constants and f-strings that are secrets as a whole."""
    found: set[ast.expr] = set()
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]  # (node, are its keys names of columns)
    while stack:
        node, columns = stack.pop()
        kind = type(node)
        if kind in LEAVES:
            continue
        if kind in _STATING and not (columns and isinstance(node, (ast.Dict, ast.List, ast.Tuple))):
            for name, value in _named(node):
                found.update(_parts(name, value))
        if kind in _STATING or kind is ast.Subscript:
            stack += [(child, _among_columns(node, child, columns)) for child in ast.iter_child_nodes(node)]
        else:
            stack += [(child, False) for child in ast.iter_child_nodes(node)]
    return found


def _among_columns(node: ast.AST, child: ast.AST, columns: bool) -> bool:
    """Are names in a child of a node those of columns, where those in the node are (`columns`) or aren't?"""
    match node:
        case ast.Call():
            return child is not node.func and _last(node.func) in _OF_TABLES
        case ast.keyword():
            return columns or node.arg in _COLUMNS
        case ast.Assign():
            return any(_last(target) in _COLUMNS for target in node.targets)
        case ast.AnnAssign():
            return _last(node.target) in _COLUMNS
        case ast.Subscript():
            return child is node.slice
        case ast.Compare():  # name in ("password", "token")
            return True
    return columns and isinstance(node, (ast.Dict, ast.List, ast.Tuple))


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Every (name, value) that a node states."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _assigned(target, node.value)
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
        if node.value is not None:
            yield from _assigned(node.target, node.value)
    elif isinstance(node, ast.keyword):
        yield node.arg or "", node.value
    elif isinstance(node, ast.arguments):
        taken = [*node.posonlyargs, *node.args]
        pairs = [*zip(taken[len(taken) - len(node.defaults) :], node.defaults, strict=True)]
        for argument, default in (*pairs, *zip(node.kwonlyargs, node.kw_defaults, strict=True)):
            if default is not None:
                yield argument.arg, default
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield _text(key), value
    elif isinstance(node, ast.Compare):
        yield from _compared([node.left, *node.comparators])
    elif isinstance(node, ast.Tuple):
        yield from _pair(node.elts)
    elif isinstance(node, (ast.List, ast.Set)):
        for item in node.elts:  # [["password", "…"], …]
            if isinstance(item, ast.List):
                yield from _pair(item.elts)
    elif isinstance(node, ast.Call):
        yield from _called(node)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if not isinstance(target, (ast.Tuple, ast.List)):
        yield _last(target), value
        return
    if isinstance(value, (ast.Tuple, ast.List)):
        starred = any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
        if not starred and len(target.elts) == len(value.elts):
            for part, given in zip(target.elts, value.elts, strict=True):
                yield from _assigned(part, given)
        else:
            yield next((name for part in target.elts if secret_name(name := _last(part))), ""), value


def _compared(sides: Sequence[ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    for side in sides:
        name = "" if isinstance(side, ast.Constant) else _last(side)
        for other in sides:
            # the token of a text is compared with words
            word = name.lower() == "token" and isinstance(other, ast.Constant) and _PLAIN_WORD.fullmatch(_text(other))
            if name and other is not side and not word:
                yield name, other


def _pair(items: Sequence[ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    if len(items) == 2:
        yield _text(items[0]), items[1]


def _called(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """``log_param("password", "…")``, ``setattr(o, "password", "…")``."""
    name = _last(node.func)
    if name in _OF_TABLES:
        return
    if name in ("SecretStr", "SecretBytes"):
        for value in node.args:
            yield "secret", value
    for given, value in zip(node.args[:2], node.args[1:3], strict=False):
        yield _text(given), value


def _parts(name: str, value: ast.expr) -> Iterator[ast.expr]:
    """The texts that a value is made of, as far as the name says that they are secret."""
    if isinstance(value, ast.Constant):
        if isinstance(value.value, (str, bytes)):
            text = _text(value)
            if gives_away(name, text) and not plainly_none(name, text):
                yield value
        elif isinstance(value.value, int) and value.value >= 1000 and _NUMBERS_TOO.search(name) and secret_name(name):
            yield value  # a PIN
    elif isinstance(value, ast.JoinedStr):
        if secret_name(name):
            yield value
    else:
        for part in _inner(value):
            yield from _parts(name, part)


def _inner(value: ast.expr) -> Sequence[ast.expr]:
    match value:
        case ast.BoolOp():
            return value.values
        case ast.BinOp():
            return [value.left, value.right]
        case ast.IfExp():
            return [value.body, value.orelse]
        case ast.List() | ast.Tuple() | ast.Set():
            return value.elts
        case ast.Dict():
            return value.values
        case ast.NamedExpr() | ast.Starred() | ast.Await():
            return [value.value]
        case ast.Lambda():
            return [value.body]
        case ast.Call():
            return _given(value)
    return []


def _given(call: ast.Call) -> Sequence[ast.expr]:
    """What a call gives back of what it is given."""
    name = _last(call.func)
    if name in _DEFAULTED:
        after = 2 if name == "getattr" else 1
        return [*call.args[after : after + 1], *(k.value for k in call.keywords if k.arg == "default")]
    if name not in _SAME:
        return []
    made_of = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    given = [] if name in ("encode", "decode", "strip", "lower", "upper") else call.args
    return [*made_of, *given]


def plainly_none(name: str, text: str) -> bool:
    """Does the text say of itself that it is no secret: empty, a placeholder, a special token, the name once more?"""
    left = _PUT_IN.sub("", text)
    if left != text and not re.search(r"\w{3}", left):
        return True
    same = re.sub(r"[\W_]", "", text).lower() == re.sub(r"[\W_]", "", name).lower()
    return text == REDACTED or same or _NOTHING.fullmatch(text) is not None


def _last(node: ast.expr) -> str:
    """What a thing is called: ``password``, ``self.password``, ``config["password"]``."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Subscript():
            return _text(node.slice)
        case ast.Starred():
            return _last(node.value)
    return ""


def _text(node: ast.expr | None) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else ""
