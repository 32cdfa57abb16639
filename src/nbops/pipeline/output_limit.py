"""A cell that puts out without end (a gigabyte of prints) must not take the runner's memory and the disk with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LIMIT = 20_000_000
"""Characters of one cell's outputs that are kept in the executed notebook."""
NOTE = "\n… nbops: this cell put out more than {limit:,} characters; the rest is not kept\n"


class OutputLimit:
    """Counts what the cell that runs puts out; asked for each message."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._counted = 0

    def takes(self, outputs: Sequence[Any], message: dict[str, Any]) -> bool:
        """Whether a message is to be kept; the one that goes over the limit is cut, and says so.

        `outputs` are those that the cell has: none, at its beginning or when it has cleared them."""
        if not outputs:
            self._counted = 0
        if self._counted > self.limit:
            return str(message["msg_type"]) == "error"
        content = message["content"]
        room = self.limit - self._counted
        self._counted += len(content["text"]) if message["msg_type"] == "stream" else content_size(content)
        if self._counted > self.limit and message["msg_type"] != "error":
            said = NOTE.format(limit=self.limit)
            text = str(content.get("text", "")) if message["msg_type"] == "stream" else ""
            name = content.get("name", "stdout") if message["msg_type"] == "stream" else "stderr"
            message["content"] = {"name": name, "text": text[:room] + said}
            message["msg_type"] = message["header"]["msg_type"] = "stream"
        return True


def content_size(value: Any) -> int:
    """Characters in it, roughly."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(content_size(v) for v in value.values())
    return sum(content_size(v) for v in value) if isinstance(value, (list, tuple)) else 8
