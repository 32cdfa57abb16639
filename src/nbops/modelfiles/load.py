"""A model file to an estimator, or a refusal that names the types.

Three things stand between a file and its use: its digest (the caller hands over a path that
:meth:`ArtifactStore.verified` gave it), its types (here), and what its arrays make compiled code do
(:mod:`nbops.modelfiles.structure`).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from nbops.core.errors import CorruptArtifactError, UntrustedModelError, UsageError
from nbops.modelfiles import structure, trusted

PICKLE = "pickle"
"""In `allow`: this file may be a pickle."""

_FUNCTION_LOADERS = {"FunctionNode", "CachedNode"}


def load(path_verified: Path, format: str, *, allow: Sequence[str] = ()) -> Any:
    """The estimator in a model file.

    Parameters
    ----------
    path_verified : Path
        A file whose digest was just checked.
    format : {"skops", "pickle"}
    allow : sequence of str
        Names of types that somebody allowed beyond the reviewed list; ``"pickle"`` allows a pickle.

    Raises
    ------
    UntrustedModelError
        If it holds other types; `types` names them. Nothing of it has been loaded then.
    CorruptArtifactError
        If it is no model file, or its content would make compiled code read where it must not.
    """
    if format == "pickle":
        if PICKLE not in allow:
            raise UntrustedModelError(
                f"the model file {path_verified.name!r} is a pickle, which can run any code when it is loaded;"
                " nobody has allowed it: promote it with '--allow-type pickle --why TEXT' if you know where it"
                " comes from, or save it as skops",
                (PICKLE,),
            )
        with path_verified.open("rb") as file:
            return pickle.load(file)
    if format != "skops":
        raise UsageError(f"a model can't be loaded from {format!r}; known: skops, pickle")
    return _load_skops(path_verified, tuple(name for name in allow if name != PICKLE))


def untrusted_types(path_verified: Path) -> tuple[str, ...]:
    """The types in a skops file that are not on the reviewed list, sorted. Nothing of it is loaded."""
    from skops.io._audit import get_tree
    from skops.io._utils import read_schema

    with _opened(path_verified) as archive:
        schema, context = read_schema(archive)
        return tuple(sorted(get_tree(schema, context, trusted=trusted.TRUSTED).get_unsafe_set()))


def _load_skops(path: Path, allow: tuple[str, ...]) -> Any:
    from skops.io._audit import get_tree
    from skops.io._utils import read_schema

    with _opened(path) as archive:
        schema, context = read_schema(archive)
        _refuse_calls(schema, path)
        tree = get_tree(schema, context, trusted=(*trusted.TRUSTED, *allow))
        unknown = tuple(sorted(tree.get_unsafe_set() - set(allow)))
        if unknown:
            raise UntrustedModelError(
                f"the model file {path.name!r} holds {'a type' if len(unknown) == 1 else 'types'} that nobody has"
                f" allowed: {', '.join(unknown)}; if you know {'it' if len(unknown) == 1 else 'them'},"
                f" promote the model with {' '.join(f'--allow-type {name}' for name in unknown)} --why TEXT",
                unknown,
            )
        estimator = tree.construct()
    structure.check(_constructed(tree), path)
    return estimator


def _opened(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except BadZipFile as error:
        raise CorruptArtifactError(f"{path.name!r} is no skops file ({error})") from error


def _refuse_calls(schema: Any, path: Path) -> None:
    """skops would call a trusted name wherever it stands as a type. A function may stand as a value only."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            if name in trusted.FUNCTIONS and node.get("__loader__") not in _FUNCTION_LOADERS:
                raise UntrustedModelError(
                    f"the model file {path.name!r} uses the function {name} as a type"
                    f" ({node.get('__loader__')}): no honest writer does that, and it is not loaded",
                    (name,),
                )
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _constructed(tree: Any) -> Iterator[Any]:
    """Every object that was made from the file."""
    seen: set[int] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
        elif hasattr(node, "construct") and id(node) not in seen:
            seen.add(id(node))
            yield node.construct()
            stack.extend(node.children.values())
