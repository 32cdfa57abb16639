"""Cards go out after everything the cell put out, and change none of it.

A frontend that was told ``clear_output(wait=True)`` clears at the next output, whatever it is. Should the cell end
with such a clear still waiting, our card would carry it out; then no card is shown (the record is in the store).
"""

from __future__ import annotations

import sys
from typing import Any

Message = dict[str, Any]


class PendingClear:
    """Watches one cell's messages: is a ``clear_output(wait=True)`` still waiting for an output?

    Displays and results are seen by the publishers' own hooks. Streams have hooks only in another thread; their
    ``write`` is watched, and only from the moment a clear waits until the text comes."""

    def __init__(self, shell: Any) -> None:
        self.waiting = False
        self._publishers = [
            p for p in (shell.display_pub, shell.displayhook) if hasattr(p, "register_hook") and hasattr(p, "_hooks")
        ]
        self._streams: list[Any] = [sys.stdout, sys.stderr]
        self._written: list[tuple[Any, Any, bool]] = []
        for publisher in self._publishers:
            publisher.register_hook(self._sent)

    def stop(self) -> bool:
        """End watching; True if a clear still waits."""
        self._streams_back()
        for publisher in self._publishers:
            publisher.unregister_hook(self._sent)
        return self.waiting

    def _sent(self, message: Message) -> Message:
        kind = message["header"]["msg_type"]
        if kind == "clear_output":
            self._streams_back()
            self.waiting = bool(message["content"].get("wait"))
            if self.waiting:
                self._watch_streams()
        elif kind in ("display_data", "execute_result"):
            self._output()
        return message

    def _output(self) -> None:
        self.waiting = False
        self._streams_back()

    def _watch_streams(self) -> None:
        for stream in self._streams:
            original = stream.write

            def write(text: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
                if text:
                    self._output()
                return _original(text, *args, **kwargs)

            self._written.append((stream, original, "write" in vars(stream)))
            stream.write = write

    def _streams_back(self) -> None:
        for stream, original, had in self._written:
            if had:
                stream.write = original
            else:
                del stream.write
        self._written = []
