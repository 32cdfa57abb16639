"""What a notebook's kernel said, in a form that two executions of the same notebook share.

Normalised is what differs between two plain executions as well: addresses, times, process numbers, random names, the
moment at which a stream was flushed. Everything else is kept to the letter: order, counts, tracebacks with their
colours, images byte for byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

RECORD = "application/vnd.nbops.record.v1+json"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"0x[0-9a-fA-F]{5,16}", "0x…"),
        (r"\.\.\.x?[0-9a-f]{5,16}(?=>|&gt;)", "0x…"),  # a repr that scikit-learn has shortened
        (r"ipykernel_\d+", "ipykernel_…"),
        (r"/tmp/tmp[\w-]{6,12}", "/tmp/tmp…"),
        (r"(?m)(?:^|(?<=\r))[^\n\r]*\d%\|[^\n\r]*", "<progress>"),  # tqdm's bars; begins at a line's start, or a
        # line of a million characters would be looked at a million times
        (r"(?:<progress>\r?)+", "<progress>"),
        # %timeit rounds its loops to what fits into the time
        (r"(?<![\d.,])[\d.,]+ (?:ns|[uµμ]s|ms|s) ± [^\n]*per loop \(mean ± std\. dev\. of [^\n)]*\)", "<timeit>"),
        (r"The slowest run took [^\n]*\n[^\n]*\n?", ""),  # %timeit says it of some executions and not of others
        (r"(?<![\d.,])[\d.,]+(?:e-?\d+)?( ?)(?:ns|[uµμ]s|ms|s|sec|secs|seconds|min|minutes)\b", r"<time>"),
        (r"(?:<time>,? ?)+", "<time> "),
        (r"\b\d\d?:\d\d:\d\d(?:\.\d+)?\b", "<clock>"),
        (r"(pid[=: ]+|process )\d+", r"\1…"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{24}_\d+_\d+\b", "<message>"),  # an output widget keeps whose output it takes
    )
)
_RANDOM_NAMES = re.compile(  # of widgets and comms (also as IPY_MODEL_<id>); of what a figure's SVG defines
    r"(?<![0-9a-f])(?:[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})(?![0-9a-f])"
    r"|\b[mpc][0-9a-f]{10}\b"
)
_RANDOM_DISPLAY = re.compile(
    r"[0-9a-f]{16}"
)  # IPython's own progress bar; others are named by people, or as widgets are


class Forms:
    """Normalises one execution. Random names become numbers in the order of their first appearance, so that two
    messages that meant the same widget still do.

    Parameters
    ----------
    dates : iterable of str
        Days (``2030-01-31``) on which the notebook ran: a date of the data is not one that changes."""

    def __init__(self, dates: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        self._dates = tuple(dates)

    def text(self, text: str) -> str:
        for day in self._dates:
            text = re.sub(
                re.escape(day) + r"(?:[ T]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", "<now>", text
            )
        for pattern, to in _RULES:
            text = pattern.sub(to, text)
        return _RANDOM_NAMES.sub(lambda m: self._name(m[0]), text)

    def _name(self, random: str) -> str:
        return self._names.setdefault(random, f"<name {len(self._names)}>")

    def value(self, value: Any, key: str = "") -> Any:
        """A message's content. Images are kept as their digests."""
        if isinstance(value, dict):
            return {self.text(str(k)): self.value(v, str(k)) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        if isinstance(value, str):
            if key.startswith("image/") and key != "image/svg+xml":
                return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
            if key == "display_id" and _RANDOM_DISPLAY.fullmatch(value):
                return self._name(value)
            return self.text(value)
        return value

    def cell(self, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """A cell's messages: ours are left out, and text of one stream is joined."""
        said: list[dict[str, Any]] = []
        for message in messages:
            kind, content = message["type"], message["content"]
            if kind == "status" or is_record(message):
                continue
            last = said[-1] if said else None
            if kind == "stream" and last and last["type"] == "stream" and last["name"] == content["name"]:
                last["text"] += content["text"]
            elif kind == "stream":
                said.append({"type": "stream", "name": content["name"], "text": content["text"]})
            else:
                said.append({"type": kind, "content": content})
        return [self.value(message) for message in said]


def is_record(message: dict[str, Any]) -> bool:
    """A card of nbops, with its record."""
    return message["type"] == "display_data" and RECORD in message["content"].get("data", {})
