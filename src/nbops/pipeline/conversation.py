"""Cells sent to a kernel one after the other, and what is heard of them: as nbclient does it, without the event loop
and the three tasks that it has for each cell, which cost more than a small cell does.

The next cell is sent as soon as the kernel has replied that this one is done; what this one put out is read while the
next one runs. At no time does the kernel have two cells.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import zmq
from nbclient.client import timestamp
from nbclient.exceptions import CellExecutionComplete, CellTimeoutError

LOOK_S = 1.0
"""How often it is looked whether the kernel is alive, while it says nothing."""


@dataclass(kw_only=True)
class Sent:
    """A cell that the kernel was given. `done_at`: when it replied; `heard`: whether all its outputs have come."""

    place: int
    cell: Any
    id: str
    timeout_s: float | None
    done_at: datetime | None = None
    heard: bool = False
    reply: dict[str, Any] = field(default_factory=dict)


class Conversation:
    """With the kernel of an nbclient client that has started its channels.

    Parameters
    ----------
    over : callable
        Told of each cell that was replied to and whose outputs have come, in order.
    """

    def __init__(self, client: Any, over: Callable[[Sent], None]) -> None:
        self.client, self.over = client, over
        self.pending: list[Sent] = []  # the last of them may be running
        client.clear_before_next_output = False
        self._shell: Any = zmq.Socket.shadow(client.kc.shell_channel.socket.underlying)
        self._iopub: Any = zmq.Socket.shadow(client.kc.iopub_channel.socket.underlying)
        self._poller = zmq.Poller()
        for socket in (self._shell, self._iopub):
            self._poller.register(socket, zmq.POLLIN)

    def send(self, place: int, cell: Any, *, stop_on_error: bool) -> Sent:
        """Give the kernel a cell. The one before must have been replied to."""
        client = self.client
        if client.record_timing:
            cell["metadata"]["execution"] = {}
        message = client.kc.execute(cell.source, store_history=True, stop_on_error=stop_on_error)
        client.code_cells_executed += 1
        cell.outputs = []
        sent = Sent(place=place, cell=cell, id=message, timeout_s=client._get_timeout(cell))
        self.pending.append(sent)
        return sent

    def replied(self, sent: Sent) -> dict[str, Any]:
        """Wait until the kernel has done it; its reply.

        Raises
        ------
        nbclient.exceptions.DeadKernelError, CellTimeoutError
        """
        look = time.monotonic() + LOOK_S
        deadline = None if sent.timeout_s is None else time.monotonic() + sent.timeout_s
        while not sent.reply:
            self._hear(min(look, deadline or look))
            now = time.monotonic()
            if now >= look:
                self.client.check_alive()
                look = now + LOOK_S
            if deadline is not None and now >= deadline and not sent.reply:
                self.client.check_alive()
                instead = self.client.handle_timeout(sent.timeout_s, sent.cell)  # raises, or interrupts the kernel
                if instead is not None:
                    self._reply(sent, instead)
                deadline = now + (sent.timeout_s or 0)
        return sent.reply

    def all_heard(self) -> None:
        """Wait for the outputs of what was replied to.

        Raises
        ------
        nbclient.exceptions.CellTimeoutError
            If the kernel sends no end of them.
        """
        until = time.monotonic() + self.client.iopub_timeout
        while self.pending and self.pending[0].done_at is not None:
            self._hear(until)
            if time.monotonic() >= until and self.pending and self.pending[0].done_at is not None:
                last = self.pending[0]
                if self.client.raise_on_iopub_timeout:
                    raise CellTimeoutError.error_from_timeout_and_cell(
                        "Timeout waiting for IOPub output", self.client.iopub_timeout, last.cell
                    )
                self.client.log.warning("Timeout waiting for IOPub output")
                last.heard = True
                self._settle()

    def let_go(self) -> None:
        """Nothing more is heard of what is pending: the kernel died, was too late, or is to stop."""
        pending, self.pending = self.pending, []
        for sent in pending:
            self.over(sent)

    def _hear(self, until: float) -> None:
        """What there is to hear; wait for it if there is nothing."""
        for socket, _ in self._poller.poll(max(0, math.ceil((until - time.monotonic()) * 1e3))):
            session = self.client.kc.session
            _, parts = session.feed_identities(socket.recv_multipart())
            message = session.deserialize(parts)
            about = message["parent_header"].get("msg_id")
            sent = next((one for one in self.pending if one.id == about), None)
            if sent is None:
                continue
            if socket is self._shell:
                if self.client.record_timing:
                    sent.cell["metadata"]["execution"]["shell.execute_reply"] = timestamp(message)
                self._reply(sent, message)
            else:
                try:
                    self.client.process_message(message, sent.cell, sent.place)
                except CellExecutionComplete:
                    self.client.clear_before_next_output = False
                    sent.heard = True
                    self._settle()

    def _reply(self, sent: Sent, message: dict[str, Any]) -> None:
        sent.reply, sent.done_at = message, self.client.nb_man.now()
        self._settle()

    def _settle(self) -> None:
        while self.pending and self.pending[0].done_at is not None and self.pending[0].heard:
            self.over(self.pending.pop(0))
