"""A fitted estimator to a file in the artifact store.

The file is a skops file, written with skops's own encoders, with three differences of form that its readers
don't see: object numbers count from 0 instead of being memory addresses, members are named in the order they
come up, and times in the archive are constant. So the same model saved twice is the same file, and keeping every
fitted model at the end of every cell costs the space of one.
"""

from __future__ import annotations

import json
import pickle
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from nbops.core.errors import UsageError
from nbops.core.redaction import holds_hidden
from nbops.modelfiles import trusted

FORMATS = ("skops", "pickle")
_CONSTANT_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class SavedModel:
    """What became of an estimator. `digest` is None if it could not be kept; `reason` then says why.
    `untrusted` names the types that loading will ask about."""

    digest: str | None
    size: int
    format: str
    type: str
    untrusted: tuple[str, ...] = ()
    reason: str | None = None


class Pending(Protocol):
    """A file that is being written; `digest` and `size` are known when the ``with`` block has ended."""

    file: IO[bytes]
    digest: str
    size: int


class Keeper(Protocol):
    """What is needed of an artifact store: :class:`nbops.store.artifacts.ArtifactStore`, on the same floor as this."""

    def writing(self) -> AbstractContextManager[Pending]: ...


class _Members:
    """Stands in for the archive while skops walks the model: collects members in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def writestr(self, name: str, data: Any) -> None:
        self.content[name] = bytes(data)

    def namelist(self) -> dict[str, bytes]:
        return self.content

    def read(self, name: str) -> bytes:
        return self.content[name]


def save(estimator: Any, artifacts: Keeper, *, format: str = "skops") -> SavedModel:
    """Keep a fitted estimator. It is read only, never changed.

    Parameters
    ----------
    estimator : object
        A fitted estimator.
    artifacts : ArtifactStore
        Where to.
    format : {"skops", "pickle"}
        "pickle" only by explicit choice: a pickle can run any code when it is loaded.

    Returns
    -------
    SavedModel
        An estimator that can't be written is no error: `digest` is None and `reason` says why.

    Raises
    ------
    UsageError
        For another format.
    StoreFullError, StoreReadOnlyError
        If the artifact store can't be written.
    """
    if format not in FORMATS:
        raise UsageError(f"a model can't be saved as {format!r}; known: {', '.join(FORMATS)}")
    name = type_name(estimator)
    try:
        if format == "pickle":
            untrusted: tuple[str, ...] = ("pickle",)
            members = {"": pickle.dumps(estimator, protocol=5)}
        else:
            members, untrusted = _encode(estimator)
    except Exception as error:  # noqa: BLE001 - whatever an estimator's own state code raises is its reason
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return SavedModel(digest=None, size=0, format=format, type=name, reason=f"{format} can't write it: {said}")
    if any(holds_hidden(content) for content in members.values()):
        return SavedModel(digest=None, size=0, format=format, type=name, reason="it holds a secret")
    with artifacts.writing() as pending:
        if format == "pickle":
            pending.file.write(members[""])
        else:
            with ZipFile(pending.file, "w", compression=ZIP_STORED) as archive:
                for member, content in members.items():
                    archive.writestr(ZipInfo(member, _CONSTANT_TIME), content)
    return SavedModel(digest=pending.digest, size=pending.size, format=format, type=name, untrusted=untrusted)


def type_name(estimator: Any) -> str:
    """``module.QualifiedName`` of an object's class."""
    return f"{type(estimator).__module__}.{type(estimator).__qualname__}"


def _encode(estimator: Any) -> tuple[dict[str, bytes], tuple[str, ...]]:
    import skops
    import skops.io._persist  # registers the encoders of numpy, scipy and scikit-learn objects
    from skops.io._audit import get_tree
    from skops.io._utils import LoadContext, SaveContext, get_state

    members = _Members()
    context = SaveContext(zip_file=members)
    state = get_state(estimator, context)
    context.clear_memo()
    state["protocol"], state["_skops_version"] = context.protocol, skops.__version__
    content = _renumber(state, members.content)
    content["schema.json"] = json.dumps(state, separators=(",", ":")).encode()
    again = _Members()
    again.content = content
    # the list is taken off at the end: each node of the tree would make one of its own of it, and search that
    tree = get_tree(state, LoadContext(src=again, protocol=context.protocol), trusted=None)
    untrusted = tuple(sorted(tree.get_unsafe_set().difference(trusted.TRUSTED)))
    for name in untrusted:
        _must_be_found(name)
    return content, untrusted


def _must_be_found(name: str) -> None:
    """skops writes a lambda or an inner function by its name, and only loading would find that there is none."""
    module, _, attribute = name.rpartition(".")
    loaded = sys.modules.get(module)
    if attribute.startswith("<") or (loaded is not None and not hasattr(loaded, attribute)):
        raise ValueError(f"{name!r} can't be found by name when it is loaded; define it at the top of a module")


def _renumber(state: Any, content: dict[str, bytes]) -> dict[str, bytes]:
    """Number objects and members in the order they come up, in place; the members under their new names."""
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    stack = [state]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get("__id__"), int):
                node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
            if "__loader__" in node and isinstance(node.get("file"), str):
                old = node["file"]
                node["file"] = names.setdefault(old, f"{len(names)}.{old.rpartition('.')[2]}")
            stack.extend(node.values())
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
    return {names[old]: data for old, data in content.items() if old in names}
