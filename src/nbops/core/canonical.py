"""One written form for every value we keep, and its digest.

Identity in nbops is a tagged hash of a canonical text. The text must survive a round trip through any
JSON reader and writer, JavaScript's above all: a browser that saves a notebook rewrites ``1.0`` as ``1``,
rounds integers beyond 2**53 and refuses NaN. So:

* integers beyond ±(2**53 - 1) become ``"i:<digits>"``;
* floats that are integral, infinite or NaN become ``"f:<repr>"``; other floats stay numbers;
* a string that begins with ``i:``, ``f:`` or ``s:`` is written with ``s:`` before it;
* a lone surrogate, which UTF-8 cannot carry, becomes U+FFFD;
* keys are strings, sorted by code point; no white space; UTF-8.

The form's name is ``j1``. A change of the form changes the name; readers of older names stay.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from nbops.core.errors import NotCanonicalError

FORM = "j1"
_SAFE = 2**53 - 1
_TAGS = ("i:", "f:", "s:")
_WRITER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> Any:
    """Turn a value into JSON types that every JSON reader gives back unchanged.

    Raises
    ------
    NotCanonicalError
        For a type that has no canonical form, or a mapping key that is no string.
    """
    try:
        return _encode(value)
    except _UnwritableError as found:
        where = "".join(reversed(found.steps))
        raise NotCanonicalError(f"${where}: {found.said}") from None


class _UnwritableError(Exception):
    """On its way out it gathers where it was met: paths of what can be written are never put together."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said, self.steps = said, list[str]()


def _encode(value: Any) -> Any:
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        text = value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return "s:" + text if text.startswith(_TAGS) else text
    if kind is int:
        return value if -_SAFE <= value <= _SAFE else f"i:{value}"
    if kind is float:
        return value if math.isfinite(value) and not value.is_integer() else f"f:{value!r}"
    if kind is dict or isinstance(value, Mapping):
        encoded = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise _UnwritableError(f"the key {key!r} is no string; only string keys can be kept")
            try:
                encoded[encode_key(key)] = _encode(item)
            except _UnwritableError as found:
                found.steps.append(f".{key}")
                raise
        return encoded
    if isinstance(value, (list, tuple)):
        items: list[Any] = []
        try:
            for item in value:
                items.append(_encode(item))
        except _UnwritableError as found:
            found.steps.append(f"[{len(items)}]")
            raise
        return items
    raise _UnwritableError(f"a {kind.__name__} has no canonical form; convert it first")


def encode_key(key: str) -> str:
    """A mapping key as it is written: the text itself, lone surrogates replaced."""
    return key if key.isascii() else key.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def decode(value: Any) -> Any:
    """The inverse of :func:`encode`, on parsed JSON."""
    if isinstance(value, str):
        if value.startswith("s:"):
            return value[2:]
        if value.startswith("i:"):
            return int(value[2:])
        if value.startswith("f:"):
            return float(value[2:])
        return value
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def dump_encoded(encoded: Any) -> str:
    """Canonical text of an already encoded value (for instance one read back from a notebook)."""
    return _WRITER.encode(encoded)


def canonical(value: Any) -> str:
    """The canonical text of `value`."""
    if type(value) is int and -_SAFE <= value <= _SAFE:  # most parameters; an encoder for it takes ten times as long
        return str(value)
    return dump_encoded(encode(value))


def parse(text: str) -> Any:
    """The value whose canonical text is `text`."""
    return decode(json.loads(text))


def digest_text(text: str) -> str:
    """``j1:sha256:<64 hex>`` of a canonical text."""
    return f"{FORM}:sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def digest(value: Any) -> str:
    """The tagged digest of a value: equal for equal canonical texts, and for nothing else."""
    return digest_text(canonical(value))
