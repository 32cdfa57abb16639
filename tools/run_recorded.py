"""One notebook through papermill, with everything its kernel said written down as it arrives.

A process of its own for :mod:`compare_notebooks`: ``python run_recorded.py SPEC.json``, where the file holds
``notebook``, ``output``, ``log``, ``engine`` (or null), ``arguments`` for the kernel, ``timeout_s`` a cell and
``keep_going`` after a cell that raises.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    import nbclient
    import papermill

    log = Path(spec["log"]).open("w")  # noqa: SIM115 - open as long as the process lives

    def note(cell: int, kind: str, content: Any) -> None:
        log.write(json.dumps({"cell": cell, "type": kind, "content": content}, default=repr) + "\n")
        log.flush()

    heard, checked = nbclient.NotebookClient.process_message, nbclient.NotebookClient._check_raise_for_error

    def process_message(self: Any, msg: Any, cell: Any, cell_index: int) -> Any:
        note(cell_index, msg["msg_type"], msg["content"])
        return heard(self, msg, cell, cell_index)

    async def check(self: Any, cell: Any, cell_index: int, exec_reply: Any) -> None:
        if exec_reply is not None and spec["engine"] != "nbops":
            note(cell_index, "execute_reply", exec_reply["content"])
        await checked(self, cell, cell_index, exec_reply)

    nbclient.NotebookClient.process_message = process_message
    nbclient.NotebookClient._check_raise_for_error = check
    if spec["engine"] == "nbops":  # which asks nbclient only about a reply that says more than "ok"
        from nbops.pipeline.conversation import Conversation

        replied = Conversation.replied

        def noted(self: Any, sent: Any) -> Any:
            reply = replied(self, sent)
            note(sent.place, "execute_reply", reply["content"])
            return reply

        Conversation.replied = noted  # type: ignore[method-assign]
    more = {"extra_arguments": spec["arguments"]} if spec["arguments"] else {}
    try:
        papermill.execute_notebook(
            spec["notebook"],
            spec["output"],
            engine_name=spec["engine"],
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=spec["timeout_s"],
            allow_errors=spec["keep_going"],
            **more,
        )
    except Exception as error:  # noqa: BLE001 - how it ended is what is compared
        note(-1, "end", [type(error).__name__, str(error)])
    else:
        note(-1, "end", ["", ""])


if __name__ == "__main__":
    main()
