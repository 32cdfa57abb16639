"""``nbops data tag`` and ``describe``: what people say of data, beside what the records say.

A tag of a name means one of its versions at a time, as an alias of a model does: ``data:/rides@golden``. Tagged content
is content that something refers to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nbops.catalog.versions import Catalogue
from nbops.core.data_versions import DataVersion
from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.redaction import redact_text
from nbops.store import data_names
from nbops.workspace import Workspace

_TAG = re.compile(r"(?!\d+$)[A-Za-z0-9][\w.\-]*")
MOST_TEXT = 2000  # characters of a description


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """`version` has `tag` now; `before` is what had it, if that was another."""

    tag: str
    version: DataVersion
    before: DataVersion | None = None


def tag(ws: Workspace, asked: str, word: str) -> Tagged:
    """Let a tag of the version's name mean this version, whatever it meant before.

    Raises
    ------
    UsageError
        If the tag could be taken for a number, or isn't one word.
    UnknownNameError, AmbiguousError
    """
    if not _TAG.fullmatch(word):
        raise UsageError(f"{word!r} is no tag: letters, digits, '.', '_' and '-', and not digits alone")
    catalogue = Catalogue(ws)
    version = catalogue.find(asked)
    known = data_names.tags(ws.store).get(version.name, {}).get(word)
    before = catalogue.find(f"{version.name}@{word}") if known not in (None, version.digest) else None
    with ws.store.transaction() as tx:
        data_names.set_tag(tx, version.name, word, version.digest, by=ws.identity)
    return Tagged(tag=word, version=version, before=before)


def untag(ws: Workspace, asked: str, word: str) -> None:
    """Take a tag away from a name.

    Raises
    ------
    UnknownNameError
        If the name hasn't it.
    """
    name = Catalogue(ws).find(asked).name
    known = data_names.tags(ws.store).get(name, {})
    if word not in known:
        raise UnknownNameError(f"tag of {name}", word, known)
    with ws.store.transaction() as tx:
        data_names.remove_tag(tx, name, word)


def describe(ws: Workspace, asked: str, text: str) -> str:
    """Say what a name of data is, or one of its versions (``NAME@V``); an empty text takes it back.

    Returns
    -------
    str
        The name or the version.

    Raises
    ------
    UsageError
        If the text is too long.
    UnknownNameError, AmbiguousError
    """
    if len(text) > MOST_TEXT:
        raise UsageError(f"a description has at most {MOST_TEXT:,} characters, this one {len(text):,}")
    catalogue = Catalogue(ws)
    version = catalogue.find(asked)
    whole = catalogue.is_name(asked)
    with ws.store.transaction() as tx:
        digest = "" if whole else version.digest
        data_names.describe(tx, version.name, digest, redact_text(text.strip()), by=ws.identity)
    return version.name if whole else version.ref
