"""The cell tagged ``parameters`` as a typed schema, and values given from outside checked against it.

The schema is read from the cell's text; nothing is executed. :mod:`nbops.notebook.kinds` says how a value is
brought to a type. The user's page is docs/parameters.md.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbops.core.errors import ParameterError, suggestion
from nbops.notebook.files import Notebook
from nbops.notebook.kinds import ANY, Kind, Mismatch, carried, convert, declared, inferred
from nbops.notebook.param_call import Secret, call_of
from nbops.notebook.syntax import parsed
from nbops.notebook.values import NotLiteralError, assignments, literal

TAG = "parameters"
INJECTED = "injected-parameters"
_SECRETIVE = re.compile(r"\b(environ|getenv|getpass|keyring|secrets?)\b")
_TYPE_COMMENT = re.compile(r"^type:\s*(?P<type>[^\s]+)\s*(?P<help>.*)$")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter. `type` is its type as text, "Any" where nothing tells it; `declared` whether the cell
    says the type (else it is that of the default). `written` is the default as the cell writes it, None for a
    required parameter; `default` is its value where `known`, else None. Bounds are None where there are none.
    """

    name: str
    type: str
    declared: bool
    written: str | None
    default: Any = None
    known: bool = False
    help: str = ""
    choices: tuple[Any, ...] = ()
    bounds: str = ""  # "≥ 0, < 1"
    line: int = 1
    kind: Kind = ANY
    secret: Secret | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given: the cell declares the type alone (``month: str``) or ``= ...``."""
        return self.written is None

    def to_json(self) -> dict[str, Any]:
        """The one form for every face: command line, widgets, panel, sweeps, schedules. `min` and `max` are bounds
        as written, `bounds` says in words whether they are excluded; of a secret there is never a value."""
        limits = dict(self.kind.bounds)
        return {
            "name": self.name,
            "type": self.type,
            "base": self.kind.base,
            "default": self.default,
            "written": self.written,
            "known": self.known,
            "help": self.help,
            "choices": list(self.choices),
            "min": limits.get("ge", limits.get("gt")),
            "max": limits.get("le", limits.get("lt")),
            "bounds": self.bounds,
            "required": self.required,
            "secret": self.secret is not None,
            "env": self.secret.env if self.secret else None,
        }


def schema(notebook: Notebook) -> tuple[Parameter, ...]:
    """The parameters of a notebook, in the order its cell tagged ``parameters`` first names them; empty where
    there is no such cell. As papermill does, only the first such cell counts.

    Raises
    ------
    ParameterError
        Where the cell isn't Python.
    """
    cell = notebook.tagged(TAG)
    if cell is None:
        return ()
    tree = parsed(cell.source)
    if tree is None:
        raise ParameterError(
            f"the parameters cell of {str(notebook.path)!r} (cell {cell.index + 1}) isn't valid Python"
            f"{_where_broken(cell.source)}; correct it, then try again"
        )
    comments = _comments(cell.source)
    found: dict[str, Parameter] = {}
    for name, value, statement in assignments(tree):
        try:
            parameter = _parameter(name, value, statement, comments)
            earlier = found.get(name)
            if earlier is not None and earlier.declared and not parameter.declared:  # x: int, later x = 1
                parameter = _parameter(name, value, statement, comments, earlier)
        except ParameterError as error:
            raise ParameterError(f"the parameters cell of {str(notebook.path)!r}: {name!r}: {error}") from None
        found[name] = parameter
    return tuple(found.values())


def of_notebook(notebook: Notebook) -> tuple[Parameter, ...]:
    """As :func:`schema`; empty where the notebook is no Python, for the schema is read from Python only."""
    return schema(notebook) if notebook.language in (None, "python") else ()


def accepted(notebook: Notebook, names: Iterable[str]) -> tuple[Parameter, ...]:
    """As :func:`of_notebook`; of one in another language, whose cell isn't read, these names with any value: papermill
    translates them."""
    if notebook.language in (None, "python") or notebook.tagged(TAG) is None:
        return of_notebook(notebook)
    return tuple(Parameter(name=name, type=ANY.text, declared=False, written="") for name in dict.fromkeys(names))


def coerce(parameters: Sequence[Parameter], given: Mapping[str, Any], where: str = "the notebook") -> dict[str, Any]:
    """The given values as the parameters' types want them, in the order of `given`.

    Strings are parsed: ``"0.1"`` for a float, ``"[1, 2]"`` (JSON or Python) for a list; other values are
    checked. Values come back as papermill can inject them: tuples and sets as lists, dates as ISO text.
    Defaults are not filled in: the notebook has them.

    Parameters
    ----------
    where
        What to call the notebook in messages.

    Raises
    ------
    ParameterError
        For an unknown name, a value of the wrong type, one that is no choice or out of bounds, or a required
        parameter that isn't given.
    """
    known = {parameter.name: parameter for parameter in parameters}
    if given and not known:
        names = ", ".join(repr(name) for name in given)
        raise ParameterError(
            f"{where} takes no parameters, but {names} {'was' if len(given) == 1 else 'were'} given; "
            f"put the assignments into one cell and give that cell the tag {TAG!r}"
        )
    for name in given:
        if name not in known:
            raise ParameterError(f"{where} has no parameter {name!r}{suggestion(name, known)}")
    for name in given:
        if (secret := known[name].secret) is not None:
            raise ParameterError(
                f"{where}: parameter {name!r} is a secret: it is never given as a value, which others could read;"
                f" {secret.where}"
            )
    missing = [p.name for p in parameters if p.required and p.name not in given]
    if missing:
        raise ParameterError(
            f"{where} needs a value for {', '.join(repr(name) for name in missing)}; give it with -p {missing[0]}=…"
        )
    return {name: _converted(known[name], value, where) for name, value in given.items()}


def values(parameters: Sequence[Parameter], given: Mapping[str, Any], where: str = "the notebook") -> dict[str, Any]:
    """Every parameter's value in a run with `given`, as :func:`coerce` has it, defaults included. A default
    that only execution can tell (``date.today()``) is left out."""
    chosen = coerce(parameters, given, where)
    return {p.name: chosen.get(p.name, p.default) for p in parameters if p.name in chosen or p.known}


def held(source: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What the names of a parameters cell hold once it has run, defaults that only execution can tell included. Left
    out are secrets, what is taken from where secrets are, and what no parameter can be."""
    tree = parsed(source)
    found: dict[str, Any] = {}
    secret: set[str] = set()
    for name, value, _ in assignments(tree) if tree is not None else ():
        try:
            call = call_of(value)
            if (call is not None and call.secret is not None) or (value and _SECRETIVE.search(ast.unparse(value))):
                secret.add(name)
            elif name in namespace:
                found[name] = carried(namespace[name])
        except (ParameterError, Mismatch):
            continue
    return {name: value for name, value in found.items() if name not in secret}


def find_secrets(parameters: Sequence[Parameter], where: str = "the notebook") -> None:
    """Look every secret up, before anything is executed, and have its value hidden from all that this process writes.

    Raises
    ------
    ParameterError
        For a secret that is nowhere.
    """
    for parameter in parameters:
        if parameter.secret is not None:
            parameter.secret.find(f"{where} needs the secret {parameter.name!r}")


def _converted(parameter: Parameter, value: Any, where: str) -> Any:
    try:
        return convert(parameter.kind, value)
    except Mismatch as mismatch:
        hint = ""
        if not parameter.declared and mismatch.retypable and parameter.written is not None:
            hint = (
                f" (the type of its default, {_short(parameter.written)}; "
                f"declare another in the parameters cell: {parameter.name}: TYPE = …)"
            )
        raise ParameterError(
            f"{where}: parameter {parameter.name!r} must be {mismatch.asked}, not {_short(repr(value))}{hint}"
        ) from None


def _parameter(
    name: str,
    value: ast.expr | None,
    statement: ast.AnnAssign | ast.Assign,
    comments: Mapping[int, str],
    earlier: Parameter | None = None,
) -> Parameter:
    help_text = comments.get(statement.end_lineno or statement.lineno) or comments.get(statement.lineno, "")
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    if match := _TYPE_COMMENT.match(help_text):  # papermill's older way to declare a type
        help_text = match["help"]
        if annotation is None:
            annotation = _expression(match["type"])
    call = call_of(value)
    if call is not None:
        value, help_text = call.default, call.help or help_text
    absent = isinstance(value, ast.Constant) and value.value is Ellipsis
    if isinstance(statement, ast.AnnAssign) and value is None:
        absent = True
    default, known = None, False
    if value is not None and not absent:
        with contextlib.suppress(NotLiteralError):
            default, known = literal(value), True
    if annotation is not None:
        kind = declared(annotation)
    elif earlier is not None:
        kind = earlier.kind
    else:
        kind = inferred(default) if known else ANY
    if call is not None:
        kind = call.limited(kind)
    return Parameter(
        name=name,
        type=kind.text,
        declared=annotation is not None or earlier is not None,
        written=None if absent else (ast.unparse(value) if value is not None else "…"),
        default=_injectable(default),
        known=known,
        help=help_text or kind.help or (earlier.help if earlier else ""),
        choices=kind.choices,
        bounds=kind.bounds_text,
        line=statement.lineno,
        kind=kind,
        secret=call.secret if call else None,
    )


def _injectable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_injectable(item) for item in value]
    return {key: _injectable(item) for key, item in value.items()} if isinstance(value, dict) else value


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _comments(source: str) -> dict[int, str]:
    """The comment on each line that has one, by line number."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                found[token.start[0]] = token.string.lstrip("#").strip()
    except (tokenize.TokenError, SyntaxError):  # a magic that tokenize doesn't know: what came before it counts
        pass
    return found


def _where_broken(source: str) -> str:
    try:
        ast.parse(source)
    except SyntaxError as error:
        text = (error.text or "").strip()
        return f": line {error.lineno}, {error.msg}" + (f", {text!r}" if text else "")
    except ValueError as error:
        return f": {error}"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
