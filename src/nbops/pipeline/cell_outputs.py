"""Outputs of a cell, from what the kernel publishes: as nbclient and nbformat make them, up to a limit.

nbformat holds each output against the schema of notebooks, at 0.5 ms. Of a plain text, or of texts by their kind, there
is nothing that could be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg
from papermill.clientwrap import PapermillNotebookClient

_JSON = re.compile(r"^application/(.*\+)?json$")


class OutputClient(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's client."""

    clear_before_next_output: bool

    def output(self, outs: Any, msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        if not self.nb_man.output_limit.takes(outs, msg):
            return None
        if self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            return super().output(outs, msg, display_id, cell_index)  # it is an output widget's
        try:
            made = output_of(msg)
        except ValueError:
            self.log.error("unhandled iopub msg: %s", msg["msg_type"])
            return None
        if self.clear_before_next_output:
            outs[:] = []
            self.clear_display_id_mapping(cell_index)
            self.clear_before_next_output = False
        if display_id:
            self._display_id_map.setdefault(display_id, {}).setdefault(cell_index, []).append(len(outs))
        outs.append(made)
        return made


def output_of(message: Mapping[str, Any]) -> Any:
    """The output.

    Raises
    ------
    ValueError
        If the message is no output.
    nbformat.ValidationError
        If it isn't as the format has it.
    """
    kind = message["header"]["msg_type"]
    parts: dict[str, Any] | None = None
    match kind, message["content"]:
        case "stream", {"name": str(name), "text": str(text)}:
            parts = {"name": name, "text": text}
        case "display_data", {"metadata": dict(about), "data": dict(data)} if _fine(data):
            parts = {"metadata": about, "data": data}
        case "execute_result", {"metadata": dict(about), "data": dict(data), "execution_count": int(n)} if _fine(data):
            parts = {"metadata": about, "data": data, "execution_count": n}
    if parts is None:
        return output_from_msg(message)
    output = NotebookNode(output_type=kind)
    output.update(parts)  # what is in them becomes nodes too
    return output


def _fine(data: Mapping[str, Any]) -> bool:
    """Is each representation a text, or of a kind that may be anything?"""
    return all(isinstance(value, str) or _JSON.match(kind) for kind, value in data.items())
