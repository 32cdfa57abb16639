"""A value in its canonical form, written once: the store keeps the text, a notebook the JSON, both the digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbops.core import canonical, wire


@dataclass(frozen=True, kw_only=True)
class Written:
    """`encoded` are the JSON types whose canonical text is `text`; `digest` is of that text."""

    encoded: Any
    text: str
    digest: str


def written(value: Any) -> Written:
    """The canonical form of a frozen dataclass (or of anything that :func:`nbops.core.wire.to_json` takes).

    Raises
    ------
    NotCanonicalError
    """
    encoded = canonical.encode(wire.to_json(value))
    text = canonical.dump_encoded(encoded)
    return Written(encoded=encoded, text=text, digest=canonical.digest_text(text))
