"""``nbops.param(…)``: a parameter that says more than an annotation can, above all that it is a secret.

Called, it answers in the kernel; written in the parameters cell, it is read from the text and not called. A secret
is looked up where the notebook runs, in the environment and then in the keyring. So nobody passes it on: it is in no
injected cell and on no command line, and whoever has looked it up writes it nowhere.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbops.core.errors import ParameterError
from nbops.core.redaction import hide
from nbops.notebook.kinds import Kind, Mismatch, convert, inferred
from nbops.notebook.values import NotLiteralError, literal

SHORTEST = 4
"""Characters of a secret: a shorter one can't be hidden without hiding half of every text."""
_LIMITS = ("ge", "gt", "le", "lt")
_KNOWN = ("default", "secret", "env", "keyring", "choices", *_LIMITS, "help")


@dataclass(frozen=True, kw_only=True)
class Secret:
    """Where a secret is: the environment variable `env`, else the entry `env` of the keyring's service `keyring`."""

    env: str
    keyring: str = "nbops"

    @property
    def where(self) -> str:
        return f"set the environment variable {self.env}, or 'keyring set {self.keyring} {self.env}'"

    def find(self, who: str) -> str:
        """Its value, from now on hidden.

        Raises
        ------
        ParameterError
            If it is nowhere, or too short to be hidden.
        """
        value = os.environ.get(self.env) or _from_keyring(self.keyring, self.env)
        if not value:
            raise ParameterError(f"{who}; {self.where}")
        if len(value) < SHORTEST:
            raise ParameterError(f"{who}: {self.env} has fewer than {SHORTEST} characters, it couldn't be hidden")
        hide(value)
        return value


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a ``nbops.param(…)`` in a cell says. `default` is its expression, ``...`` where it has none."""

    default: ast.expr
    choices: tuple[Any, ...] = ()
    bounds: tuple[tuple[str, Any], ...] = ()
    help: str = ""
    secret: Secret | None = None

    def limited(self, kind: Kind) -> Kind:
        if self.secret is not None:
            return replace(kind, base="str", text="str")
        if self.choices and kind.base == "Any":
            kind = inferred(self.choices[0])
        return replace(kind, choices=self.choices or kind.choices, bounds=(*kind.bounds, *self.bounds))


def param(
    default: Any = ...,
    *,
    secret: bool = False,
    env: str | None = None,
    keyring: str = "nbops",
    choices: Sequence[Any] = (),
    ge: Any = None,
    gt: Any = None,
    le: Any = None,
    lt: Any = None,
    help: str = "",  # noqa: ARG001  read from the cell's text
) -> Any:
    """A parameter of the notebook, for the cell tagged ``parameters``.

    Parameters
    ----------
    default : object, optional
        Its value where none is given. Without one, a value must be given.
    secret : bool
        Its value comes from the environment variable `env` or from the keyring, and is written nowhere.
    env, keyring : str
        Names of the environment variable (which is the entry's name in the keyring too) and of the keyring's service.
    choices, ge, gt, le, lt
        What it may be: one of, ≥, >, ≤, <.
    help : str
        What it is for.

    Raises
    ------
    ParameterError
        For a secret that isn't there, and a default that is itself not allowed.
    """
    if secret:
        if not env:
            raise ParameterError('nbops.param(secret=True) needs env="NAME", the environment variable it comes from')
        return Secret(env=env, keyring=keyring).find("this notebook needs a secret")
    if default is ...:  # as in ``month: str = ...``: papermill's cell comes after this one
        return default
    limits = tuple((name, limit) for name, limit in zip(_LIMITS, (ge, gt, le, lt), strict=True) if limit is not None)
    try:
        convert(replace(inferred(default), choices=tuple(choices), bounds=limits), default)
    except Mismatch as mismatch:
        raise ParameterError(f"nbops.param({default!r}): the default must be {mismatch.asked}") from None
    return default


def call_of(value: ast.expr | None) -> Call | None:
    """What the expression says if it is ``nbops.param(…)`` (or ``param(…)``); None if it is something else.

    Raises
    ------
    ParameterError
        For an argument that can't be read without executing it.
    """
    if not isinstance(value, ast.Call) or ast.unparse(value.func) not in ("nbops.param", "param"):
        return None
    said = {k.arg or "**": k.value for k in value.keywords}
    if value.args:
        said["default"] = value.args[0]
    default = said.pop("default", ast.Constant(value=...))
    plain: dict[str, Any] = {}
    for name, node in said.items():
        if name not in _KNOWN:
            raise ParameterError(f"nbops.param takes no {name!r}; known: {', '.join(_KNOWN)}")
        try:
            plain[name] = literal(node)
        except NotLiteralError:
            raise ParameterError(f"nbops.param({name}={ast.unparse(node)}) must be written out") from None
    secret = None
    if plain.get("secret"):
        if not plain.get("env"):
            raise ParameterError('a secret needs env="NAME", the environment variable it comes from')
        secret = Secret(env=plain["env"], keyring=plain.get("keyring", "nbops"))
        default = ast.Constant(value=None)  # nobody has to give it, and nobody may
    bounds = tuple((name, plain[name]) for name in _LIMITS if plain.get(name) is not None)
    choices = tuple(plain.get("choices", ()))
    return Call(default=default, choices=choices, bounds=bounds, help=plain.get("help", ""), secret=secret)


def _from_keyring(service: str, name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(service, name)
    except KeyringError:  # none is set up, or it is locked
        return None
    return found
