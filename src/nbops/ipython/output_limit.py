"""In the kernel of a step, a cell that prints without end is cut before it is sent: what the runner would throw away
needn't pile up on the way to it.

A kernel publishes without waiting for whoever listens: a gigabyte of prints filled the runner's memory, and the word
that the cell was done came too late to be waited for. The limit is the runner's own
(:mod:`nbops.pipeline.output_limit`, which stays for kernels that nbops isn't in), counted in the same way.
"""

from __future__ import annotations

import sys
from typing import Any

from nbops.pipeline.output_limit import LIMIT, NOTE, content_size

Message = dict[str, Any]
_ROOM = 200  # characters for the note: with it, no cell passes the runner's limit


class SourceLimit:
    """Hooks on the kernel's streams (called in the thread that sends) and displays (in the cell's)."""

    def __init__(self, shell: Any, limit: int = LIMIT) -> None:
        self.limit = limit
        self._cell: str | None = None
        self._counted, self._said = 0, False
        self._streams = [
            s for s in (sys.stdout, sys.stderr) if hasattr(s, "register_hook") and hasattr(s, "pub_thread")
        ]
        for stream in self._streams:
            stream.pub_thread.schedule(lambda s=stream: s.register_hook(self._text))
        self._display = shell.display_pub if hasattr(shell.display_pub, "register_hook") else None
        if self._display is not None:
            self._display.register_hook(self._shown)

    def stop(self) -> None:
        for stream in self._streams:
            stream.pub_thread.schedule(lambda s=stream: s.unregister_hook(self._text))
        if self._display is not None:
            self._display.unregister_hook(self._shown)

    def _text(self, message: Message) -> Message:
        content = message["content"]
        text = content["text"]
        room = self._room_for(message, len(text))
        if room < len(text):
            content["text"] = text[:room] + self._note()
        return message

    def _shown(self, message: Message) -> Message | None:
        kind = message["header"]["msg_type"]
        if kind == "clear_output":
            self._cell = None
        if kind != "display_data":
            return message
        size = content_size(message["content"])
        if self._room_for(message, size) >= size:
            return message
        note = self._note()
        message["content"] = {"name": "stderr", "text": note}
        message["msg_type"] = message["header"]["msg_type"] = "stream"
        return message if note else None

    def _room_for(self, message: Message, size: int) -> int:
        """How many of these characters the message's cell may still put out. (Threads of earlier cells that go on
        printing take turns with it: then each begins anew, and the runner's limit holds.)"""
        cell = (message.get("parent_header") or {}).get("msg_id")
        if cell != self._cell:
            self._cell, self._counted, self._said = cell, 0, False
        room = max(0, self.limit - _ROOM - self._counted)
        self._counted += size
        return room

    def _note(self) -> str:
        if self._said:
            return ""
        self._said = True
        return NOTE.format(limit=self.limit)
