"""What a cell puts out beyond the limit isn't sent: the messages as the kernel's publishers give them to hooks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nbops.ipython.output_limit import SourceLimit


class Publisher:
    """As ipykernel's streams and its display publisher: hooks that may change or hold back a message."""

    def __init__(self) -> None:
        self.hooks: list[Any] = []
        self.pub_thread = self
        self.register_hook, self.unregister_hook = self.hooks.append, self.hooks.remove

    def schedule(self, function: Any) -> None:
        function()

    def sent(self, kind: str, content: dict[str, Any], cell: str = "one") -> Any:
        message: Any = {"msg_type": kind, "header": {"msg_type": kind}, "parent_header": {"msg_id": cell}}
        message["content"] = content
        for hook in self.hooks:
            message = hook(message)
        return message and (message["msg_type"], message["content"].get("text", message["content"].get("data")))


def test_a_cell_is_cut_where_it_is_put_out(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err, display = Publisher(), Publisher(), Publisher()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    limit = SourceLimit(SimpleNamespace(display_pub=display), limit=300)  # 100 of them, and the note
    monkeypatch.undo()

    def text(stream: Publisher, said: str, cell: str = "one") -> str:
        return str(stream.sent("stream", {"name": "stdout", "text": said}, cell)[1])

    assert text(out, "x" * 60) == "x" * 60
    cut = text(err, "y" * 60)
    assert cut.startswith("y" * 40 + "\n… nbops: this cell put out more than 300 characters")
    assert len(cut) < 300 - 60
    assert text(out, "more") == ""
    assert display.sent("display_data", {"data": {"text/plain": "z"}}) is None
    assert text(out, "another cell", "two") == "another cell"
    assert display.sent("display_data", {"data": {"image/png": "z" * 90}}, "two")[0] == "stream"
    assert display.sent("update_display_data", {"data": {"text/plain": "far"}}, "two")[1] == {"text/plain": "far"}
    assert display.sent("clear_output", {"wait": True}, "two")[0] == "clear_output"
    assert text(out, "begins anew", "two") == "begins anew"
    limit.stop()
    assert not out.hooks + err.hooks + display.hooks
