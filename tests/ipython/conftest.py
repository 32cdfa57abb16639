"""Real kernels, and what their messages come to when what must differ (ids, times, addresses) is taken out."""

from __future__ import annotations

import copy
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

MIME = "application/vnd.nbops.record.v1+json"
EXTENSION = "--IPKernelApp.extra_extensions=nbops"

_SAME = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}"), "ID"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{24}(_\d+_\d+)?"), "MESSAGE"),
    (re.compile(r"\(\d+\.py, line"), "(CELL, line"),
    (re.compile(r"(?m)(^|\\n) +1 #?\\n"), r"\1 1 \\n"),  # a control's first line is a comment, ours an empty one
    (re.compile(r"ipykernel_\d+/\d+"), "ipykernel/CELL"),
    (re.compile(r"\(pid=\d+\)"), "(PID)"),  # Python 3.12 and later warn of a fork beside threads
    (re.compile(r"\d+(\.\d+)?(e\+\d+)? (ns|µs|μs|us|ms|s|min)\b"), "TIME"),
)


class Kernel:
    """A kernel and a client for it."""

    def __init__(self, folder: Path, *, nbops: bool, env: dict[str, str]) -> None:
        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "k"))
        self.manager.start_kernel(
            cwd=str(folder), env={**os.environ, **env}, extra_arguments=[EXTENSION] if nbops else []
        )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=20)

    def send(self, code: str, *, tags: list[str] | None = None, **kwargs: Any) -> str:
        """Ask for an execution, with cell metadata as JupyterLab sends it; return the message's id."""
        kwargs.setdefault("allow_stdin", False)
        session = self.client.session
        session.metadata = {"cellId": f"cell-{abs(hash(code)) % 10**6}", "tags": tags or []}
        try:
            sent: str = self.client.execute(code, **kwargs)
            return sent
        finally:
            session.metadata = {}

    def collect(self, sent: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Every iopub message about a request, and its reply."""
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") != sent:
                continue
            messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=20)
            if reply["parent_header"].get("msg_id") == sent:
                return messages, reply["content"]

    def run(self, code: str, **kwargs: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return self.collect(self.send(code, **kwargs))

    def text(self, code: str, **kwargs: Any) -> str:
        """What a cell prints, or the error it ends with."""
        messages, _ = self.run(code, **kwargs)
        said = [m["content"].get("text") or m["content"].get("evalue") or "" for m in messages]
        return "".join(said)

    def cards(self, code: str, **kwargs: Any) -> list[dict[str, Any]]:
        """The MIME bundles of the cards that a cell's execution shows."""
        messages, _ = self.run(code, **kwargs)
        return [m["content"]["data"] for m in messages if is_card(m)]

    def interrupt_once_running(self, sent: str, marker: str = "running") -> None:
        """Interrupt a cell that has printed `marker`; its messages are put back by the caller's collect."""
        while True:
            message = self.client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") == sent and marker in message["content"].get("text", ""):
                time.sleep(0.2)
                self.manager.interrupt_kernel()
                return

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=not self.manager.is_alive())


def is_card(message: dict[str, Any]) -> bool:
    return message["msg_type"] == "display_data" and (
        MIME in message["content"]["data"] or message["content"]["data"].get("text/plain", "").startswith("nbops · ")
    )


def comparable(messages: list[dict[str, Any]], *, cards: bool = False) -> list[Any]:
    """Messages without ids, times and addresses; the text of one stream in one piece; cards taken out."""
    found: list[Any] = []
    for message in messages:
        if not cards and is_card(message):
            continue
        kind, content = message["msg_type"], copy.deepcopy(message["content"])
        if kind == "execute_input":
            content = {"execution_count": content["execution_count"]}
        if kind == "stream" and found and found[-1][0] == "stream" and found[-1][1]["name"] == content["name"]:
            found[-1][1]["text"] += content["text"]
        else:
            found.append((kind, content))
    return json.loads(same(json.dumps(found, sort_keys=True, ensure_ascii=False)))


def comparable_reply(reply: dict[str, Any]) -> Any:
    kept = {k: v for k, v in reply.items() if k not in ("engine_info",)}
    return json.loads(same(json.dumps(kept, sort_keys=True, ensure_ascii=False)))


def same(text: str) -> str:
    text = text.replace("\\u001b", "\x1b")
    for pattern, replacement in _SAME:
        text = pattern.sub(replacement, text)
    return text


def shown(messages: list[dict[str, Any]]) -> list[Any]:
    """The outputs a frontend is left with, in order (as nbclient and JupyterLab treat clear_output); cards last
    taken out. A clear that waits is carried out by the next output, a card too."""
    outputs: list[dict[str, Any]] = []
    waits = False
    for message in messages:
        kind, content = message["msg_type"], message["content"]
        if kind == "clear_output":
            waits = content["wait"]
            outputs = outputs if waits else []
        elif kind in ("stream", "display_data", "execute_result", "error"):
            outputs = [] if waits else outputs
            waits = False
            outputs.append(message)
    return comparable(outputs)


@contextmanager
def kernel(folder: Path, *, nbops: bool, env: dict[str, str] | None = None) -> Iterator[Kernel]:
    started = Kernel(folder, nbops=nbops, env=env or {})
    try:
        yield started
    finally:
        started.close()


@pytest.fixture
def tracked_kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A fresh kernel with nbops, in a workspace of its own (`tmp_path`)."""
    (tmp_path / ".nbops").mkdir()
    with kernel(tmp_path, nbops=True) as started:
        yield started


@pytest.fixture(scope="session")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with nbops for tests that leave it as they found it; its workspace is its folder."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / ".nbops").mkdir()
    with kernel(folder, nbops=True) as started:
        yield started
